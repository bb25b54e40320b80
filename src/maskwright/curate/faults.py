"""What a reader put aside, counted by its cause."""

from __future__ import annotations

from collections.abc import Iterator

from maskwright.formats.faults import FAULTY_RECORD
from maskwright.formats.regions import REGIONS_TURNED
from maskwright.issues import Issue, Kind
from maskwright.types import Dataset

IMAGES_LFS_POINTERS = Kind(
    "images_lfs_pointers", "warning", "{count} image is a pointer of Git LFS, not the image itself: {records:5}; {fix}",
    "{count:,} images are pointers of Git LFS, not the images themselves: {records:5}; {fix}", fix="git lfs pull",
)  # fmt: skip
FILES_NO_IMAGES = Kind(
    "files_no_images", "warning", "{count} file has an image's name and is no image that can be read: {records:5}",
    "{count:,} files have an image's name and are no images that can be read: {records:5}",
)  # fmt: skip
IMAGES_TOO_LARGE = Kind(
    "images_too_large", "warning", "{count} image has too many pixels: {records:5}",
    "{count:,} images have too many pixels: {records:5}",
)  # fmt: skip
IMAGES_DAMAGED = Kind(
    "images_damaged", "warning", "{count} image is damaged at its beginning: {records:5}",
    "{count:,} images are damaged at their beginning: {records:5}",
)  # fmt: skip
IMAGES_OF_ANOTHER_SIZE = Kind(
    "images_of_another_size", "warning",
    "{count} image has another size than the annotations say, and is skipped: {records:5}",
    "{count:,} images have another size than the annotations say, and are skipped: {records:5}",
)  # fmt: skip
IMAGES_DRAWN_UNTURNED = Kind(
    "images_drawn_unturned", "warning",
    "{count} image rotated by EXIF is skipped, for what is drawn fits only the unrotated one: {records:5}",
    "{count:,} images rotated by EXIF are skipped, for what is drawn fits only the unrotated ones: {records:5}",
)  # fmt: skip
IMAGES_TURNED_WITH_REGIONS = Kind(
    "images_turned_with_regions", "warning",
    "{count} image is rotated by EXIF and was annotated unrotated: its regions were rotated too: {records:5}",
    "{count:,} images are rotated by EXIF and were annotated unrotated: their regions were rotated too: {records:5}",
)  # fmt: skip
SECOND_RECORDS = Kind(
    "second_records", "warning", "{count} image has a second record, which is put aside: {records:5}",
    "{count:,} images have a second record, which is put aside: {records:5}",
)  # fmt: skip
REGIONS_OUTSIDE = Kind(
    "regions_outside", "warning", "{count} region lies wholly outside its image: {records:5}",
    "{count:,} regions lie wholly outside their images: {records:5}",
)  # fmt: skip
REGIONS_WITHOUT_AREA = Kind(
    "regions_without_area", "warning", "{count} region has no area: {records:5}",
    "{count:,} regions have no area: {records:5}",
)  # fmt: skip
REGIONS_NOT_NUMBERS = Kind(
    "regions_not_numbers", "warning", "{count} region has coordinates that are no numbers: {records:5}",
    "{count:,} regions have coordinates that are no numbers: {records:5}",
)  # fmt: skip
REGIONS_ENDLESS = Kind(
    "regions_endless", "warning", "{count} outline goes to and fro over all its image: {records:5}",
    "{count:,} outlines go to and fro over all their images: {records:5}",
)  # fmt: skip
RECORDS_FAULTY = Kind(
    "records_faulty", "warning", "{count} record is faulty in another way: {records:5}",
    "{count:,} records are faulty in another way: {records:5}",
)  # fmt: skip

KINDS = {
    "lfs_pointer": IMAGES_LFS_POINTERS, "not_an_image": FILES_NO_IMAGES, "unreadable": IMAGES_DAMAGED,
    "too_large": IMAGES_TOO_LARGE, "size_differs": IMAGES_OF_ANOTHER_SIZE, "drawn_unturned": IMAGES_DRAWN_UNTURNED,
    "second_record": SECOND_RECORDS, "not_numbers": REGIONS_NOT_NUMBERS, "without_area": REGIONS_WITHOUT_AREA,
    "outside": REGIONS_OUTSIDE, "endless": REGIONS_ENDLESS, "": RECORDS_FAULTY,
}  # fmt: skip


def by_cause(dataset: Dataset) -> Iterator[Issue]:
    """An issue for each cause that occurs, with the records as people find them: 'image "a.jpg", region 3'.

    Images that were read with their regions rotated are one issue here, too, instead of one each.
    """
    records: dict[str, list[Issue]] = {}
    for issue in FAULTY_RECORD.among(dataset.issues):
        records.setdefault(issue.values["cause"], []).append(issue)
    for cause, kind in KINDS.items():
        if cause in records:
            several = records[cause]
            images = dict.fromkeys(image for issue in several for image in issue.images)
            yield kind(images=images, count=len(several), records=[issue.subject for issue in several])
    turned = REGIONS_TURNED.among(dataset.issues)
    if turned:
        names = [issue.values["image"] for issue in turned]
        images = [image for issue in turned for image in issue.images]
        yield IMAGES_TURNED_WITH_REGIONS(images=images, count=len(turned), records=names)
