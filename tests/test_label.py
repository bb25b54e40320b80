"""maskwright label: shapes, the journal, the annotation file, versions, and what the page asks."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

from running_server import Running, running
from tiny_runs import Seer

from maskwright.errors import DatasetError, UnknownName
from maskwright.formats.dataset_reader import read
from maskwright.formats.registry import write
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.synth import render_set
from maskwright.types import Instances, RleMasks
from maskwright.web import label_clicks
from maskwright.web import label_shapes as shapes
from maskwright.web.access import Access
from maskwright.web.label_clicks import ClickedImages
from maskwright.web.label_journal import Journal
from maskwright.web.label_opening import open_labels
from maskwright.web.label_store import LabelStore
from maskwright.web.labeling import labeling
from maskwright.web.limits import Limits
from maskwright.web.refusal import Refusal
from maskwright.weights.packages import EFFICIENTNET_LITE0

SIZE = (96, 128)
SQUARE = [[10, 10], [40, 10], [40, 40], [10, 40]]
INNER = [[20, 20], [30, 20], [30, 30], [20, 30]]


def ring(points: list) -> np.ndarray:
    return np.array(points, np.float64)


# --- shapes -----------------------------------------------------------------------------------------------------------
def test_a_ring_in_a_ring_is_a_hole():
    mask = shapes.fill([ring(SQUARE), ring(INNER)], SIZE)
    assert mask.area[0] == 900 - 100
    assert not mask.dense()[0, 25, 25] and mask.dense()[0, 15, 15]


def test_rings_apart_are_parts_of_one_object():
    mask = shapes.fill([ring(SQUARE), ring(SQUARE) + 45], SIZE)
    assert mask.area[0] == 1800


def test_tracing_a_mask_gives_rings_that_fill_it_again():
    mask = shapes.fill([ring(SQUARE), ring(INNER)], SIZE)
    rings = shapes.trace(mask)
    assert sorted(map(len, rings)) == [4, 4]
    assert np.array_equal(shapes.fill(rings, SIZE).dense(), mask.dense())


def test_a_traced_slanted_edge_has_few_corners():
    mask = shapes.fill([ring([[5, 5], [90, 31], [70, 80]])], SIZE)
    rings = shapes.trace(mask)
    assert sum(map(len, rings)) <= 14
    again = shapes.fill(rings, SIZE).dense()
    assert (again ^ mask.dense()).sum() < 0.04 * mask.area[0]


def test_a_stroke_is_as_wide_as_the_brush():
    mask = shapes.stroke(ring([[20, 48], [100, 48]]), 6, SIZE)
    assert mask.boxes[0].tolist() == [14, 42, 106, 54]
    assert shapes.stroke(ring([[20, 48]]), 6, SIZE).area[0] == pytest.approx(np.pi * 36, rel=0.05)


def test_subtracting_what_does_not_touch_changes_nothing_and_all_leaves_nothing():
    mask, far = shapes.fill([ring(SQUARE)], SIZE), shapes.fill([ring(INNER) + 50], SIZE)
    assert np.array_equal(shapes.subtract(mask, far).dense(), mask.dense())
    assert shapes.subtract(mask, mask).area[0] == 0
    assert shapes.subtract(RleMasks.from_boxes(np.zeros((1, 4)), SIZE), mask).area[0] == 0


def test_a_split_object_is_its_parts():
    line = shapes.stroke(ring([[25, 0], [25, 95]]), 0.75, SIZE)
    parts = shapes.split(shapes.subtract(shapes.fill([ring(SQUARE)], SIZE), line))
    assert len(parts) == 2 and all(350 < part.area[0] < 450 for part in parts)


# --- fixtures ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Three images without labels, in the current folder's `party`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "party").mkdir()
    for number in range(3):
        Image.new("RGB", (128, 96), (40 * number, 90, 120)).save(tmp_path / "party" / f"image_{number}.png")
    return tmp_path / "party"


def stored(data: Path, out: Path | None = None, format: str | None = None, log: Issues | None = None) -> LabelStore:
    return LabelStore(open_labels(data, out, format), Issues() if log is None else log)


def row(key: str = "n1", label: str = "balloon", rings: list | None = None) -> dict[str, Any]:
    return {"key": key, "class": label, "rings": [SQUARE] if rings is None else rings}


def labels_of(path: Path) -> dict[str, list[str]]:
    """File name -> labels of its objects, as our own reader reads the file."""
    return {
        record.image.name: record.instances.labels for record in read(path) if record.instances is not None
    }  # fmt: skip


# --- the file ---------------------------------------------------------------------------------------------------------
def test_labels_of_unlabeled_images_go_to_labels_json_in_the_current_folder(folder):
    store = stored(folder)
    store.put(0, 0, [row()], "labeled")
    store.put(1, 0, [], "empty")
    store.close()
    assert store.target.file == Path.cwd() / "labels.json"
    assert labels_of(store.target.file) == {"image_0.png": ["balloon"], "image_1.png": []}


def test_the_next_session_goes_on_where_the_last_one_ended(folder):
    store = stored(folder)
    store.put(0, 0, [row()], "labeled")
    store.close()
    again = stored(folder)
    assert [image.record.state for image in again.images] == ["labeled", "unlabeled", "unlabeled"]
    again.put(2, 0, [row(label="cake")], "labeled")
    again.close()
    assert labels_of(store.target.file) == {"image_0.png": ["balloon"], "image_2.png": ["cake"]}


@pytest.mark.parametrize("format", ["via", "coco", "datumaro", "cvat"])
def test_every_format_is_saved_to_the_file_that_was_read(format, tmp_path):
    dataset = render_set("balloons", 3, tmp_path / "party", size=SIZE)
    file = tmp_path / "party" / ("labels.xml" if format == "cvat" else "labels.json")
    for other in [*(tmp_path / "party").glob("**/*.json"), *(tmp_path / "party").glob("**/*.csv")]:
        other.unlink()
    dataset = read_images(dataset, tmp_path / "party")
    write(dataset, file, format)
    before = read(file)
    store = stored(file)
    assert (store.target.file, store.target.format) == (file, format)
    index = next(index for index, record in enumerate(before) if record.instances and len(record.instances))
    facts = store.facts(index)
    store.put(index, 0, [*facts["objects"], row(label="cake")], "labeled")
    store.close()
    after = read(file)
    assert len(after) == len(before)
    old, new = before.records[index].instances, after.records[index].instances
    assert old is not None and new is not None and sorted(new.labels) == sorted([*old.labels, "cake"])
    for one, other in zip(before, after, strict=True):
        if one.image != before.records[index].image and one.instances is not None and len(one.instances):
            assert other.instances is not None and one.instances.masks is not None
            assert np.array_equal(one.instances.masks.dense(), other.instances.masks.dense())  # type: ignore[union-attr]


def read_images(dataset: Any, folder: Path) -> Any:
    """The dataset with its images found directly in the folder."""
    from dataclasses import replace

    records = []
    for record in dataset:
        target = folder / record.image.name
        if record.image != target:
            record.image.rename(target)
        records.append(replace(record, image=target, split=None))
    return replace(dataset, records=tuple(records))


def test_an_object_that_is_not_changed_keeps_its_mask_to_the_pixel(tmp_path):
    """The page gets simplified rings, but what it sends back unchanged is what was read."""
    rows, columns = np.mgrid[0:96, 0:128]
    disc = ((rows - 48) ** 2 + (columns - 64) ** 2 < 900) & ((rows - 48) ** 2 + (columns - 64) ** 2 > 100)
    image = tmp_path / "a.png"
    Image.new("RGB", (128, 96)).save(image)
    from maskwright.types import Dataset, Record

    masks = RleMasks.from_dense(disc[None])
    instances = Instances(masks.boxes, np.zeros(1), None, masks, ("ring",))
    write(Dataset("a", ("ring",), (Record(image, SIZE, instances),)), tmp_path / "labels.json", "coco")
    store = stored(tmp_path / "labels.json")
    facts = store.facts(0)
    assert len(facts["objects"][0]["rings"]) == 2
    facts["objects"][0]["class"] = "wheel"
    store.put(0, 0, facts["objects"], "labeled")
    store.close()
    (record,) = read(tmp_path / "labels.json")
    assert record.instances is not None and record.instances.labels == ["wheel"]
    assert np.array_equal(record.instances.masks.dense()[0], disc)  # type: ignore[union-attr]


def test_the_file_as_it_was_before_the_first_change_is_kept(folder):
    store = stored(folder)
    store.put(0, 0, [row()], "labeled")
    store.close()
    before = store.target.file.read_bytes()
    again = stored(folder)
    again.put(0, 0, [], "empty")
    again.close()
    assert Path(f"{store.target.file}.original").read_bytes() == before != store.target.file.read_bytes()


def test_what_a_format_cannot_hold_is_told(folder):
    store = stored(folder)
    store.put(0, 0, [row(rings=[SQUARE, INNER])], "labeled")
    store.close()
    assert any("hole" in note for note in store.status(0)["notes"])


def test_images_are_never_written_to(folder):
    def digests() -> list[str]:
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())]

    before = digests()
    store = stored(folder)
    store.put(0, 0, [row()], "labeled")
    store.close()
    assert digests() == before


def test_formats_that_the_page_does_not_save_need_another_file_to_save_to(tmp_path):
    dataset = read_images(render_set("balloons", 3, tmp_path / "party", size=SIZE), tmp_path / "party")
    for other in [*(tmp_path / "party").glob("**/*.json"), *(tmp_path / "party").glob("**/*.csv")]:
        other.unlink()
    write(dataset, tmp_path / "party" / "labels.json", "create_ml")
    with pytest.raises(DatasetError, match="not one file that can be saved"):
        open_labels(tmp_path / "party", None, None)
    target = open_labels(tmp_path / "party", tmp_path / "party.json", None)
    assert (target.file, target.format) == (tmp_path / "party.json", "via")


def test_a_wrong_format_or_ending_is_an_error(folder):
    with pytest.raises(UnknownName):
        open_labels(folder, None, "yolo")
    with pytest.raises(DatasetError, match="not a file that labels are saved in"):
        open_labels(folder, Path("labels.txt"), None)
    with pytest.raises(DatasetError):
        open_labels(folder / "absent", None, None)


# --- nothing is lost --------------------------------------------------------------------------------------------------
def test_a_change_is_on_the_disk_before_it_is_answered(folder):
    store = stored(folder)
    store.put(0, 0, [row()], "labeled")
    (change,) = Journal(store.target.journal).changes()
    assert change["objects"][0]["class"] == "balloon"
    store.close()
    assert not Journal(store.target.journal).path.exists()


def test_after_a_kill_the_next_start_has_every_change(folder):
    journal = Journal(Path.cwd() / ".labels.json.journal")
    for index in (0, 2):
        journal.add({"image": str(folder / f"image_{index}.png"), "state": "labeled", "objects": [row()]})
    with journal.path.open("ab") as stream:
        stream.write(b'{"image": "cut o')
    log = Issues()
    store = stored(folder, log=log)
    assert [image.record.state for image in store.images] == ["labeled", "unlabeled", "labeled"]
    assert [str(issue) for issue in log] == ["2 changes of the last session were recovered"]
    store.close()
    assert labels_of(store.target.file).keys() == {"image_0.png", "image_2.png"}


def test_a_file_that_another_program_changed_is_not_overwritten_unless_asked(folder):
    store = stored(folder)
    store.put(0, 0, [row()], "labeled")
    wait_for(lambda: store.status(0)["saved"])
    store.target.file.write_text("{}")
    store.put(1, 0, [row()], "labeled")
    wait_for(lambda: store.status(0)["problem"])
    assert store.target.file.read_text() == "{}" and Journal(store.target.journal).path.exists()
    store.overwrite()
    store.close()
    assert labels_of(store.target.file).keys() == {"image_0.png", "image_1.png"}


def wait_for(true: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_a_full_disk_refuses_the_change_and_keeps_what_was(folder, monkeypatch):
    store = stored(folder)
    store.put(0, 0, [row()], "labeled")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Exception, match="cannot be saved"):
        store.put(0, 1, [row(label="cake")], "labeled")
    monkeypatch.undo()
    assert store.facts(0)["objects"][0]["class"] == "balloon" and store.image(0).version == 1
    assert len(list(Journal(store.target.journal).changes())) == 1
    store.close()


def test_who_has_not_seen_the_last_change_cannot_overwrite_it(folder):
    store = stored(folder)
    store.put(0, 0, [row()], "labeled")
    with pytest.raises(Refusal) as refused:
        store.put(0, 0, [], "empty")
    assert refused.value.status == 409 and len(store.facts(0)["objects"]) == 1
    store.close()


@pytest.mark.parametrize(
    "rows",
    [
        None, "x", [None], [{}], [row(label="")], [row(label="a\nb")], [row(rings=[])], [row(rings=[[[1, 2]]])],
        [row(rings=[[[1, 2], [3, "4"], [5, 6]]])], [row(rings=[[[1, 2], [3, float("nan")], [5, 6]]])],
        [row(rings=[[[500, 500], [600, 500], [600, 600]]])], [row(), row()], [row(key="k" * 50)],
    ],
)  # fmt: skip
def test_objects_that_no_page_would_send_change_nothing(rows, folder):
    store = stored(folder)
    with pytest.raises(Refusal):
        store.put(0, 0, rows, "labeled")
    with pytest.raises(Refusal):
        store.put(7, 0, [], "labeled")
    assert store.changes == 0
    store.close()


# --- the page's requests ----------------------------------------------------------------------------------------------
@pytest.fixture
def page(folder) -> Iterator[Running]:
    app = labeling(stored(folder), Access(), Issues(), Limits(), ("seer", Detector(Seer())))
    with running(app) as found:
        yield found


def send(page: Running, method: str, path: str, body: Any) -> Any:
    answer = page.ask(method, path, json.dumps(body).encode())
    assert answer.status == 200, answer.body
    return answer.json


def test_the_page_lists_images_and_saves_objects(page):
    told = page.get("/api/images").json
    assert [image["name"] for image in told["images"]] == ["image_0.png", "image_1.png", "image_2.png"]
    assert (told["format"], told["file"], told["model"]["name"]) == ("via", "labels.json", "seer")
    answer = send(page, "PUT", "/api/images/1", {"version": 0, "objects": [row()], "state": "labeled"})
    assert (answer["version"], answer["state"], answer["classes"]) == (1, "labeled", ["balloon"])
    assert page.get("/api/images/1").json["objects"][0]["rings"] == [[[float(x), float(y)] for x, y in SQUARE]]
    told = page.get("/api/status?since=0").json
    assert list(told["changed"]) == ["1"]


def test_images_and_thumbnails_are_given_as_browsers_show_them(page, folder):
    assert page.get("/api/images/0/file").body == (folder / "image_0.png").read_bytes()
    assert page.get("/api/images/0/thumbnail").body.startswith(b"\xff\xd8")
    deep = np.arange(96 * 128, dtype=np.uint16).reshape(96, 128)
    Image.fromarray(deep).save(folder / "image_2.png")
    shown = page.get("/api/images/2/file?low=0&high=4000")
    assert shown.headers["content-type"] == "image/png" and shown.body != (folder / "image_2.png").read_bytes()
    assert shown.headers["x-gray-window"] == "0 4000"
    low, high = map(float, page.get("/api/images/2/file").headers["x-gray-window"].split())
    assert 0 <= low < high <= 96 * 128 and "x-gray-window" not in page.get("/api/images/0/file").headers
    assert page.get("/api/images/2").json["deep"] is True


@pytest.mark.parametrize(
    ("op", "more", "count"),
    [
        ("brush", {"points": [[60, 60], [80, 60]], "radius": 5}, 1),
        ("erase", {"points": [[25, 25]], "radius": 100}, 0),
        ("erase", {"points": [[0, 0]], "radius": 5}, 1),
        ("cut", {"rings": [INNER]}, 1),
        ("split", {"points": [[25, 0], [25, 90]], "radius": 1}, 2),
        ("join", {}, 1),
    ],
)
def test_brush_eraser_hole_split_and_join(op, more, count, page):
    answer = send(page, "POST", "/api/images/0/shape", {"op": op, "objects": [[SQUARE]], **more})
    assert len(answer["objects"]) == count
    if op == "cut":
        assert len(answer["objects"][0]) == 2


@pytest.mark.parametrize(
    "body",
    [{}, {"op": "x"}, {"op": "join", "objects": []}, {"op": "brush", "points": [], "radius": 5},
     {"op": "brush", "points": [[1, 1]], "radius": -1}, {"op": "cut", "objects": [[SQUARE]], "rings": [[]]}],
)  # fmt: skip
def test_a_shape_that_cannot_be_is_refused(body, page):
    assert page.post("/api/images/0/shape", json.dumps(body).encode()).status == 422


class BoxFiller:
    """Fills the box, or a square of ten pixels around the first click."""

    def __init__(self) -> None:
        self.prepared: list[str] = []

    def prepare(self, path: Path) -> None:
        self.prepared.append(path.name)

    def mask(self, path: Path, box: np.ndarray | None, positive: np.ndarray, negative: np.ndarray) -> RleMasks:
        box = np.concatenate([positive[0] - 5, positive[0] + 5]) if box is None else box
        return RleMasks.from_boxes(box[None] * (len(negative) == 0), SIZE)


def test_a_box_or_clicks_become_rings(folder):
    filler = BoxFiller()
    with running(labeling(stored(folder), Access(), Issues(), Limits(), None, filler)) as page:
        assert page.get("/api/images").json["clicks"] is True
        assert page.post("/api/images/1/features", b"").status == 204 and filler.prepared == ["image_1.png"]
        box = {"box": [40, 10, 10, 40], "positive": [], "negative": []}
        (ring,) = send(page, "POST", "/api/images/0/clicks", box)["rings"]
        assert sorted(map(tuple, ring)) == sorted((float(x), float(y)) for x, y in SQUARE)
        assert len(send(page, "POST", "/api/images/0/clicks", {"positive": [[60, 60]]})["rings"]) == 1
        nothing = {"positive": [[60, 60]], "negative": [[1, 1]]}
        assert send(page, "POST", "/api/images/0/clicks", nothing) == {"rings": []}
        for wrong in ({}, {"box": [1, 2]}, {"box": [1, 2, None, 3]}, {"negative": [[1, 1]]}, {"positive": "x"},
                      {"positive": [[1]]}, {"positive": [[1, 1]] * 300}):  # fmt: skip
            assert page.post("/api/images/0/clicks", json.dumps(wrong).encode()).status == 422


def test_without_a_model_for_clicks_there_is_no_tool(page):
    assert page.get("/api/images").json["clicks"] is False
    assert page.post("/api/images/0/clicks", b'{"positive": [[1, 1]]}').status == 404


def test_what_the_tool_of_boxes_and_clicks_lacks_is_told_with_the_command(folder, monkeypatch):
    assert ClickedImages.missing() == "" or "pip install" in ClickedImages.missing()
    monkeypatch.setattr(label_clicks.importlib.util, "find_spec", lambda name: None if name == "torch" else object())
    assert ClickedImages.missing().startswith("needs the package torch, which is not installed: ")
    monkeypatch.setattr(label_clicks.importlib.util, "find_spec", lambda name: object())
    absent = replace(EFFICIENTNET_LITE0, package="not-installed-anywhere", version="1.2")
    monkeypatch.setattr(label_clicks, "EFFICIENTNET_LITE0", absent)
    reason = ClickedImages.missing()
    assert reason.startswith("needs the package not-installed-anywhere, which is not installed: ")
    assert reason.endswith(" not-installed-anywhere==1.2")
    app = labeling(stored(folder), Access(), Issues(), Limits(), None, without_clicks=reason)
    with running(app) as page:
        told = page.get("/api/images").json
        assert (told["clicks"], told["without_clicks"]) == (False, reason)


def test_a_model_suggests_objects_with_scores(page):
    suggested = send(page, "POST", "/api/images/0/suggestions", {})["objects"]
    assert [(item["class"], item["score"]) for item in suggested] == [("balloon", 0.9), ("cake", 0.8)]
    accepted = [{"key": f"n{index}", "class": item["class"], "rings": item["rings"]}
                for index, item in enumerate(suggested)]  # fmt: skip
    send(page, "PUT", "/api/images/0", {"version": 0, "objects": accepted, "state": "labeled"})
    expected = Detector(Seer())(np.zeros((96, 128, 3), np.uint8)).masks
    saved = page.get("/api/images/0").json["objects"]
    for item, mask in zip(saved, expected.dense(), strict=True):  # type: ignore[union-attr]
        drawn = shapes.fill([ring(points) for points in item["rings"]], SIZE).dense()[0]
        assert (drawn & mask).sum() / (drawn | mask).sum() > 0.95


def test_names_with_markup_stay_text(page, folder):
    name = '<img src=x onerror="alert(1)">'
    send(page, "PUT", "/api/images/0", {"version": 0, "objects": [row(label=name)], "state": "labeled"})
    answer = page.get("/api/images/0")
    assert answer.json["objects"][0]["class"] == name and answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "path",
    ["/api/images/9", "/api/images/-1", "/api/images/x", "/api/images/0/../../x",
     "/api/images/0/file/..%2f..%2fetc%2fpasswd", "/api/images/99999999999999999999/file"],
)  # fmt: skip
def test_no_number_leads_to_another_file(path, page):
    assert page.get(path).status in (404, 422)


@pytest.mark.slow
def test_five_thousand_images_are_listed_and_saved_in_seconds(tmp_path):
    """One change among 5,000 images with 5 objects each: the journal has it at once, the file soon after."""
    from maskwright.types import Dataset, Record

    Image.new("RGB", (128, 96)).save(tmp_path / "a.png")
    masks = RleMasks.from_polygons([[ring(SQUARE) + step] for step in range(5)], SIZE)
    instances = Instances(masks.boxes, np.zeros(5), None, masks, ("balloon",))
    records = []
    for number in range(5000):
        path = tmp_path / f"image_{number}.png"
        os.link(tmp_path / "a.png", path)
        records.append(Record(path, SIZE, instances))
    write(Dataset("many", ("balloon",), tuple(records)), tmp_path / "labels.json", "via")
    store = stored(tmp_path / "labels.json")
    start = time.monotonic()
    store.put(4999, 0, [row()], "labeled")
    assert time.monotonic() - start < 10
    wait_for(lambda: store.status(0)["saved"], 300)
    store.close()


# --- the command ------------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a process is not killed in the same way there")
def test_a_killed_session_loses_nothing(folder):
    call = [sys.executable, "-m", "maskwright", "label", str(folder), "--classes", "balloon"]
    with subprocess.Popen(call, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "http://" in line)
        port, token = line.split("127.0.0.1:")[1].split(";")[0].split("/?token=")
        found, headers = Running(int(port)), {"Authorization": f"Bearer {token}"}
        assert found.get("/").status == 401
        body = json.dumps({"version": 0, "objects": [row()], "state": "labeled"}).encode()
        assert found.ask("PUT", "/api/images/0", body, headers).status == 200
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    store = stored(folder)
    assert store.images[0].record.state == "labeled"
    store.close()
    assert labels_of(Path("labels.json")) == {"image_0.png": ["balloon"]}
