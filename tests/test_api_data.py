"""The data of a run: usable for the task, divided as they say or 80 / 20, and every reason why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reported import sentences
from tiny_runs import SIZE, party, records

from maskwright.api.data import common_window, open_data, relative
from maskwright.errors import DatasetError
from maskwright.formats.region_rows import OUTLINES_CLIPPED
from maskwright.issues import Issues
from maskwright.types import Dataset, Instances, Record, RleMasks

NAMES = ("balloon", "cake")


def dataset(*several: tuple[Record, ...], names: tuple[str, ...] = ("balloon",)) -> Dataset:
    return Dataset("party", names, tuple(record for item in several for record in item), "via")


def refused(data: Dataset | Path, headline: str, task: str = "segment") -> DatasetError:
    with pytest.raises(DatasetError, match=headline) as caught:
        open_data(data, task)
    assert "party" in caught.value.parts["file"]
    return caught.value


def on_disk(folder: Path, count: int) -> tuple[Record, ...]:
    """Records whose images exist and do not look alike."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    made = []
    for number, record in enumerate(records(count)):
        path = folder / f"image_{number}.png"
        Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)).save(path)
        made.append(replace(record, image=path))
    return tuple(made)


# --- nothing to train on ----------------------------------------------------------------------------
def test_no_images_are_refused() -> None:
    assert refused(dataset(), "no image here can be trained on").parts["got"] == "no images"


def test_images_nobody_labeled_are_refused_and_counted() -> None:
    unlabeled = records(3, instances=None)
    skipped = records(2, skipped=True)
    assert refused(dataset(unlabeled, skipped), "no image here").parts["got"] == "3 unlabeled, 2 skipped"


def test_images_without_a_single_object_are_refused() -> None:
    empty = records(4, instances=Instances.empty(("balloon",), SIZE))
    assert refused(dataset(empty), "nothing is drawn").parts["got"] == "4 images, all empty"


@pytest.mark.parametrize("count", [1, 3])
def test_images_of_one_group_are_all_trained_on_with_a_warning(tmp_path: Path, count: int) -> None:
    together = tuple(replace(item, group="W0001") for item in on_disk(tmp_path / "party", count))
    told = Issues()
    parts = open_data(dataset(together), "segment", log=told)
    assert {name: len(part) for name, part in parts.items()} == {"train": count, "val": 0}
    images = "1 image" if count == 1 else "all 3 images"
    assert any(
        line.startswith(f"party: {images} of one group") and "nothing is validated" in line for line in sentences(told)
    )


def test_validation_images_alone_are_refused() -> None:
    assert refused(dataset(records(3, split="val")), "nothing to train on").parts["got"] == "val"


def test_test_images_are_never_trained_on() -> None:
    refused(dataset(records(5, split="test")), "nothing to train on")


def test_class_folders_are_refused_with_a_word_on_what_is_missing(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / "party" / name).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (64, 48), (40 * number, 80, 120)).save(tmp_path / "party" / name / f"{number}.png")
    assert "outlines" in refused(tmp_path / "party", "carry a class each").parts["fix"]


# --- the task ---------------------------------------------------------------------------------------
def test_boxes_alone_are_refused_for_segment_and_the_way_out_is_named() -> None:
    boxes = dataset(records(4, masks=False, split="train"), records(2, masks=False, split="val"))
    assert "--task detect" in refused(boxes, "boxes and no outlines").parts["fix"]
    assert {name: len(part) for name, part in open_data(boxes, "detect").items()} == {"train": 4, "val": 2}


def test_for_boxes_the_outlines_are_put_aside() -> None:
    parts = open_data(dataset(records(4, split="train"), records(2, split="val")), "detect")
    assert not any(part.has_masks for part in parts.values())


def test_images_with_boxes_only_teach_beside_outlined_ones_and_evaluate_nothing() -> None:
    said = Issues()
    mixed = dataset(
        records(4, split="train"),
        records(3, masks=False, split="train"),
        records(2, split="val"),
        records(5, masks=False, split="val"),
    )
    parts = open_data(mixed, "segment", log=said)
    assert {name: len(part) for name, part in parts.items()} == {"train": 7, "val": 2}
    assert any("8 images have boxes and no outlines" in line for line in sentences(said))


def test_a_part_that_cannot_evaluate_masks_is_refused() -> None:
    mixed = dataset(records(4, split="train"), records(2, masks=False, split="val"))
    refused(mixed, "no val image has outlines")


