"""Masks as pictures: ids, one file an object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from reported import put_aside, sentences

from maskwright import formats
from maskwright.cli.main import main
from maskwright.errors import AnnotationError, DatasetError
from maskwright.formats import mask_files, mask_images
from maskwright.formats.reading import Faults, Head
from maskwright.types import Dataset


def read(path: Path, allow_faulty: bool = False, **options) -> Dataset:
    faults = Faults(path, allow_faulty)
    return faults.into(mask_images.read(path, faults, **options))


def save(file: Path, pixels: np.ndarray | None = None, size: tuple[int, int] = (20, 30)) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), 99, np.uint8) if pixels is None else pixels).save(file)
    return file


def blocks(*corners: tuple[int, int, int], size: tuple[int, int] = (20, 30)) -> np.ndarray:
    """3 x 3 blocks (row, column, value) on black."""
    pixels = np.zeros(size, np.uint8)
    for row, column, value in corners:
        pixels[row : row + 3, column : column + 3] = value
    return pixels


# --- ids --------------------------------------------------------------------------------------------
def test_a_black_mask_is_labeled_and_empty_a_missing_one_unlabeled(tmp_path):
    save(tmp_path / "a.png"), save(tmp_path / "b.png"), save(tmp_path / "c.png")
    save(tmp_path / "masks/a_mask.png", blocks())
    save(tmp_path / "masks/b_mask.png", blocks((0, 0, 1), (9, 9, 2)))
    assert [record.state for record in read(tmp_path)] == ["empty", "labeled", "unlabeled"]


def test_every_value_is_one_object_with_holes_and_parts(tmp_path):
    save(tmp_path / "PNGImages/a.jpg"), save(tmp_path / "PNGImages/b.jpg")
    save(tmp_path / "PedMasks/a_mask.png", blocks((0, 0, 1), (9, 9, 1), (0, 9, 2), (15, 20, 3)))
    save(tmp_path / "PedMasks/b_mask.png", blocks((0, 0, 1)))
    found = read(tmp_path)
    assert found.names == ("pedestrian",)
    assert found.records[0].instances.masks.area.tolist() == [18, 9, 9]
    assert found.records[0].instances.boxes.tolist() == [[0, 0, 12, 12], [9, 0, 12, 3], [20, 15, 23, 18]]


def test_sixteen_bit_ids_are_read_whole(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "masks/a.png", blocks((0, 0, 1), (9, 9, 2)).astype(np.uint16))
    pixels = blocks((0, 0, 1), (9, 9, 2)).astype(np.uint16) * 300
    file = save(tmp_path / "deep.png", pixels)
    assert np.array_equal(mask_files.read_ids(file, Faults(file), "a"), pixels)
    assert read(tmp_path).instance_count == 2


def test_a_mask_of_another_size_is_a_fault_never_stretched(tmp_path):
    save(tmp_path / "a.png"), save(tmp_path / "b.png")
    save(tmp_path / "masks/a.png", blocks((0, 0, 1), (9, 9, 2)))
    save(tmp_path / "masks/b.png", blocks((0, 0, 1), (9, 9, 2), size=(40, 60)))
    found = read(tmp_path, allow_faulty=True)
    assert [record.state for record in found] == ["labeled", "skipped"]
    assert (put_aside(found)[0].values["expected"], put_aside(found)[0].values["got"]) == (
        "20 x 30, the image's own",
        "40 x 60",
    )


def test_a_broken_mask_is_a_fault_by_name(tmp_path):
    save(tmp_path / "a.png"), save(tmp_path / "b.png")
    save(tmp_path / "masks/a.png", blocks((0, 0, 1), (9, 9, 2)))
    file = save(tmp_path / "masks/b.png", np.random.default_rng(0).integers(0, 9, (20, 30), np.uint8))
    file.write_bytes(file.read_bytes()[:90])
    found = read(tmp_path, allow_faulty=True)
    assert found.records[1].state == "skipped"
    assert 'image "b.png", mask "b.png"' in [fault.subject for fault in put_aside(found)]


# --- semantic ---------------------------------------------------------------------------------------
def test_one_value_in_one_piece_is_one_object(tmp_path):
    for stem in "ab":
        save(tmp_path / f"{stem}.png")
        save(tmp_path / f"masks/{stem}.png", blocks((4, 4, 255)))
    assert read(tmp_path).instance_count == 2


@pytest.mark.parametrize(
    ("mask", "what"),
    [
        (blocks((0, 0, 255), (9, 9, 255)), "one value"),
        (blocks((0, 0, 48), (9, 9, 48), (0, 9, 196)), "values that look like classes"),
        (blocks((0, 0, 1), (9, 9, 1), (0, 9, 2), (9, 0, 2)), "values that look like classes"),
    ],
)
def test_masks_that_tell_no_objects_apart_are_refused(tmp_path, mask, what):
    save(tmp_path / "a.png")
    save(tmp_path / "masks/a.png", mask)
    with pytest.raises(AnnotationError) as caught:
        read(tmp_path)
    assert caught.value.headline == "these masks say what each pixel is, but not which object it belongs to"
    assert caught.value.parts["got"] == f"a.png: {what}, in separate parts"


@pytest.mark.parametrize(
    "values", [(100, 200), (50, 100, 150), (254, 255), (300, 600), (48, 196), ((255, 0, 0), (0, 255, 0), (9, 9, 9))]
)
def test_a_value_in_one_part_is_one_object_whatever_its_number(tmp_path, values):
    """8 bits, 16 bits, colors; a remark says what the values were taken for."""
    colors = isinstance(values[0], tuple)
    pixels = np.zeros((20, 30, 3), np.uint8) if colors else np.zeros((20, 30), np.uint16)
    for index, value in enumerate(values):
        pixels[5:9, 8 * index : 8 * index + 5] = value
    pixels = pixels if colors or max(values) > 255 else pixels.astype(np.uint8)
    for stem in "abc":
        save(tmp_path / f"images/{stem}.jpg"), save(tmp_path / f"masks/{stem}.png", pixels)
    found = read(tmp_path)
    assert [len(record.instances) for record in found] == [len(values)] * 3
    assert any("taken for the numbers of objects" in remark for remark in sentences(found))


@pytest.mark.parametrize("objects", [[(4, 4, 0)], [(4, 4, 0), (9, 20, 0)], [(4, 4, 1), (9, 20, 2)], [(4, 4, 90)]])
@pytest.mark.parametrize("name", ["{}.png", "{}_0.png"])
def test_masks_on_a_white_ground_are_refused(tmp_path, objects, name):
    """Else the ground were one large object, and the objects none."""
    for image in "abc":
        save(tmp_path / f"images/{image}.png")
        pixels = 255 - blocks(*((row, column, 255 - value) for row, column, value in objects))
        save(tmp_path / "masks" / name.format(image), pixels)
        if "_0" in name:
            save(tmp_path / "masks" / f"{image}_1.png", pixels)
    with pytest.raises(AnnotationError, match="not drawn on black") as caught:
        read(tmp_path)
    assert "a.png" in caught.value.parts["got"] or "a_0.png" in caught.value.parts["got"]
    assert "taken for an object" in " ".join(sentences(read(tmp_path, allow_faulty=True)))


def test_an_object_that_fills_its_image_to_the_edges_is_no_ground(tmp_path):
    """One of three may do so, which is named; white all over is an object of the image's size."""
    for image in "abc":
        save(tmp_path / f"images/{image}.png")
        save(tmp_path / f"masks/{image}.png", blocks((4, 4, 255)))
    save(tmp_path / "masks/b.png", 255 - blocks((4, 4, 255)))
    found = read(tmp_path)
    assert found.instance_count == 3 and "1 mask has" in sentences(found)[0] and "b.png" in sentences(found)[0]
    save(tmp_path / "masks/b.png", 255 - blocks())
    assert read(tmp_path).instance_count == 3 and not sentences(read(tmp_path))


