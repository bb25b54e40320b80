"""Faults and oddities of a dataset, counted by cause: each has a code of its own and names what it is about."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright.api import check_page
from maskwright.api.check import check as check_data
from maskwright.curate.check import check
from maskwright.curate.doubts import BOX_DOUBTED, OBJECT_UNDRAWN
from maskwright.curate.objects import repeated
from maskwright.errors import RecipeError
from maskwright.issues import Issue
from maskwright.progress import silent
from maskwright.types import Annotation, Dataset, Instances, Record, RleMasks

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n"
SQUARE = [4, 4, 30, 4, 30, 30, 4, 30]


def picture(path: Path, seed: int, kind: str = "PNG", exif: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    settings = {"exif": exif} if exif else {}
    Image.fromarray(blocks).resize((64, 48), Image.Resampling.NEAREST).save(path, kind, **settings)
    return path


def coco(folder: Path, *polygons: object, images: int = 1, **sizes: int) -> Path:
    """`polygons` are on the images by turns, three sound ones on each besides."""
    listed = [{"id": number, "file_name": f"{number}.png", **sizes} for number in range(images)]
    for number in range(images):
        picture(folder / f"{number}.png", number)
    sound = [[4 + step, 4, 30 + step, 4, 30 + step, 30, 4, 30] for step in (0, 9, 18)]
    drawn = [(number % images, shape) for number, shape in enumerate(polygons)]
    drawn += [(number, shape) for number in range(images) for shape in sound]
    notes = [{"id": number, "image_id": image, "category_id": 1, "segmentation": [shape], "iscrowd": 0}
             for number, (image, shape) in enumerate(drawn)]  # fmt: skip
    content = {"images": listed, "annotations": notes, "categories": [{"id": 1, "name": "rust"}]}
    (folder / "annotations.json").write_text(json.dumps(content), "utf-8")
    return folder


def issues_of(folder: Path) -> dict[str, Issue]:
    (issues,) = check_data(folder).issues.values()
    return {issue.code: issue for issue in issues}


def with_objects(folder: Path, *boxes: list[float], split: str | None = None) -> Record:
    table = np.array(boxes, np.float32).reshape(-1, 4)
    image = picture(folder / f"{len(list(folder.iterdir())) if folder.is_dir() else 0}.png", len(boxes))
    return Record(image, (48, 64), Instances(table, np.zeros(len(table)), None, None, ("rust",)), split=split)


def codes(*records: Record, names: tuple[str, ...] = ("rust",)) -> dict[str, Issue]:
    return {issue.code: issue for issue in check(Dataset("some", names, records))}


# --- regions ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "code", "sentence"),
    [
        ([100, 100, 120, 100, 120, 120], "regions_outside", "1 region lies wholly outside its image"),
        ([4, 4, 4, 4, 4, 4], "regions_without_area", "1 region has no area"),
        ([4, 4, 1e9, 4, 9, 9], "regions_not_numbers", "1 region has coordinates that are no numbers"),
    ],
)
def test_faulty_regions_are_counted_by_cause(tmp_path, shape, code, sentence):
    issue = issues_of(coco(tmp_path, shape))[code]
    assert str(issue).startswith(f'{sentence}: image "0.png", ') and issue.values["count"] == 1


def test_a_region_that_crosses_itself_is_named_with_its_number(tmp_path):
    issue = issues_of(coco(tmp_path, [10, 10, 40, 40, 40, 10, 10, 40]))["outlines_self_crossing"]
    assert str(issue) == "1 outline crosses itself: 0.png, object 1"
    assert issue.values["rows"] == [[0, 0]] and [Path(image).name for image in issue.images] == ["0.png"]


def test_outlines_past_the_edge_say_on_which_images(tmp_path):
    issue = issues_of(coco(tmp_path, [4, 4, 90, 4, 90, 30, 4, 30], SQUARE, images=2))["outlines_clipped"]
    assert [Path(image).name for image in issue.images] == ["0.png"]


def test_other_faults_are_counted_together(tmp_path):
    folder = coco(tmp_path, SQUARE)
    content = json.loads((folder / "annotations.json").read_text())
    content["annotations"][0]["category_id"] = 9
    (folder / "annotations.json").write_text(json.dumps(content))
    found = issues_of(folder)
    assert found["records_faulty"].values["count"] == 1 and "regions_outside" not in found


# --- objects ------------------------------------------------------------------------------------
def test_an_object_drawn_twice_and_one_of_a_pixel_are_named(tmp_path):
    found = codes(with_objects(tmp_path, [1, 1, 30, 30], [1, 1, 30.5, 30], [40, 40, 41, 47]))
    assert str(found["objects_repeated"]) == "1 object is drawn twice: 0.png, object 2"
    assert str(found["objects_thin"]) == "1 object is less than 2 pixels wide or high: 0.png, object 3"


def test_objects_beside_each_other_other_classes_and_crowds_are_no_repetition():
    two = np.array([[1, 1, 30, 30], [1, 1, 30, 30]], np.float32)
    apart = np.array([[1, 1, 30, 30], [3, 1, 33, 30]], np.float32)
    assert repeated(Instances(apart, np.zeros(2), None, None, ("rust",))) == []
    assert repeated(Instances(two, np.array([0, 1]), None, None, ("rust", "dent"))) == []
    assert repeated(Instances(two, np.zeros(2), None, None, ("rust",), np.array([False, True]))) == []
    assert repeated(Instances(two, np.zeros(2), None, None, ("rust",))) == [(0, 1)]


def test_of_three_times_the_same_object_two_are_repetitions():
    three = np.repeat(np.array([[1, 1, 30, 30]], np.float32), 3, 0)
    assert repeated(Instances(three, np.zeros(3), None, None, ("rust",))) == [(0, 1), (0, 2)]


def test_sound_objects_give_no_issue(tmp_path):
    outline = np.array([[4, 4], [30, 4], [30, 30]], float)
    masks = RleMasks.from_polygons([[outline]], (48, 64))
    drawn = Instances(masks.boxes, np.zeros(1), None, masks, ("rust",), None, (Annotation((outline,)),))
    records = [Record(picture(tmp_path / f"{seed}.png", seed), (48, 64), drawn) for seed in range(2)]
    assert codes(*records) == {}


# --- classes ------------------------------------------------------------------------------------
def test_a_class_that_a_split_lacks_is_named(tmp_path):
    two = Instances(np.array([[1, 1, 9, 9], [2, 20, 30, 40]]), np.array([0, 1]), None, None, ("rust", "dent"))
    one = two[[0]]
    drawn = [("train", two), ("train", two), ("val", one)]
    records = [Record(picture(tmp_path / f"{seed}.png", seed), (48, 64), objects, split=split)
               for seed, (split, objects) in enumerate(drawn)]  # fmt: skip
    found = codes(*records, names=("rust", "dent"))
    assert str(found["classes_absent_from_split"]) == (
        "val has no dent, which can be neither learned nor measured there"
    )  # fmt: skip
    assert "classes_absent_from_split" not in codes(*records[:2], names=("rust", "dent"))


# --- images -------------------------------------------------------------------------------------
def test_pointers_of_git_lfs_and_files_that_are_no_images_are_told_apart(tmp_path):
    folder = coco(tmp_path, images=3)
    (folder / "1.png").write_text(POINTER)
    (folder / "2.png").write_text("<html>not found</html>")
    found = issues_of(folder)
    assert str(found["images_lfs_pointers"]) == (
        '1 image is a pointer of Git LFS, not the image itself: image "1.png"; git lfs pull'
    )
    assert str(found["files_no_images"]).endswith('no image that can be read: image "2.png"')


def test_an_image_of_another_kind_than_its_name_says_is_named(tmp_path):
    one = with_objects(tmp_path, [1, 1, 9, 9])
    picture(tmp_path / "b.png", 7, "JPEG")
    found = codes(one, Record(tmp_path / "b.png", (48, 64), one.instances))
    assert str(found["images_misnamed"]) == "1 image is of another kind than its name says: b.png is .jpg"


def test_an_annotated_image_that_is_absent_is_named(tmp_path):
    folder = coco(tmp_path, images=2)
    (folder / "1.png").unlink()
    assert str(issues_of(folder)["images_absent"]) == '1 of 2 named images are absent: "1.png"'


def test_images_annotated_before_their_rotation_are_one_issue(tmp_path):
    folder = coco(tmp_path, SQUARE, images=2, width=64, height=48)
    exif = Image.Exif()
    exif[274] = 6
    for number in range(2):
        picture(folder / f"{number}.png", number, exif=exif.tobytes())
    found = issues_of(folder)
    assert "regions_turned" not in found
    issue = found["images_turned_with_regions"]
    assert issue.values["count"] == 2 and issue.values["records"] == ["0.png", "1.png"]


# --- the command --------------------------------------------------------------------------------
def test_the_result_says_why_the_format_was_chosen_and_how_large_images_are(tmp_path):
    (data,) = check_data(coco(tmp_path / "steel", SQUARE)).to_dict()["data"]
    assert data["format"] == "coco" and "annotations" in data["because"]
    assert data["sizes"] == {"smallest": [64, 48], "largest": [64, 48]}


def test_without_images_there_are_no_sizes():
    (data,) = check_data(Dataset("none", (), ())).to_dict()["data"]
    assert data["sizes"] == {} and data["because"] is None


# --- the page -----------------------------------------------------------------------------------
def test_the_page_shows_what_each_issue_is_about(tmp_path):
    folder = coco(tmp_path / "steel", [10, 10, 40, 40, 40, 10, 10, 40], images=2)
    (folder / "c.png").write_bytes((folder / "0.png").read_bytes())
    checked = check_data(folder, out=tmp_path / "check.html")
    text = (tmp_path / "check.html").read_text("utf-8")
    assert checked.page == tmp_path / "check.html"
    assert "Outlines self crossing" in text and "0.png, object 1 (rust)" in text
    assert "0.png = c.png" in text
    assert "http" not in text.partition("</style>")[2].replace("http-equiv", "")


@pytest.mark.parametrize("count", [0, 1])
def test_a_page_of_no_image_and_of_one_can_be_made(tmp_path, count):
    records = tuple(with_objects(tmp_path, [1, 1, 30, 30]) for _ in range(count))
    check_data(Dataset("some", ("rust",), records), out=tmp_path / "check.html")
    assert "nothing found" in (tmp_path / "check.html").read_text("utf-8")


def test_pictures_on_the_page_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("maskwright.api.check_page.MOST_PICTURES", 3)
    records = tuple(with_objects(tmp_path, [1, 1, 30, 30], [1, 1, 30, 30], [2, 2, 3, 3]) for _ in range(4))
    check_data(Dataset("some", ("rust",), records), out=tmp_path / "check.html")
    assert (tmp_path / "check.html").read_text("utf-8").count("<figure") == 3


def test_the_page_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(RecipeError, match="name of a page ends"):
        check_data(tmp_path / "nowhere", out=tmp_path / "check.png")


def test_the_page_frames_what_a_model_doubts(tmp_path):
    record = with_objects(tmp_path, [1, 1, 30, 30])
    undrawn = OBJECT_UNDRAWN("0.png", images=[record.image], detected="rust", box="33 5 60 40", doubt=0.9)
    loose = BOX_DOUBTED("0.png", images=[record.image], number=1, label="rust", drawn="1 1 30 30", box="4 1 36 30",
                        doubt=0.5)  # fmt: skip
    dataset = Dataset("some", ("rust",), (record,))
    text = check_page.render([dataset], {"some": ()}, {"some": (undrawn, loose)}, {}, silent)
    assert "Labels that the model doubts" in text and text.count("<figure") == 2
    assert "nobody drew the rust at 33 5 60 40" in text
