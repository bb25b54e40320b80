"""maskwright label on formats of one file an image: each is saved where it was read, and nothing else is touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

from maskwright.errors import DatasetError, OutputError
from maskwright.formats.dataset_reader import read
from maskwright.formats.registry import write
from maskwright.issues import Issues
from maskwright.types import Dataset, Instances, Record, RleMasks
from maskwright.web import label_folder
from maskwright.web.label_folder import LabelFolder
from maskwright.web.label_opening import open_labels
from maskwright.web.label_store import LabelStore
from maskwright.web.refusal import Refusal

SIZE = (96, 128)
SQUARE = [[10, 10], [40, 10], [40, 40], [10, 40]]
INNER = [[20, 20], [30, 20], [30, 30], [20, 30]]
AWAY = [[60, 50], [90, 50], [90, 80], [60, 80]]
YAML = """# the party of 2019
path: .   # here
train: images/train
val: images/val
nc: 3
names:
  0: ballon  # as it was typed
  1: cake
  2: cup
license: free
"""
SHAPES = [
    {
        "label": "ballon",
        "points": [[25, 25], [40, 25]],
        "group_id": None,
        "shape_type": "circle",
        "flags": {"wet": True},
    },
    {"label": "tip", "points": [[5, 5]], "group_id": None, "shape_type": "point", "flags": {}},
    {"label": "cake", "points": AWAY, "group_id": 4, "shape_type": "polygon", "flags": {}},
    {"label": "cake", "points": [[1, 1], [9, 1], [9, 9]], "group_id": 4, "shape_type": "polygon", "flags": {}},
]
VOC = """<annotation><folder>party</folder><filename>image_0.png</filename><source><database>Party</database></source>
<size><width>128</width><height>96</height><depth>3</depth></size><segmented>0</segmented>
<object><name>ballon</name><pose>Left</pose><difficult>1</difficult>
<bndbox><xmin>10</xmin><ymin>10</ymin><xmax>40</xmax><ymax>40</ymax></bndbox></object>
<object><name>cake</name><actions><jumping>1</jumping></actions>
<bndbox><xmin>60</xmin><ymin>50</ymin><xmax>90</xmax><ymax>80</ymax></bndbox></object></annotation>"""


def images(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (SIZE[1], SIZE[0]), (40 * number, 90, 120)).save(folder / name)


def yolo(folder: Path) -> Path:
    """Outlines: a ballon and a cake on the first image, a ballon on the second, nothing on the two others."""
    images(folder, *(f"images/train/image_{number}.png" for number in range(3)), "images/val/image_3.png")
    (folder / "labels" / "train").mkdir(parents=True)
    first = "0  0.1 0.1 0.300 0.1 0.3 0.4 0.1 0.4\n1 0.5 0.5 0.7 0.5 0.7 0.8 0.5 0.8\n"
    (folder / "labels" / "train" / "image_0.txt").write_text(first)
    (folder / "labels" / "train" / "image_1.txt").write_text("0 0.1 0.1 0.3 0.1 0.3 0.4 0.1 0.4\n")
    (folder / "data.yaml").write_text(YAML)
    return folder


def labelme(folder: Path) -> Path:
    images(folder, *(f"image_{number}.png" for number in range(3)))
    for number, shapes in enumerate((SHAPES, SHAPES[:1])):
        page = {"version": "5.0.1", "flags": {"seen": False}, "shapes": shapes, "imagePath": f"image_{number}.png",
                "imageData": "iVBORw0KGgo=", "imageHeight": 96, "imageWidth": 128, "by": "Ann"}  # fmt: skip
        (folder / f"image_{number}.json").write_text(json.dumps(page))
    return folder


def voc(folder: Path) -> Path:
    images(folder, *(f"JPEGImages/image_{number}.png" for number in range(3)))
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "image_0.xml").write_text(VOC)
    (folder / "Annotations" / "image_1.xml").write_text(VOC.replace("image_0", "image_1"))
    return folder


MAKERS = {"yolo": yolo, "labelme": labelme, "voc": voc}


@pytest.fixture(params=MAKERS)
def store(request, tmp_path) -> Iterator[LabelStore]:
    made = stored(MAKERS[request.param](tmp_path / "party"))
    assert made.target.format == request.param
    yield made
    made.close()


def stored(data: Path) -> LabelStore:
    return LabelStore(open_labels(data, None, None), Issues())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def labels_of(data: Path) -> dict[str, list[str]]:
    return {record.image.stem: record.instances.labels for record in read(data) if record.instances is not None}


def classes_of(data: Path) -> set[str]:
    return {label for labels in labels_of(data).values() for label in labels}


def row(key: str, label: str, *rings: list) -> dict[str, Any]:
    return {"key": key, "class": label, "rings": [*rings] or [SQUARE]}


def number(store: LabelStore, name: str) -> int:
    return next(index for index, image in enumerate(store.images) if image.record.image.stem == name)


def put(store: LabelStore, name: str, objects: list, state: str = "labeled") -> None:
    index = number(store, name)
    store.put(index, store.image(index).version, objects, state)


def objects(store: LabelStore, name: str) -> list[dict[str, Any]]:
    return store.facts(number(store, name))["objects"]


def test_only_the_files_of_images_that_were_changed_are_written(store):
    folder = store.target.file
    before = contents(folder)
    put(store, "image_0", [*objects(store, "image_0"), row("n", "cake", [[70, 10], [90, 10], [90, 30], [70, 30]])])
    store.close()
    after = contents(folder)
    changed = {name for name in after if before.get(name) != after[name]}
    (original,) = (name for name in changed if name.endswith(".original"))
    assert changed == {original, original.removesuffix(".original")} and before.keys() <= after.keys()
    assert after[original] == before[original.removesuffix(".original")] and "image_0" in original
    assert labels_of(folder) == {"image_0": ["ballon", "cake", "cake"], "image_1": labels_of(folder)["image_1"]}


def test_an_image_without_a_file_gets_one_where_the_others_have_theirs_and_loses_it_again(store):
    folder = store.target.file
    before = contents(folder)
    put(store, "image_2", [row("n", "pie")])
    store.flush()
    assert labels_of(folder)["image_2"] == ["pie"]
    (made,) = (name for name in contents(folder).keys() - before.keys() if "image_2" in name)
    assert Path(made).parent == Path(next(name for name in before if Path(name).stem == "image_1"
                                          and not name.endswith(".png"))).parent  # fmt: skip
    put(store, "image_2", [], "empty")
    store.flush()
    assert labels_of(folder)["image_2"] == []
    put(store, "image_2", [], "unlabeled")
    store.flush()
    assert "image_2" not in labels_of(folder)


def test_a_class_is_renamed_merged_and_undone_in_every_file(store):
    folder = store.target.file

    def change(change: str, **asked: Any) -> int:
        return store.change_classes(store.classes.version, {"change": change, **asked})["class_version"]

    many = store.classes.uses()["ballon"].objects
    change("rename", name="cake", to="pie")
    merged = change("rename", name="ballon", to="pie", merge=many)
    store.flush()
    assert classes_of(folder) == {"pie"}
    change("undo", number=merged)
    store.flush()
    assert labels_of(folder)["image_0"] == ["ballon", "pie"] and labels_of(folder)["image_1"][0] == "ballon"


def test_a_kill_between_two_files_is_made_good_by_the_next_session(store, monkeypatch):
    folder, written = store.target.file, []
    write_one = label_folder._write

    def killed(file: Path, content: bytes) -> None:
        if written and "image" in file.name:
            raise OutputError("killed")
        written.append(file)
        write_one(file, content)

    monkeypatch.setattr(label_folder, "_write", killed)
    many = store.classes.uses()["ballon"].objects
    store.change_classes(0, {"change": "rename", "name": "ballon", "to": "cake", "merge": many})
    store.close()
    assert len(written) == 1 and "ballon" in classes_of(folder)
    monkeypatch.undo()
    again = stored(folder)
    again.close()
    assert classes_of(folder) == {"cake"} and not again.target.journal.exists()


def test_a_file_that_another_program_changes_is_not_overwritten_unasked(store):
    folder = store.target.file
    file = store.target.label_files[number(store, "image_0")]
    file.write_bytes(file.read_bytes() + b"\n")
    before = file.read_bytes()
    put(store, "image_0", [row("n", "pie")])
    with pytest.raises(OutputError, match="another program"):
        store.flush()
    assert file.read_bytes() == before and store.status(0)["problem"]["file"] == file.name
    store.overwrite()
    store.flush()
    assert labels_of(folder)["image_0"] == ["pie"]


# --- YOLO -------------------------------------------------------------------------------------------------------------
def test_yolo_keeps_lines_and_the_rest_of_its_yaml(tmp_path):
    folder = yolo(tmp_path / "party")
    store = stored(folder)
    assert store.classes.names == ("ballon", "cake", "cup")  # also the one without objects
    first, second = objects(store, "image_0")
    put(store, "image_0", [{**second, "class": "cup"}, first, row("n", "pie", AWAY)])
    store.change_classes(0, {"change": "rename", "name": "ballon", "to": "balloon"})
    store.close()
    lines = (folder / "labels" / "train" / "image_0.txt").read_text().splitlines()
    assert lines[:2] == ["2 0.5 0.5 0.7 0.5 0.7 0.8 0.5 0.8", "0  0.1 0.1 0.300 0.1 0.3 0.4 0.1 0.4"]
    assert lines[2].startswith("3 0.46875 ") and len(lines) == 3
    names = '  0: "balloon"\n  1: "cake"\n  2: "cup"\n  3: "pie"\n'
    expected = YAML[: YAML.index("  0:")].replace("nc: 3", "nc: 4") + names + "license: free\n"
    assert (folder / "data.yaml").read_text() == expected


def test_yolo_refuses_a_hole_before_anything_is_lost(tmp_path):
    folder = yolo(tmp_path / "party")
    store, before = stored(folder), contents(folder)
    with pytest.raises(Refusal) as refused:
        put(store, "image_0", [row("n", "cake", SQUARE, INNER)])
    assert refused.value.status == 422 and "hole" in refused.value.parts["got"]
    assert "--out" in refused.value.parts["fix"]
    store.close()
    assert contents(folder) == before


def test_yolo_does_not_move_or_remove_classes_that_its_files_know_by_their_place(tmp_path):
    store = stored(yolo(tmp_path / "party"))
    for asked in ({"change": "move", "name": "cup", "to": 0}, {"change": "remove", "name": "cup"}):
        with pytest.raises(Refusal, match="place among the others"):
            store.change_classes(0, asked)
    store.close()


def test_the_label_file_of_another_split_lies_beside_the_others(tmp_path):
    folder = yolo(tmp_path / "party")
    store = stored(folder)
    put(store, "image_3", [row("n", "cup")])
    store.close()
    assert (folder / "labels" / "val" / "image_3.txt").read_text().startswith("2 ")


@pytest.mark.parametrize("names", ["[ballon, cake]", "\n- ballon\n- cake", "{0: ballon, 1: cake}", None])
def test_a_new_class_of_yolo_stands_where_the_others_do(names, tmp_path):
    folder = tmp_path / "party"
    images(folder, "image_0.png", "image_1.png")
    (folder / "image_0.txt").write_text("0 0.5 0.5 0.2 0.3\n1 0.2 0.2 0.1 0.1\n")
    if names is None:
        (folder / "classes.txt").write_text("ballon\ncake\n")
    else:
        (folder / "data.yaml").write_text(f"train: .\nval: .\nnames: {names}\n")
    store = stored(folder)
    put(store, "image_0", [*objects(store, "image_0"), row("n", "pie: of 3")])
    store.close()
    assert (folder / "image_0.txt").read_text().startswith("0 0.5 0.5 0.2 0.3\n1 0.2 0.2 0.1 0.1\n2 ")
    assert labels_of(folder)["image_0"] == ["ballon", "cake", "pie: of 3"]


def test_a_class_of_yolo_that_has_no_names_yet_is_named_in_a_new_list(tmp_path):
    images(tmp_path / "party", "image_0.png")
    (tmp_path / "party" / "image_0.txt").write_text("0 0.5 0.5 0.2 0.3\n")
    store = stored(tmp_path / "party")
    put(store, "image_0", [*objects(store, "image_0"), row("n", "pie")])
    store.close()
    assert labels_of(tmp_path / "party")["image_0"] == ["0", "pie"]


# --- LabelMe and VOC --------------------------------------------------------------------------------------------------
def test_labelme_keeps_shapes_that_stay_the_same_and_all_else_in_the_file(tmp_path):
    folder = labelme(tmp_path / "party")
    store = stored(folder)
    circle, cake = objects(store, "image_0")
    put(
        store,
        "image_0",
        [{**circle, "class": "balloon"}, cake, row("n", "ring", SQUARE, INNER), row("m", "two", SQUARE, AWAY)],
    )
    store.close()
    page, before = (
        json.loads(path.read_text()) for path in (folder / "image_0.json", folder / "image_0.json.original")
    )
    shapes = page.pop("shapes")
    assert page == {key: value for key, value in before.items() if key != "shapes"}
    assert shapes[:3] == [{**SHAPES[0], "label": "balloon"}, *SHAPES[2:]] and shapes[-1] == SHAPES[1]
    assert [(shape["label"], shape["shape_type"]) for shape in shapes[3:-1]] == [
        ("ring", "mask"), ("two", "polygon"), ("two", "polygon")
    ]  # fmt: skip
    assert shapes[4]["group_id"] == shapes[5]["group_id"] not in (None, 4)
    assert labels_of(folder)["image_0"] == ["balloon", "cake", "ring", "two"]


def test_voc_keeps_objects_that_stay_the_same_and_all_else_in_the_file(tmp_path):
    folder = voc(tmp_path / "party")
    store = stored(folder)
    first, second = objects(store, "image_0")
    put(store, "image_0", [{**second, "class": "pie"}, first, row("n", "cup", [[1, 2], [3, 2], [3, 9], [1, 9]])])
    store.close()
    text = "".join(line.strip() for line in (folder / "Annotations" / "image_0.xml").read_text().splitlines())
    assert "<database>Party</database>" in text and "<folder>party</folder>" in text
    assert "<name>pie</name><actions><jumping>1</jumping></actions>" in text
    assert "<name>ballon</name><pose>Left</pose><difficult>1</difficult>" in text
    box = "<xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>9</ymax>"
    assert f"<object><name>cup</name><bndbox>{box}</bndbox></object>" in text
    assert labels_of(folder)["image_0"] == ["pie", "ballon", "cup"]


# --- what cannot be saved in place ------------------------------------------------------------------------------------
def masks_beside(folder: Path) -> Mapping[str, Any]:
    images(folder, "JPEGImages/image_0.png")
    masks = RleMasks.from_boxes(np.array([[10.0, 10, 40, 40]]), SIZE)
    instances = Instances(masks.boxes, np.zeros(1), None, masks, ("ballon",))
    kept = (folder / "JPEGImages" / "image_0.png").read_bytes()
    write(Dataset("a", ("ballon",), (Record(folder / "JPEGImages" / "image_0.png", SIZE, instances),)), folder, "voc")
    return {"JPEGImages/image_0.png": kept}


def archive(folder: Path) -> Mapping[str, Any]:
    inside = yolo(folder / "inside")
    shutil.make_archive(str(folder / "party"), "zip", inside)
    shutil.rmtree(inside)
    return {}


def shared_file(folder: Path) -> Mapping[str, Any]:
    images(folder, "image_0.png", "image_0.jpg", "image_1.png")
    (folder / "image_1.txt").write_text("0 0.5 0.5 0.2 0.3\n")
    return {}


@pytest.mark.parametrize("made", [masks_beside, shared_file, archive])
def test_what_cannot_be_saved_file_by_file_asks_for_a_new_one(made, tmp_path):
    for name, content in made(tmp_path / "party").items():
        (tmp_path / "party" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "party" / name).write_bytes(content)
    data = next((tmp_path / "party").glob("*.zip"), tmp_path / "party")
    with pytest.raises(DatasetError) as error:
        open_labels(data, None, None)
    assert "--out" in str(error.value)
    target = open_labels(data, tmp_path / "labels.json", "coco")
    assert not isinstance(target, LabelFolder) and target.format == "coco"