@pytest.mark.parametrize("size", [(20, 30), (120, 130)])
def test_images_and_masks_that_are_exchanged_are_refused(tmp_path, size):
    random = np.random.default_rng(0)
    for image in "abc":
        save(tmp_path / f"images/{image}.png", blocks((4, 4, 255), size=size))
        save(tmp_path / f"masks/{image}.png", random.integers(0, 255, (*size, 3), np.uint8))
    with pytest.raises(AnnotationError, match="images and masks are exchanged"):
        read(tmp_path)


@pytest.mark.parametrize(("image", "mask"), [("caf\u00e9.jpg", "cafe\u0301.png"), ("a.jpg", "a.jpg.png")])
def test_a_mask_called_like_its_image_in_other_letters_or_with_its_ending_fits(tmp_path, image, mask):
    save(tmp_path / "images" / image), save(tmp_path / "masks" / mask, blocks((4, 4, 1)))
    assert read(tmp_path).records[0].instances.boxes.tolist() == [[4, 4, 7, 7]]


def test_an_object_of_its_own_color_may_stand_in_two_parts(tmp_path):
    for number, stem in ((1, "a"), (5, "b"), (7, "c")):
        pixels = blocks((0, 0, 1), (9, 9, 1), (0, 9, 2), (15, 20, 3)).astype(np.uint16)
        save(tmp_path / f"images/{stem}.jpg"), save(tmp_path / f"masks/{stem}.png", pixels * 1000 * number)
    assert [len(record.instances) for record in read(tmp_path)] == [3, 3, 3]


