"""maskwright label: classes are renamed, merged, moved and removed; the journal, undo, and two pages at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

from running_server import Answer, Running, running
from tiny_runs import Seer

from maskwright.errors import OutputError
from maskwright.formats.dataset_reader import read
from maskwright.formats.registry import write
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.types import Dataset, Instances, Record, RleMasks
from maskwright.web.access import Access
from maskwright.web.label_opening import open_labels
from maskwright.web.label_store import LabelStore
from maskwright.web.labeling import labeling
from maskwright.web.limits import Limits
from maskwright.web.refusal import Refusal

SIZE = (96, 128)
SQUARE = [[10, 10], [40, 10], [40, 40], [10, 40]]
AWAY = [[60, 50], [90, 50], [90, 80], [60, 80]]


def row(key: str, label: str, rings: list | None = None) -> dict[str, Any]:
    return {"key": key, "class": label, "rings": [SQUARE if rings is None else rings]}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "party").mkdir()
    for number in range(3):
        Image.new("RGB", (128, 96), (40 * number, 90, 120)).save(tmp_path / "party" / f"image_{number}.png")
    return tmp_path / "party"


def stored(data: Path, format: str | None = "coco") -> LabelStore:
    return LabelStore(open_labels(data, None, format), Issues())


@pytest.fixture
def store(folder) -> Iterator[LabelStore]:
    """A ballon and a cake on the first image, two balloons on the second."""
    made = stored(folder)
    made.put(0, 0, [row("a", "ballon"), row("b", "cake", AWAY)], "labeled")
    made.put(1, 0, [row("c", "balloon"), row("d", "balloon", AWAY)], "labeled")
    yield made
    made.close()


def change(store: LabelStore, change: str, **asked: Any) -> dict[str, Any]:
    return store.change_classes(store.classes.version, {"change": change, **asked})


def labels(store: LabelStore, index: int) -> list[str]:
    return [item["class"] for item in store.facts(index)["objects"]]


def in_file(store: LabelStore) -> tuple[tuple[str, ...], dict[str, list[str]]]:
    """The classes and the labels of each image, once everything is saved."""
    dataset = read(store.flush())
    return dataset.names, {record.image.name: record.instances.labels for record in dataset if record.instances}


def test_a_class_that_is_renamed_has_its_new_name_on_every_image_and_in_the_file(store):
    told = change(store, "rename", name="balloon", to="sphere")
    assert told["classes"] == ("ballon", "cake", "sphere") and told["renamed"] == [{"balloon": "sphere"}]
    assert labels(store, 1) == ["sphere", "sphere"] and store.image(1).version == 1
    names, found = in_file(store)
    assert names == ("ballon", "cake", "sphere") and found["image_1.png"] == ["sphere", "sphere"]


def test_two_classes_are_merged_only_by_who_knows_how_many_objects_that_changes(store):
    for merge in (None, 2, "1"):
        with pytest.raises(Refusal) as refused:
            change(store, "rename", name="ballon", to="balloon", merge=merge)
        assert refused.value.status == 409
        assert (refused.value.parts["merge"], refused.value.parts["images"]) == ("1", "1")
    assert labels(store, 0) == ["ballon", "cake"]
    change(store, "rename", name="ballon", to="balloon", merge=1)
    assert labels(store, 0) == ["balloon", "cake"] and store.classes.names == ("cake", "balloon")
    assert in_file(store)[1]["image_0.png"] == ["balloon", "cake"]


def test_undoing_a_merge_gives_each_object_its_class_back(store):
    made = change(store, "rename", name="ballon", to="balloon", merge=1)
    moved = row("a", "balloon", [[x + 5, y] for x, y in SQUARE])
    store.put(0, 1, [row("b", "cake", AWAY), moved, row("e", "balloon")], "labeled")
    told = change(store, "undo", number=made["class_version"])
    assert told["classes"] == ("ballon", "cake", "balloon")
    assert (told["restored"], told["label"], told["changed"][0]["version"]) == ({0: ["a"]}, "ballon", 3)
    assert labels(store, 0) == ["cake", "ballon", "balloon"] and labels(store, 1) == ["balloon", "balloon"]
    assert in_file(store)[1]["image_0.png"] == ["cake", "ballon", "balloon"]


def test_every_change_of_the_classes_is_undone_and_a_new_class_stays(store):
    numbers = [change(store, *asked, **more)["class_version"] for asked, more in (
        (("rename",), {"name": "balloon", "to": "sphere"}),
        (("move",), {"name": "cake", "to": 2}),
    )]  # fmt: skip
    assert store.classes.names == ("ballon", "sphere", "cake")
    store.add_class("cup")
    numbers.append(change(store, "remove", name="cup")["class_version"])
    store.put(2, 0, [row("f", "plate")], "labeled")
    for number in reversed(numbers):
        change(store, "undo", number=number)
    assert store.classes.names == ("ballon", "cake", "balloon", "cup", "plate")
    assert labels(store, 1) == ["balloon", "balloon"]


def test_a_class_in_use_is_not_removed(store):
    with pytest.raises(Refusal, match="in use"):
        change(store, "remove", name="cake")
    store.put(0, 1, [row("a", "ballon")], "labeled")
    assert "cake" not in change(store, "remove", name="cake")["classes"]
    assert labels(store, 0) == ["ballon"] and in_file(store)[0] == ("ballon", "balloon")


@pytest.mark.parametrize(
    "asked",
    [
        {"change": "rename", "name": "spoon", "to": "fork"}, {"change": "rename", "name": "cake", "to": " "},
        {"change": "rename", "name": "cake"}, {"change": "rename", "name": "cake", "to": "a\nb"},
        {"change": "move", "name": "cake", "to": 3}, {"change": "move", "name": "cake", "to": "0"},
        {"change": "paint", "name": "cake"}, {"change": "undo", "number": 0}, {"change": "undo"}, {"name": "cake"}, {},
    ],
)  # fmt: skip
def test_a_change_of_classes_that_no_page_asks_for_changes_nothing(asked, store):
    before = store.classes.names, store.changes
    with pytest.raises(Refusal):
        store.change_classes(0, asked)
    assert (store.classes.names, store.changes, store.classes.version) == (*before, 0)


def test_who_has_not_seen_the_last_change_of_the_classes_changes_none(store):
    change(store, "rename", name="balloon", to="sphere")
    with pytest.raises(Refusal) as refused:
        store.change_classes(0, {"change": "rename", "name": "cake", "to": "pie"})
    assert refused.value.status == 409 and "cake" in store.classes.names


def test_undo_does_not_take_back_what_another_page_changed(store):
    mine = change(store, "rename", name="balloon", to="sphere")
    change(store, "rename", name="cake", to="pie")
    with pytest.raises(Refusal, match="changed elsewhere"):
        change(store, "undo", number=mine["class_version"])
    assert store.classes.names == ("ballon", "pie", "sphere")


def test_objects_from_a_page_that_does_not_know_the_new_name_get_it(store):
    """Two pages: one renames, the other draws with the name that it knows."""
    change(store, "rename", name="balloon", to="sphere")
    change(store, "rename", name="sphere", to="globe")
    store.put(2, 0, [row("g", "balloon")], "labeled", 0)
    assert labels(store, 2) == ["globe"] and "balloon" not in store.classes.names
    assert store.status(0, 1)["renamed"] == [{"sphere": "globe"}]


def test_a_new_class_of_an_old_name_is_a_class_of_its_own(store):
    change(store, "rename", name="balloon", to="sphere")
    store.put(2, 0, [row("g", "balloon")], "labeled", 1)
    assert labels(store, 2) == ["balloon"] and labels(store, 1) == ["sphere", "sphere"]
    with pytest.raises(Refusal, match="balloon is there already"):
        change(store, "undo", number=1)


def test_a_kill_loses_no_change_of_the_classes(store, folder):
    """The journal up to any of its lines, and half of the next one, leads to the classes as they were then."""
    file = store.flush()
    before, journal = file.read_bytes(), file.with_name(".labels.json.journal")
    expected = [(store.classes.names, labels(store, 0))]
    lines: list[bytes] = []
    add = store._journal.add

    def added(change: dict[str, Any]) -> None:
        lines.append(json.dumps(change).encode() + b"\n")
        add(change)

    store._journal.add = added
    for asked in (
        {"change": "rename", "name": "ballon", "to": "balloon", "merge": 1},
        {"change": "move", "name": "balloon", "to": 0},
        {"change": "undo", "number": 2},
        {"change": "undo", "number": 1},
        {"change": "rename", "name": "cake", "to": "pie"},
    ):
        store.change_classes(store.classes.version, asked)
        expected.append((store.classes.names, labels(store, 0)))
    store.close()
    for count, (names, objects) in enumerate(expected):
        file.write_bytes(before)
        journal.write_bytes(b"".join(lines[:count]) + b"".join(lines[count : count + 1])[:-9])
        again = stored(folder)
        assert (again.classes.names, labels(again, 0)) == (names, objects)
        assert in_file(again)[1]["image_0.png"] == objects
        again.close()


def test_a_change_that_the_journal_cannot_hold_changes_nothing(store, monkeypatch):
    def full(_: object) -> None:
        raise OutputError("this change cannot be saved")

    monkeypatch.setattr(store._journal, "add", full)
    with pytest.raises(OutputError):
        change(store, "rename", name="balloon", to="sphere")
    assert "balloon" in store.classes.names and labels(store, 1) == ["balloon", "balloon"]


@pytest.mark.parametrize("format", ["via", "coco", "datumaro", "cvat"])
def test_every_format_is_saved_with_the_new_names(format, folder, tmp_path):
    """Objects that were read keep their masks to the pixel, and classes what the file says of them."""
    discs = [np.hypot(*(np.mgrid[0:96, 0:128] - np.array([48, x])[:, None, None])) < 20 for x in (30, 90)]
    masks = RleMasks.from_dense(np.stack(discs))
    instances = Instances(masks.boxes, np.arange(2), None, masks, ("ballon", "cake"))
    file = tmp_path / ("labels.xml" if format == "cvat" else "labels.json")
    records = (Record(folder / "image_0.png", SIZE, instances),)
    write(Dataset("a", ("ballon", "cake"), records, class_ids=(3, 7)), file, format)
    store = LabelStore(open_labels(file, None, None), Issues())
    change(store, "rename", name="ballon", to="balloon")
    change(store, "move", name="balloon", to=1)
    store.close()
    after = read(file)
    found = after.records[0].instances
    assert found is not None and found.masks is not None and sorted(found.labels) == ["balloon", "cake"]
    assert after.names == (("balloon", "cake") if format == "via" else ("cake", "balloon"))  # VIA has no list of them
    assert after.class_ids == ((7, 3) if format == "coco" else ())
    kept = {label: found.masks.dense()[index] for index, label in enumerate(found.labels)}
    assert np.array_equal(kept["balloon"], discs[0]) and np.array_equal(kept["cake"], discs[1])


def test_a_class_of_whole_images_is_renamed_and_not_merged(folder, tmp_path):
    records = tuple(Record(folder / f"image_{number}.png", SIZE, None, labels=(number % 2,)) for number in range(3))
    write(Dataset("a", ("sharp", "blurred"), records), tmp_path / "labels.json", "via")
    store = stored(tmp_path / "labels.json", None)
    with pytest.raises(Refusal, match="whole images"):
        change(store, "rename", name="blurred", to="sharp", merge=0)
    with pytest.raises(Refusal, match="in use"):
        change(store, "remove", name="blurred")
    change(store, "rename", name="blurred", to="soft")
    store.close()
    dataset = read(tmp_path / "labels.json")
    assert [dataset.names[record.labels[0]] for record in dataset if record.labels] == ["sharp", "soft", "sharp"]


def test_a_model_speaks_of_the_classes_by_their_new_names(folder):
    """It was trained before: what it suggests brings no old name back, and doubts no label for its name."""
    store = stored(folder)
    with running(labeling(store, Access(), Issues(), Limits(), ("seer", Detector(Seer())))) as page:
        asked = page.post("/api/images/0/suggestions", b"{}").json["objects"]
        assert [item["class"] for item in asked] == ["balloon", "cake"]
        store.classes.add(("balloon",))
        change(store, "rename", name="balloon", to="sphere")
        asked = page.post("/api/images/0/suggestions", b"{}").json["objects"]
        assert [item["class"] for item in asked] == ["sphere", "cake"]


# --- the page's requests ----------------------------------------------------------------------------------------------
def send(page: Running, method: str, path: str, body: Any) -> Answer:
    return page.ask(method, path, json.dumps(body).encode())


def test_the_page_asks_for_the_classes_and_changes_them(store):
    with running(labeling(store, Access(), Issues(), Limits(), None)) as page:
        assert page.get("/api/classes").json["uses"][0] == {"name": "ballon", "objects": 1, "images": 1, "used": True}
        assert send(page, "PUT", "/api/classes", {"name": "cup"}).json["classes"][-1] == "cup"
        assert send(page, "PUT", "/api/classes", {"name": ""}).status == 422
        merge = {"version": 0, "change": "rename", "name": "ballon", "to": "balloon"}
        refused = send(page, "POST", "/api/classes", merge)
        assert (refused.status, refused.json["merge"], refused.json["images"]) == (409, "1", "1")
        assert send(page, "POST", "/api/classes", {**merge, "merge": 1}).json["class_version"] == 1
        told = page.get("/api/status?since=0&classes=0").json
        assert told["renamed"] == [{"ballon": "balloon"}] and told["class_version"] == 1
        late = {"version": 0, "objects": [row("h", "ballon")], "state": "labeled", "classes": 0}
        assert send(page, "PUT", "/api/images/2", late).status == 200
        assert page.get("/api/images/2").json["objects"][0]["class"] == "balloon"
        for wrong in (-1, "0", True, [1]):
            assert send(page, "PUT", "/api/images/2", {**late, "version": 1, "classes": wrong}).status == 422


def test_where_nothing_is_labeled_any_more_the_next_session_begins_anew(folder):
    """A file without any image could not be read again."""
    for format in ("via", "coco"):
        store = stored(folder, format)
        store.put(0, 0, [row("a", "balloon")], "labeled")
        assert store.flush().is_file()
        store.put(0, 1, [], "unlabeled")
        store.close()
        assert [image.record.state for image in stored(folder, format).images] == ["unlabeled"] * 3