def test_test_images_with_boxes_only_do_not_keep_anybody_from_training() -> None:
    mixed = dataset(records(4, split="train"), records(2, split="val"), records(2, masks=False, split="test"))
    assert {name: len(part) for name, part in open_data(mixed, "segment").items()} == {"train": 4, "val": 2, "test": 0}


def test_an_empty_image_is_kept_whatever_it_has_for_masks() -> None:
    empty = records(2, instances=Instances.empty(("balloon",)), split="train")
    assert len(open_data(dataset(records(3, split="train"), empty, records(1, split="val")), "segment")["train"]) == 5


# --- classes ----------------------------------------------------------------------------------------
def test_a_class_only_the_validation_images_have_is_refused_by_name() -> None:
    train = records(4, ("balloon", "baloon"), split="train")
    train = tuple(replace(item, instances=replace(item.instances, classes=np.zeros(1))) for item in train)  # type: ignore[type-var]
    val = records(2, ("balloon", "baloon"), split="val")
    error = refused(dataset(train, val, names=("balloon", "baloon")), "no training image has")
    assert error.parts["got"] == "baloon (1 objects)" and error.parts["expected"] == "balloon"


@pytest.mark.parametrize("other", ["Balloon", "ball oon", "\uff42alloon"])
def test_one_class_named_in_two_ways_is_refused_with_what_to_rename(other: str) -> None:
    names = ("balloon", other)
    data = dataset(records(4, names, split="train"), records(2, names, split="val"), names=names)
    error = refused(data, "one class is named in two ways")
    assert error.parts["got"].startswith('classes "balloon" (3) and "' + other + '" (3, on image_1.jpg')
    assert error.parts["fix"] == (
        f'rename "{other}" to "balloon" in the annotations; or keep them apart with --allow-faulty'
    )
    assert open_data(data, "segment", allow_faulty=True)["train"].names == names


def test_two_names_of_which_one_is_never_used_are_fine() -> None:
    data = dataset(records(4, split="train"), records(2, split="val")).with_names(("balloon", "Balloon"))
    assert len(open_data(data, "segment")["train"]) == 4


def test_a_class_only_the_training_images_have_is_fine() -> None:
    data = dataset(records(4, NAMES, split="train"), records(1, NAMES, split="val"), names=NAMES)
    assert open_data(data, "segment")["train"].names == NAMES


def test_a_class_in_the_table_that_nobody_drew_is_fine() -> None:
    names = ("balloon", "string")
    data = dataset(records(3, split="train"), records(1, split="val"))
    data = data.with_names(names)
    assert open_data(data, "segment")["train"].names == names


# --- empty images -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("format", "count", "told"), [("via", 4, True), ("via", 2, False), ("coco", 4, False)])
def test_a_half_annotated_via_file_is_told_before_it_teaches_that_nothing_is_there(
    format: str, count: int, told: bool
) -> None:
    """COCO lists an image without objects on purpose; VIA lists every image that was ever loaded."""
    bare = records(count, instances=Instances.empty(("balloon",), SIZE), split="train")
    said = Issues()
    data = replace(dataset(records(4, split="train"), bare, records(2, split="val")), format=format)
    open_data(data, "segment", log=said)
    assert any("are in the VIA file without an outline, and count as empty" in line for line in sentences(said)) == told


# --- parts ------------------------------------------------------------------------------------------
def test_parts_that_are_named_are_used_as_they_are() -> None:
    said = Issues()
    data = dataset(records(5, split="train"), records(2, split="val"), records(3, split="test"))
    parts = open_data(data, "segment", log=said)
    assert {name: len(part) for name, part in parts.items()} == {"train": 5, "val": 2, "test": 3}
    assert said == []


def test_rendered_parts_on_disk_are_used_as_they_are(tmp_path: Path) -> None:
    party(tmp_path / "party")
    parts = open_data(tmp_path / "party", "segment")
    assert {name: {item.image.parent.name for item in part} for name, part in parts.items()} == {
        "train": {"train"},
        "val": {"val"},
    }


def test_images_without_parts_are_divided_and_it_is_said(tmp_path: Path) -> None:
    said = Issues()
    parts = open_data(dataset(on_disk(tmp_path / "party", 10)), "segment", seed=3, log=said)
    assert {name: len(part) for name, part in parts.items()} == {"train": 8, "val": 2}
    assert not {item.image for item in parts["train"]} & {item.image for item in parts["val"]}
    assert len(said) == 1 and "8 images to train on, 2 held back" in str(said[0]) and "seed 3" in str(said[0])