# --- which mask belongs to which image ----------------------------------------------------------------
def test_masks_that_fit_no_image_are_an_error_where_none_fits_and_counted_where_some_do(tmp_path):
    for stem in "ab":
        save(tmp_path / f"images/{stem}.jpg"), save(tmp_path / f"masks/q{stem}.png", blocks((0, 0, 1)))
    for call in (read, formats.read):
        with pytest.raises(AnnotationError, match="none of the masks is called like an image") as caught:
            call(tmp_path)
        assert caught.value.parts["got"] == "qa.png, qb.png"
    save(tmp_path / "masks/a.png", blocks((0, 0, 1)))
    found = read(tmp_path)
    assert (found.instance_count, sentences(found)) == (1, ("2 masks fit no image and were left out: qa.png, qb.png",))


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("train_images", "train_masks"),
        ("images_train", "masks_train"),
        ("TrainImages", "TrainMasks"),
        ("imgs", "GT"),
        ("images", "labels"),
        ("images", "annotations"),
        ("pic", "instance_masks"),
        ("JPEGImages", "SegmentationMask"),
        ("ISIC_Input", "ISIC_GroundTruth"),
        ("train", "train_masks"),
        ("images", "Ground_Truth"),
        ("images/train", "masks/train"),
        ("train/images", "train/masks"),
    ],
)
def test_folders_of_images_and_of_masks_are_no_class_folders(tmp_path, images, masks):
    for stem in ("p0", "p1", "p2"):
        save(tmp_path / images / f"{stem}.jpg")
        save(tmp_path / masks / f"{stem}.png", blocks((0, 0, 1), (9, 9, 2)))
    found = formats.read(tmp_path)
    assert (found.format, len(found), found.instance_count) == ("mask_images", 3, 6)
    assert {record.split for record in found} == {"train" if "rain" in images else None}


def test_prefixes_keep_two_splits_of_equal_names_apart(tmp_path):
    for split, objects in (("train", 1), ("val", 2)):
        save(tmp_path / f"{split}_images/a.jpg")
        save(tmp_path / f"{split}_masks/a.png", blocks(*[(9 * number, 0, number + 1) for number in range(objects)]))
    found = formats.read(tmp_path)
    assert {record.split: len(record.instances) for record in found} == {"train": 1, "val": 2}


def test_a_mask_is_never_given_to_an_image_of_equal_name_in_another_folder(tmp_path):
    """As in MVTec: ground_truth/bent/000_mask.png belongs to test/bent/000.png, not to good/000.png."""
    for folder in ("test/bent", "test/good", "train/good"):
        save(tmp_path / folder / "000.png")
    save(tmp_path / "train/good/077.png")
    save(tmp_path / "ground_truth/bent/000_mask.png", blocks((0, 0, 255)))
    save(tmp_path / "ground_truth/bent/077_mask.png", blocks((0, 0, 255)))
    found = formats.read(tmp_path)
    drawn = [record.image.relative_to(tmp_path).as_posix() for record in found if record.state == "labeled"]
    assert (found.format, drawn) == ("mask_images", ["test/bent/000.png"])
    assert "1 mask fits no image and was left out: 077_mask.png" in sentences(found)


