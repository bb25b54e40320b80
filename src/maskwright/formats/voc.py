"""Pascal VOC: one XML file beside each image, or in Annotations beside JPEGImages; palette PNGs for masks.

Looks like   <annotation><filename>a.jpg</filename><size>...</size><object><name>rust</name><bndbox>...</object>
Known by     .xml files with the root <annotation>; a folder SegmentationObject
Holds        boxes, pose, truncated, occluded, difficult, actions; source and owner of the image (voc_facts.py);
             masks in SegmentationObject (ids) and SegmentationClass, 255 is void; outlines in <polygon> (RectLabel,
             Roboflow, X-AnyLabeling); turned boxes in <robndbox> (roLabelImg), read as outlines of four corners
Cannot hold  scores, crowd, unlabeled images, points of outlines beside masks, masks that overlap. On writing they are
             dropped and counted; of an image whose masks do not overlap the pictures are written, too
Not used     <part>: counted; <segmented>, which says what the pictures show; <folder> and <path>
In the wild  <path> and <folder> of another machine; corners in any order or swapped; images renamed after their XML;
             <size> of zeros; depth 1; lists in ImageSets/Main that name absent images, and <class>_train.txt, which
             say whether a class occurs and are no splits
Coordinates  are taken and written as they stand, as edges from 0 to the image's width. That is what labelImg, Roboflow
             and most scripts mean. The original development kit counts pixels from 1 with both ends included: its
             boxes come out half a pixel to the lower right and one pixel short, which no AP notices.
Source       the VOC2012 development kit (layout, colors, 255 = void); labelImg 1.8 (what its writer stores)
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent, tostring

import numpy as np

from maskwright.errors import AnnotationError, DatasetError, OutputError
from maskwright.escaping import percent_encoded
from maskwright.files import writing, writing_folder
from maskwright.formats import lists, voc_facts, voc_masks, voc_shapes
from maskwright.formats.edits import unchanged
from maskwright.formats.listing import is_label_folder
from maskwright.formats.losses import OUTLINES_LOST
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    FoundImage,
    Head,
    ImageFinder,
    Losses,
    Regions,
    assemble,
    data_name,
    data_root,
    images_in,
    measured,
    read_xml,
)
from maskwright.formats.voc_shapes import Slips, text_of
from maskwright.issues import Kind
from maskwright.types import Annotation, Dataset, Instances, Record

XML_NAMES_ANOTHER_IMAGE = Kind(
    "xml_names_another_image", "warning",
    "XML files that name another image, where the one of the XML's own name was taken: {count} ({records:1})",
)  # fmt: skip
BODY_PARTS_UNUSED = Kind(
    "body_parts_unused", "info", "{count} part of an object (<part>, such as a head) was not read",
    "{count} parts of objects (<part>, such as a head) were not read",
)  # fmt: skip


def sniff(head: Head) -> Evidence | None:
    if not head.is_folder:
        return Evidence(0.9, "its root is <annotation>") if head.ending == ".xml" and _is_voc(head) else None
    for folder in _xml_folders(head):
        if any(_is_voc(folder.child(name)) for name in folder.files(".xml")[:5]):
            return Evidence(0.9, "it holds .xml files with the root <annotation>")
    if voc_masks.OBJECTS in head.folders and head.child(voc_masks.OBJECTS).files(".png"):
        return Evidence(0.9, f"it holds {voc_masks.OBJECTS}")
    return None


def read(path: Path, faults: Faults) -> Dataset:
    head = Head(path)
    root = data_root(path)
    files = [path]
    if not head.is_folder:
        read_xml(path)  # of many, a broken one is put aside; the only one must be sound
    else:
        files = [xml_folder.path / name for xml_folder in _xml_folders(head) for name in xml_folder.files(".xml")]
    slips = Slips()
    pages = [_Page.of(file, faults) for file in files]
    drafts, stems = [], {file.stem for file in files}
    named: dict[Path, list[str]] = {}
    for page in pages:
        named.setdefault(page.file.parent, []).append(page.image_name if page.names_its_own else page.file.stem)
    finders = {folder: ImageFinder(root, faults, near=folder, names=names) for folder, names in named.items()}
    for page in pages:
        image = _image_of(page, finders[page.file.parent], stems, faults, slips)
        if image is not None:
            facts = voc_facts.of_image(page.root)
            drafts.append(Draft(image, _regions(page, image, faults, slips), attributes=facts, source=page.file))
    slips.report(faults)
    names = {label for page in pages for label in page.labels if label}
    dataset = assemble(data_name(path), sorted(names), drafts, "voc", faults)
    if head.is_folder:
        dataset = voc_masks.join(root, dataset, faults)
        dataset = _with_unlabeled(root, dataset, faults)
    return _with_splits(root, dataset)


# --- XML --------------------------------------------------------------------------------------------
@dataclass
class _Page:
    """One XML file; `root` is None where it could not be read."""

    file: Path
    root: Element | None

    @classmethod
    def of(cls, file: Path, faults: Faults) -> _Page:
        try:
            root = read_xml(file)
        except AnnotationError as error:
            faults.add(f'file "{file.name}"', "XML", "a complete XML file", error.parts.get("got", error.headline),
                       "copy or export the file again")  # fmt: skip
            return cls(file, None)
        if root.tag != "annotation":
            faults.add(f'file "{file.name}"', "root", "<annotation>", f"<{root.tag}>")
            return cls(file, None)
        return cls(file, root)

    @property
    def objects(self) -> list[Element]:
        return [] if self.root is None else self.root.findall("object")

    @property
    def labels(self) -> list[str]:
        return [text_of(item, "name") for item in self.objects]

    @property
    def image_name(self) -> str:
        """<filename> as it stands; the XML's own stem where it says nothing."""
        named = "" if self.root is None else text_of(self.root, "filename")
        return named if PureWindowsPath(named).name else self.file.stem  # knows both kinds of slashes

    @property
    def names_its_own(self) -> bool:
        """The image is called like the XML file."""
        return PureWindowsPath(self.image_name).stem.casefold() in (self.file.stem.casefold(), "")

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) as stated, None where it is absent or nonsense."""
        sides = [] if self.root is None else [text_of(self.root, f"size/{side}") for side in ("height", "width")]
        return (
            (int(sides[0]), int(sides[1]))
            if sides and all(s.isdecimal() and len(s) < 7 and int(s) for s in sides)
            else None
        )


def _image_of(
    page: _Page, finder: ImageFinder, stems: Collection[str], faults: Faults, slips: Slips
) -> FoundImage | None:
    """The image that lies under the XML's own name; else the one it names.

    stems  of all XML files: where the named image is there too, and has none of its own, either may be meant (a fault)
    """
    named = page.image_name
    if not page.names_its_own:
        own = finder.find(page.file.stem)
        other = None if own is None else own.with_name(PureWindowsPath(named).name)
        if own is not None and other is not None and other.stem not in stems and os.path.isfile(other):  # noqa: PTH113 (never raises)
            faults.saw(len(page.objects))
            faults.add(f'file "{page.file.name}"', "filename", f'one image, "{own.name}" by the name of the XML file',
                       f'"{named}", which is there too and has no XML file of its own',
                       "correct <filename>, or rename the XML file", regions=len(page.objects))  # fmt: skip
            return None
        if own is not None:
            slips.add(XML_NAMES_ANOTHER_IMAGE, f'"{page.file.name}" names "{PureWindowsPath(named).name}"')
            named = page.file.stem
    return finder.image(named, regions=len(page.objects))


def _regions(page: _Page, image: FoundImage, faults: Faults, slips: Slips) -> Regions:
    regions = Regions(faults, image, stated=page.size)
    if page.root is None:
        regions.saw()  # its fault is noted: the image is skipped, not empty
    for number, element in enumerate(page.objects):
        label = text_of(element, "name")
        if not label:
            regions.lacks(number, "name", "a class name", "none", "name the class in the XML")
            continue
        faults.count(BODY_PARTS_UNUSED, len(element.findall("part")))
        voc_shapes.draw(element, number, label, regions, slips, voc_facts.of_object(element))
    return regions


# --- what lies beside -------------------------------------------------------------------------------
def _with_unlabeled(root: Path, dataset: Dataset, faults: Faults) -> Dataset:
    """Images in the same folders that no XML speaks of."""
    known = {record.image for record in dataset.records}
    put_aside = {name for record in faults.records for name in record.images}
    folders = sorted({image.parent for image in known} | {root, root / "JPEGImages"})
    others = [path for folder in folders for path in images_in(folder)
              if path not in known and path.name not in put_aside]  # fmt: skip
    found = (measured(path, faults, path.relative_to(root).as_posix()) for path in others)
    records = tuple(Record(image.path, image.size, None) for image in found if image is not None)
    return replace(dataset, records=dataset.records + records)


def _with_splits(root: Path, dataset: Dataset) -> Dataset:
    """train, val and test from ImageSets/Main (or Segmentation); trainval only where the first two are absent."""
    folder = next(
        (root / "ImageSets" / kind for kind in ("Main", "Segmentation") if (root / "ImageSets" / kind).is_dir()), root
    )
    if folder == root:
        return dataset
    files = {folder / f"{split}.txt": split for split in ("train", "val", "test")}
    files = {file: split for file, split in files.items() if file.is_file()}
    if not {"train", "val"} & {*files.values()} and (folder / "trainval.txt").is_file():
        files = {folder / "trainval.txt": "train", **files}
    return lists.apply(dataset, root, files, once=False)


def _xml_folders(head: Head) -> Iterator[Head]:
    """The folder itself and its folders of annotations, those with XML."""
    below = [head.child(name) for name in head.folders if is_label_folder(name)]
    deeper = [folder.child(name) for folder in below for name in folder.folders]  # Annotations/train
    return (folder for folder in (head, *below, *deeper) if folder.files(".xml"))


def _is_voc(head: Head) -> bool:
    return "<annotation>" in head.text or "<annotation " in head.text


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """A folder: Annotations/<stem>.xml for each labeled image, ImageSets/Main/<split>.txt where records name splits,
    and the pictures of masks that do not overlap.

    Images are not copied. A path that ends in .xml takes a dataset of one image.
    """
    losses.class_order(dataset)
    records = [record for record in dataset.records if record.instances is not None and not record.skipped]
    for record in dataset.records:
        if record.instances is None or record.skipped:
            losses.image(record)
    stems = Counter(record.image.stem for record in records)
    twice = [stem for stem, count in stems.items() if count > 1]
    if twice:
        raise DatasetError("two images would share one XML file", file=dataset.name, record=f'image "{twice[0]}"',
                           expected="different names, folder and ending apart", fix="rename one of them")  # fmt: skip
    if path.suffix.lower() == ".xml":
        if len(records) != 1:
            raise OutputError(
                "one XML file holds one image", file=path, got=f"{len(records)} images", fix="name a folder"
            )
        with writing(path) as temporary:
            _xml(records[0], losses).write(temporary, encoding="utf-8")
        instances = records[0].instances
        losses.add(OUTLINES_LOST, 0 if instances is None or instances.masks is None else len(instances))
        return
    with writing_folder(path) as temporary:
        (temporary / "Annotations").mkdir()
        for record in records:
            stem = percent_encoded(record.image.stem)
            voc_masks.write(record, temporary, losses)
            _xml(record, losses).write(temporary / "Annotations" / f"{stem}.xml", encoding="utf-8")
        for split in ("train", "val", "test"):
            stemmed = [percent_encoded(record.image.stem) for record in records if record.split == split]
            if stemmed:
                (temporary / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
                text = "".join(f"{stem}\n" for stem in stemmed)
                (temporary / "ImageSets" / "Main" / f"{split}.txt").write_text(text, encoding="utf-8")


def edited(file: Path, record: Record, before: Instances | None, ids: Mapping[str, int | str], losses: Losses) -> bytes:
    """The XML of one image as it is to be: objects that stay the same, and all else in the file, stay as they stand;
    `ids` mean nothing here.

    before  what the file holds
    """
    instances = record.instances
    assert instances is not None
    root = read_xml(file) if file.is_file() else None
    if root is None or _Page(file, root).size not in (None, record.size):
        root = _xml(record, losses).getroot()
        assert root is not None
        return tostring(root, encoding="utf-8")
    old = root.findall("object")
    rows = unchanged(before if before is not None and len(old) == len(before) else None, instances)
    notes = instances.annotations or [None] * len(instances)
    for element in old:
        root.remove(element)
    for row, (label, same) in enumerate(zip(instances.labels, rows, strict=True)):
        element = _object(label, instances.boxes[row], notes[row], losses) if same is None else old[same]
        name = element.find("name")
        if name is not None and (name.text or "").strip() != label:
            name.text = label
        root.append(element)
    indent(root)
    return tostring(root, encoding="utf-8")


def _xml(record: Record, losses: Losses) -> ElementTree:
    instances = record.instances
    assert instances is not None
    root = Element("annotation")
    SubElement(root, "filename").text = percent_encoded(record.image.name)
    voc_facts.write_of_image(record.attributes, root, losses)
    size = SubElement(root, "size")
    for side, value in zip(("width", "height", "depth"), (record.size[1], record.size[0], 3), strict=True):
        SubElement(size, side).text = str(value)
    notes = instances.annotations or [None] * len(instances)
    for label, box, note in zip(instances.labels, instances.boxes, notes, strict=True):
        root.append(_object(label, box, note, losses))
    losses.scores_and_crowds(instances)
    indent(root)
    return ElementTree(root)


def _object(label: str, box: np.ndarray, note: Annotation | None, losses: Losses) -> Element:
    element = Element("object")
    SubElement(element, "name").text = label
    voc_facts.write_of_object(note, element, losses)
    voc_shapes.write(box, element)
    return element