def test_the_same_seed_divides_the_same_way(tmp_path: Path) -> None:
    data = dataset(on_disk(tmp_path / "party", 10))
    held = [
        [open_record.image for open_record in open_data(data, "segment", seed=seed)["val"]] for seed in (0, 0, 1, 2, 3)
    ]
    assert held[0] == held[1]
    assert any(item != held[0] for item in held[2:])


def test_training_images_without_validation_are_divided_and_the_test_images_stay_apart(tmp_path: Path) -> None:
    images = on_disk(tmp_path / "party", 12)
    train = tuple(replace(image, split="train") for image in images[:10])
    test = tuple(replace(image, split="test") for image in images[10:])
    parts = open_data(dataset(train, test), "segment")
    assert {name: len(part) for name, part in parts.items()} == {"train": 8, "val": 2, "test": 2}
    assert {item.image for item in parts["test"]} == {item.image for item in test}


def test_images_beside_test_images_are_divided_without_these(tmp_path: Path) -> None:
    images = on_disk(tmp_path / "party", 12)
    test = tuple(replace(image, split="test") for image in images[10:])
    parts = open_data(dataset(images[:10], test), "segment")
    assert {item.image for item in test}.isdisjoint(part.image for name in ("train", "val") for part in parts[name])


def test_images_beside_validation_images_are_for_training(tmp_path: Path) -> None:
    images = on_disk(tmp_path / "party", 12)
    val = tuple(replace(image, split="val") for image in images[9:])
    told = Issues()
    parts = open_data(dataset(images[:9], val), "segment", log=told)
    assert {name: len(part) for name, part in parts.items()} == {"train": 9, "val": 3}
    assert "party: only validation images are named: the 9 others are for training" in sentences(told)


def test_unlabeled_and_skipped_images_are_in_no_part() -> None:
    data = dataset(
        records(3, split="train"), records(2, split="train", instances=None), records(2, split="val"),
        records(1, split="val", skipped=True),
    )  # fmt: skip
    assert {name: len(part) for name, part in open_data(data, "segment").items()} == {"train": 3, "val": 2}


def test_issues_of_the_reader_are_passed_on() -> None:
    said = Issues()
    data = replace(dataset(records(2, split="train"), records(1, split="val")), issues=(OUTLINES_CLIPPED(count=2),))
    open_data(data, "segment", log=said)
    assert said == [OUTLINES_CLIPPED("party", count=2)]


def test_without_validation_everything_but_the_named_parts_is_trained_on() -> None:
    parts = open_data(dataset(records(3), records(2, split="test")), "segment", validate=False)
    assert (len(parts["train"]), len(parts["val"])) == (3, 0)


# --- names ------------------------------------------------------------------------------------------
def test_an_image_is_called_by_its_path_in_the_data(tmp_path: Path) -> None:
    """From the folder and from the annotation file in it alike: two folders may have an image of one name."""
    image = tmp_path / "train" / "a.jpg"
    (tmp_path / "all.json").write_text("{}")
    assert relative(image, tmp_path) == relative(image, tmp_path / "all.json") == "train/a.jpg"
    assert relative(tmp_path / "images" / "a.jpg", tmp_path / "annotations") == "../images/a.jpg"
    assert relative(image, None) == "a.jpg"


def test_masks_of_the_records_are_real() -> None:
    """The builder of these tests: one square object an image, in turn of each class."""
    drawn = records(2, NAMES)[1].instances
    assert drawn is not None and isinstance(drawn.masks, RleMasks) and drawn.labels == ["cake"]
    assert drawn.masks.area.tolist() == [32 * 32]


# --- gray windows ---------------------------------------------------------------------------------
def test_ordinary_images_fraction_no_window(tmp_path: Path) -> None:
    assert common_window(party(tmp_path / "party", 2)) is None


def test_deep_images_fraction_the_middle_of_their_own_windows(tmp_path: Path) -> None:
    made = []
    for number, level in enumerate((10_000, 20_000, 30_000)):
        ramp = np.linspace(level, level + 1000, 96 * 128).reshape(96, 128).astype(np.uint16)
        Image.fromarray(ramp).save(tmp_path / f"{number}.png")
        made.append(replace(records(1)[0], image=tmp_path / f"{number}.png"))
    low, high = common_window(Dataset("x-rays", ("balloon",), tuple(made))) or (0.0, 0.0)
    assert 20_000 <= low < 20_020 and 20_980 < high <= 21_000