def test_one_image_in_a_folder_of_a_split_does_not_get_the_masks_of_others(tmp_path):
    save(tmp_path / "train" / "images" / "1.jpg")
    save(tmp_path / "train" / "masks" / "2.png", blocks((2, 2, 1)))
    save(tmp_path / "val" / "images" / "2.jpg")
    with pytest.raises(AnnotationError, match="none of the masks"):
        formats.read(tmp_path)


def test_masks_of_a_split_that_fit_nothing_are_not_taken_for_images(tmp_path):
    for split, mask in (("train", "a.png"), ("val", "x.png")):
        save(tmp_path / split / "images" / "a.jpg")
        save(tmp_path / split / "masks" / mask, blocks((2, 2, 1)))
    with pytest.raises(AnnotationError, match=r"none of the masks.*val|val.*none of the masks"):
        formats.read(tmp_path)


def test_where_one_folder_of_masks_is_called_like_one_of_images_the_others_are_no_classes(tmp_path):
    for name in ("1", "2"):
        save(tmp_path / "images" / "a" / f"{name}.jpg")
    save(tmp_path / "masks" / "a" / "2.png", blocks((2, 2, 1)))
    save(tmp_path / "masks" / "b" / "1.png", blocks((2, 2, 1)))  # of b/1.jpg, which is not there
    read = formats.read(tmp_path)
    assert {record.image.name: record.state for record in read} == {"1.jpg": "unlabeled", "2.jpg": "labeled"}
    assert any("1 mask fits no image" in remark for remark in sentences(read))


@pytest.mark.parametrize("images", [("a/1.jpg", "b/1.jpg"), ("1.jpg", "1.bmp")])
def test_a_mask_that_may_belong_to_two_images_is_an_error_and_their_folders_are_no_classes(tmp_path, images):
    for name in images:
        save(tmp_path / "images" / name)
    save(tmp_path / "masks" / "1.png", blocks((2, 2, 1)))
    with pytest.raises(AnnotationError, match="may belong to several images"):
        formats.read(tmp_path)


def test_folders_of_images_without_masks_are_named(tmp_path):
    for kind in ("train", "test"):
        save(tmp_path / f"{kind}_images" / "a.jpg")
    save(tmp_path / "train_masks" / "a.png", blocks((2, 2, 1)))
    assert any("not read: test_images" in remark for remark in sentences(formats.read(tmp_path)))


def test_folders_of_masks_are_classes_where_they_are_called_like_no_image(tmp_path):
    for stem in ("p0", "p1"):
        save(tmp_path / f"images/{stem}.jpg")
        save(tmp_path / f"masks/cat/{stem}.png", blocks((0, 0, 1), (9, 9, 2)))
        save(tmp_path / f"masks/dog/{stem}.png", blocks((9, 0, 1)))
    found = formats.read(tmp_path)
    assert found.class_counts() == {"cat": 4, "dog": 2}
    assert sentences(found) == ("the classes were taken from the folders of the masks",)


def test_names_of_masks_are_classes_where_two_images_have_each(tmp_path):
    for stem in ("p0", "p1"):
        save(tmp_path / f"images/{stem}.jpg")
        save(tmp_path / f"masks/{stem}_cat_0.png", blocks((0, 0, 255)))
        save(tmp_path / f"masks/{stem}_cat_1.png", blocks((9, 0, 255)))
    assert formats.read(tmp_path).class_counts() == {"cat": 4}
    save(tmp_path / "masks/p1_left_1.png", blocks((9, 9, 255)))  # the mask of an absent p1_left?
    with pytest.raises(AnnotationError, match="none of the masks is called like an image"):
        formats.read(tmp_path)


@pytest.mark.parametrize("ending", ["_mask.png", "-seg.png", ".png", "_label.png", ".mask.png"])
def test_pairs_in_one_folder_are_masks_and_no_classes(tmp_path, ending):
    for stem in ("rust_0", "rust_1", "dent_0", "dent_1"):
        save(tmp_path / f"{stem}.jpg"), save(tmp_path / f"{stem}{ending}", blocks((0, 0, 255)))
    found = formats.read(tmp_path)
    assert (found.format, len(found), found.instance_count) == ("mask_images", 4, 4)


def test_pairs_in_folders_of_classes_have_these_classes(tmp_path):
    for kind in ("benign", "malign"):
        for number in range(2):
            save(tmp_path / kind / f"{kind} ({number}).png")
            save(tmp_path / kind / f"{kind} ({number})_mask.png", blocks((0, 0, 255)))
    found = formats.read(tmp_path)
    assert (found.format, found.class_counts()) == ("mask_images", {"benign": 2, "malign": 2})


def test_a_link_among_the_masks_leads_nowhere(tmp_path):
    save(tmp_path / "a.png"), save(tmp_path / "masks/a.png", blocks((0, 0, 255)))
    (tmp_path / "masks/loop").symlink_to("..", target_is_directory=True)
    assert formats.read(tmp_path).instance_count == 1


# --- pictures that are no masks -----------------------------------------------------------------------
def test_a_mask_larger_than_its_image_is_refused_by_its_header(tmp_path, monkeypatch):
    save(tmp_path / "PNGImages/a.png"), save(tmp_path / "PedMasks/a_mask.png", np.zeros((400, 900), np.uint8))
    monkeypatch.setattr(mask_files, "read_ids", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(AnnotationError) as caught:
        read(tmp_path)
    assert (caught.value.parts["expected"], caught.value.parts["got"]) == ("20 x 30, the image's own", "400 x 900")


def test_smoothed_masks_are_told_from_masks_of_classes(tmp_path):
    """Also with connected components: no gray of an edge becomes a class."""
    for stem in "ab":
        save(tmp_path / f"images/{stem}.jpg", size=(60, 80))
        small = Image.fromarray(blocks((4, 4, 255), size=(15, 20)))
        save(tmp_path / f"masks/{stem}.png", np.asarray(small.resize((80, 60), Image.Resampling.BILINEAR)))
    for expected in (False, True):
        with pytest.raises(AnnotationError, match="these masks have soft edges"):
            read(tmp_path, connected_components=expected)


def test_many_classes_beside_a_large_one_are_no_soft_edges(tmp_path):
    pixels = np.zeros((60, 80), np.uint8)
    pixels[:, :40] = 7
    for value in range(1, 16):
        pixels[4 * (value % 12) :: 30, 5 * value % 75] = value
    save(tmp_path / "images/a.jpg", size=(60, 80)), save(tmp_path / "masks/a.png", pixels)
    assert len(read(tmp_path, connected_components=True).names) == 15


def test_folders_of_equal_names_on_both_sides_are_told_and_no_classes(tmp_path):
    for kind in ("cat", "dog"):
        save(tmp_path / f"images/{kind}/{kind}.jpg"), save(tmp_path / f"masks/{kind}/{kind}.png", blocks((0, 0, 255)))
    found = read(tmp_path)
    assert len(found.names) == 1 and found.instance_count == 2
    assert sentences(found) == ("folders of images and masks of equal names (cat, dog) were not taken for classes",)


@pytest.mark.parametrize("shape", [(240, 320, 3), (240, 320)])
def test_an_image_among_the_masks_is_refused_at_once(tmp_path, shape):
    noise = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    save(tmp_path / "images/a.png", size=(240, 320)), save(tmp_path / "masks/a.png", noise)
    with pytest.raises(AnnotationError, match="this picture is no mask") as caught:
        read(tmp_path)
    assert caught.value.parts["file"].endswith("a.png")
    assert read(tmp_path, allow_faulty=True).records[0].state == "skipped"


def test_connected_parts_are_objects_where_that_is_asked_for(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "masks/a.png", blocks((0, 0, 255), (9, 9, 255)))
    assert read(tmp_path, connected_components=True).records[0].instances.masks.area.tolist() == [9, 9]


def test_values_of_semantic_masks_are_classes_then(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "masks/a.png", blocks((0, 0, 48), (9, 9, 48), (0, 9, 196)))
    assert read(tmp_path, connected_components=True).class_counts() == {"196": 1, "48": 2}


@pytest.mark.parametrize("command", ["show", "check", "convert", "split"])
def test_every_command_that_reads_data_takes_the_option_that_the_error_names(tmp_path, command, capsys):
    data, out = tmp_path / "data", tmp_path / "out"
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 255, (20, 30, 3), np.uint8)
        save(data / f"images/{number}.png", noise)
        save(data / f"masks/{number}.png", blocks((0, 0, 255), (9, 9, 255)))
    call = {"show": ["--count", "0"], "check": [], "convert": [str(out), "--to", "coco"], "split": [str(out)]}[command]
    for option, code in ((), 2), (("--connected-components",), 0):
        with pytest.raises(SystemExit) as caught:
            main([command, str(data), *call, *option])
        told = capsys.readouterr().err
        assert caught.value.code == code
        assert ("--connected-components" in told) == (code == 2)


def test_the_option_is_refused_where_there_are_no_masks(tmp_path):
    save(tmp_path / "rust/a.png"), save(tmp_path / "norust/a.png")
    with pytest.raises(DatasetError, match="this format has no masks as pictures"):
        formats.read(tmp_path, connected_components=True)


# --- one file an object -----------------------------------------------------------------------------
@pytest.mark.parametrize("value", [1, 255])
@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA", "P"])
def test_any_value_but_black_belongs(tmp_path, value, mode):
    save(tmp_path / "a.png")
    for number in range(2):
        file = tmp_path / f"masks/a_{number}.png"
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(blocks((9 * number, 0, value if mode != "1" else 255))).convert(mode).save(file)
    assert read(tmp_path).records[0].instances.masks.area.tolist() == [9, 9]


def test_an_object_in_two_parts_stays_one(tmp_path):
    save(tmp_path / "a.png"), save(tmp_path / "b.png")
    save(tmp_path / "masks/a_0.png", blocks((0, 0, 255), (9, 9, 255)))
    save(tmp_path / "masks/b_0.png", blocks((0, 0, 255))), save(tmp_path / "masks/b_1.png", blocks((9, 0, 255)))
    assert [len(record.instances) for record in read(tmp_path)] == [1, 2]


def test_a_folder_for_each_image_is_followed(tmp_path):
    for name, masks in (("x", 2), ("y", 0)):
        save(tmp_path / name / "images" / f"{name}.png")
        (tmp_path / name / "masks").mkdir()
        for number in range(masks):
            save(tmp_path / name / "masks" / f"{number:x}abc.png", blocks((9 * number, 3, 255)))
    assert mask_images.sniff(Head(tmp_path)) is not None
    assert [(record.state, record.image.name) for record in read(tmp_path)] == [
        ("labeled", "x.png"),
        ("unlabeled", "y.png"),
    ]


def test_one_file_of_another_size_is_put_aside_and_the_others_stay(tmp_path):
    save(tmp_path / "a.png")
    save(tmp_path / "masks/a_0.png", blocks((0, 0, 255)))
    save(tmp_path / "masks/a_1.png", blocks((0, 0, 255), size=(9, 9)))
    found = read(tmp_path, allow_faulty=True)
    assert found.instance_count == 1
    assert put_aside(found)[0].subject == 'image "a.png", region mask "a_1.png"'


# --- arithmetic -------------------------------------------------------------------------------------
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
        lambda size: arrays(np.int64, size, elements=st.integers(0, 4))
    )
)
def test_rows_of_an_id_picture_are_its_values(ids):
    """For every value but 0: the mask is exactly where the picture has it."""
    numbers, masks = mask_files.rows(ids)
    assert numbers == [value for value in np.unique(ids).tolist() if value]
    assert masks.size == ids.shape and len(masks) == len(numbers)
    for number, dense in zip(numbers, masks.dense(), strict=True):
        assert np.array_equal(dense, ids == number)
        assert sorted(mask_files.values_under(masks[numbers.index(number)], ids)) == [number] * int(dense.sum())


# --- real data --------------------------------------------------------------------------------------
def test_pennfudan_has_423_pedestrians(shared):
    found = read(shared / "data/pennfudan/PennFudanPed")
    assert (len(found), found.class_counts(), put_aside(found)) == (170, {"pedestrian": 423}, [])
    counts = {
        kind: sum(len(record.instances) for record in found if record.image.stem.startswith(kind))
        for kind in ("Fudan", "Penn")
    }
    assert counts == {"Fudan": 160, "Penn": 263}


def test_nuclei_have_one_file_each(shared):
    found = read(shared / "data/zoo/masks_one_file_per_instance/stage1_train")
    assert sorted(len(record.instances) for record in found) == [7, 16, 27, 36]


def test_semantic_pictures_of_coco_are_refused(shared):
    with pytest.raises(AnnotationError, match="not which object"):
        read(shared / "data/zoo/mask_semantic_png")
