"""maskwright label: training from the page, doubtful labels, and the image that is proposed next."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

from running_server import Running, running
from tiny_runs import Seer

from maskwright.errors import DatasetError, OutputError
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.types import Instances
from maskwright.web import label_training
from maskwright.web.access import Access
from maskwright.web.label_assistant import Assistant
from maskwright.web.label_doubts import Doubts
from maskwright.web.label_next import Proposals, most_informative, uncertainty
from maskwright.web.label_opening import open_labels
from maskwright.web.label_store import LabelStore
from maskwright.web.label_training import Training, history
from maskwright.web.labeling import labeling
from maskwright.web.limits import Limits
from maskwright.web.refusal import Refusal

SQUARE = [[10, 10], [40, 10], [40, 40], [10, 40]]
RESULTS = "epoch,step,seconds,lr,loss,val_loss,mask_AP50\n1,2,0.5,0.01,0.9,0.8,0.2\n2,4,1.0,0.01,0.7,,0.4\n"


def detections(*scores: float, box: Sequence[float] = (10, 10, 40, 40), label: str = "balloon") -> Instances:
    boxes = np.array([box] * len(scores), np.float32).reshape(-1, 4)
    return Instances(boxes, np.zeros(len(scores), np.int64), np.array(scores, np.float32), None, (label,))


@pytest.fixture
def store(tmp_path, monkeypatch) -> Iterator[LabelStore]:
    """Three gray images, the last one white; the first with a square that is a balloon."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "party").mkdir()
    for number, gray in enumerate((60, 70, 255)):
        Image.fromarray(np.full((96, 128, 3), gray, np.uint8)).save(tmp_path / "party" / f"image_{number}.png")
    made = LabelStore(open_labels(tmp_path / "party", None, None), Issues())
    made.put(0, 0, [{"key": "a", "class": "balloon", "rings": [SQUARE]}], "labeled")
    yield made
    made.close()


def wait_for(true: Callable[[], Any], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# --- training ---------------------------------------------------------------------------------------------------------
class Commands:
    """Stands in for `maskwright` in other processes: keeps what was asked, and runs Python code instead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[list[str]] = []
        self.code: dict[str, str] = {}
        monkeypatch.setattr(label_training, "_started", self._started)

    def _started(self, arguments: Sequence[str], output: IO[str]) -> subprocess.Popen[str]:
        self.asked.append(list(arguments))
        code = f"arguments = {list(arguments)!r}\n{self.code[arguments[0]]}"
        return subprocess.Popen([sys.executable, "-c", code], stdout=output, text=True)


TRAINS = f"""
from pathlib import Path
run = Path(arguments[arguments.index("--out") + 1]) / arguments[arguments.index("--name") + 1]
(run / "best").mkdir(parents=True)
(run / "results.csv").write_text({RESULTS!r})
(run / "best" / "card.json").write_text("{{}}")
"""
METRICS = {"AP": 0.3, "AP50": 0.5, "intervals": {"AP": [0.2, 0.4], "AP50": [0.4, 0.6]}}
EVALUATED = {"images": 7, "split": "held back", "box": None, "mask": METRICS}
EVALUATES = f"import json; print(json.dumps({EVALUATED!r}))"


@pytest.fixture
def commands(monkeypatch) -> Commands:
    made = Commands(monkeypatch)
    made.code = {"train": TRAINS, "evaluate": EVALUATES}
    return made


def trained(store: LabelStore, loaded: Callable[[Path], object], log: Issues | None = None) -> Training:
    return Training(store.flush, Path("runs"), loaded, Issues() if log is None else log)


def test_a_training_is_the_command_on_the_annotation_file_and_its_model_is_loaded(store, commands):
    models: list[Path] = []
    training = trained(store, models.append)
    assert training.facts() is None
    training.start(60)
    wait_for(lambda: training.state == "done")
    file = str(store.target.file)
    assert commands.asked[0] == ["train", file, "--out", "runs", "--name", Path.cwd().name, "--time-budget", "60s",
                                 "--json"]  # fmt: skip
    run = Path("runs") / Path.cwd().name
    assert commands.asked[1] == ["evaluate", str(run), file, "--json"] and models == [run / "best"]
    facts = training.facts()
    assert facts is not None and facts["metrics"]["mask"]["AP50_interval"] == [0.4, 0.6]
    assert (facts["metrics"]["images"], facts["metrics"]["split"]) == (7, "held back")
    assert [row["mask_AP50"] for row in facts["history"]] == [0.2, 0.4]
    assert json.loads(Path(file).read_text())  # the labels were in it before the training began
    training.start(60)
    wait_for(lambda: training.state == "done")
    assert commands.asked[2][5] == f"{Path.cwd().name}_2"
    training.close()


def test_only_one_training_runs_and_it_can_be_stopped(store, commands):
    commands.code["train"] = "import time; time.sleep(60)"
    training = trained(store, lambda _: pytest.fail("there is no model"))
    training.start(60)
    with pytest.raises(Refusal) as refused:
        training.start(60)
    assert refused.value.status == 409
    wait_for(lambda: commands.asked)
    training.stop()
    wait_for(lambda: training.state == "stopped")
    training.close()


def test_a_stopped_training_that_has_a_model_gives_it(store, commands):
    commands.code["train"] = TRAINS + "import time; time.sleep(60)"
    models: list[Path] = []
    training = trained(store, models.append)
    training.start(60)
    wait_for(lambda: (Path("runs") / Path.cwd().name / "best" / "card.json").is_file())
    training.stop()
    wait_for(lambda: training.state == "done")
    assert len(models) == 1 and len(commands.asked) == 1
    training.close()


def test_the_end_of_the_server_ends_the_training(store, commands):
    commands.code["train"] = "import time; time.sleep(60)"
    training = trained(store, lambda _: None)
    training.start(60)
    wait_for(lambda: commands.asked)
    training.close()
    assert training.state == "stopped"


def test_what_the_command_refuses_is_shown(store, commands):
    error = {"error": "DatasetError", "message": "too few images", "got": "1", "issues": []}
    commands.code["train"] = f"import sys; print({json.dumps(json.dumps(error))}); sys.exit(2)"
    log = Issues()
    training = trained(store, lambda _: None, log)
    training.start(60)
    wait_for(lambda: training.state == "failed")
    facts = training.facts()
    assert facts is not None
    assert facts["error"] == {"error": "DatasetError", "message": "too few images", "got": "1"}
    training.close()
    assert [issue.code for issue in log] == ["training_failed"]


@pytest.mark.parametrize("error", [DatasetError("not a model"), RuntimeError("no memory")])
def test_a_model_that_cannot_be_loaded_is_an_error_of_the_training(error, store, commands):
    def loaded(_: Path) -> None:
        raise error

    training = trained(store, loaded)
    training.start(60)
    wait_for(lambda: training.state == "failed")
    assert str(error.args[0]) in str(training.facts())
    training.close()


def test_a_results_table_that_is_half_written_shows_nothing(tmp_path):
    assert history(tmp_path) == []
    (tmp_path / "results.csv").write_text("epoch,loss\n1,zero\n")
    assert history(tmp_path) == []


def test_labels_that_cannot_be_written_are_not_trained_on(store):
    assert store.flush() == store.target.file
    shutil.copy(store.target.file, "before")
    store.target.file.write_text("{}")
    store.put(1, 0, [], "empty")
    with pytest.raises(OutputError, match="not in the annotation file"):
        store.flush()


# --- doubts -----------------------------------------------------------------------------------------------------------
def doubts_of(store: LabelStore, found: dict[int, Instances]) -> Doubts:
    assistant = Assistant(store, Limits())
    assistant.found = found
    return Doubts(store, assistant)


def test_what_the_model_finds_otherwise_is_doubted_the_surest_first(store):
    assert doubts_of(store, {}).all() == []
    store.put(2, 0, [], "empty")
    found = {0: replace(detections(0.9), names=("cake", "balloon")), 1: detections(0.9), 2: detections(0.8)}
    doubts = doubts_of(store, found)
    texts = [(doubt.image, doubt.text, doubt.number) for doubt in doubts.all()]
    assert texts == [(0, "balloon looks like cake", 0), (2, "not drawn: balloon", None)]
    assert doubts.all()[1].box == [10, 10, 40, 40]


def test_a_doubt_ends_when_its_image_is_changed_or_it_is_settled(store):
    store.put(2, 0, [], "empty")
    doubts = doubts_of(store, {2: detections(0.8)})
    (doubt,) = doubts.all()
    doubts.settle(doubt.image, doubt.key)
    assert doubts.all() == []
    store.put(2, 1, [{"key": "b", "class": "balloon", "rings": [[[50, 50], [80, 50], [80, 80]]]}], "labeled")
    assert [doubt.text for doubt in doubts.all()] == ["balloon: not found by the model", "not drawn: balloon"][::-1]
    store.put(2, 2, [{"key": "c", "class": "balloon", "rings": [SQUARE]}], "labeled")
    assert doubts.all() == []


def test_copies_with_other_classes_are_doubted(store, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)
    for number in (0, 1):
        Image.fromarray(pixels).save(tmp_path / "party" / f"image_{number}.png")
    store.put(1, 0, [{"key": "a", "class": "cake", "rings": [SQUARE]}], "labeled")
    doubts = doubts_of(store, {})
    doubts.compare()
    wait_for(doubts.all)
    assert [(doubt.image, doubt.text) for doubt in doubts.all()] == [(0, "other classes than its copy, image_1.png")]
    store.put(1, 1, [{"key": "a", "class": "balloon", "rings": [SQUARE]}], "labeled")
    assert doubts.all() == []


# --- the next image ---------------------------------------------------------------------------------------------------
def test_images_without_detections_are_certain_and_many_unsure_ones_are_not():
    assert uncertainty(detections()) == 0
    assert uncertainty(detections(0.99)) < uncertainty(detections(0.5)) < uncertainty(detections(0.5, 0.5)) < 1


def test_the_next_image_is_one_that_is_unlike_the_labeled_ones_and_unsure():
    described = {number: np.array([value]) for number, value in enumerate((0.0, 0.1, 1.0, 1.0))}
    assert most_informative(described, [0], [1, 2, 3], {}) == 2
    assert most_informative(described, [0], [1, 2, 3], {1: 0.0, 2: 0.1, 3: 0.9}) == 3
    assert most_informative(described, [0], [1, 2], {1: 0.9, 2: 0.0}) == 1
    assert most_informative(described, [], [3], {}) == 3


def test_images_that_were_shown_or_labeled_are_not_proposed(store):
    proposals = Proposals(store, dict)
    assert proposals.next() in (1, 2)
    wait_for(lambda: proposals.next() == 2)  # white, unlike the labeled one
    assert proposals.next({2}) == 1 and proposals.next({1, 2}) is None
    proposals.close()


# --- the page's requests ----------------------------------------------------------------------------------------------
@pytest.fixture
def page(store) -> Iterator[Running]:
    app = labeling(store, Access(), Issues(), Limits(), ("seer", Detector(Seer())))
    with running(app) as found:
        yield found


def test_the_page_asks_for_doubts_and_for_the_next_image(page):
    wait_for(lambda: page.get("/api/status").json["asked"] == 3)
    doubts = page.get("/api/doubts").json["doubts"]
    assert doubts and {doubt["image"] for doubt in doubts} == {0}
    settled = {"image": 0, "key": doubts[0]["key"]}
    left = page.post("/api/doubts", json.dumps(settled).encode()).json["doubts"]
    assert len(left) == len(doubts) - 1
    assert page.get("/api/next?after=0").json["image"] in (1, 2)
    assert page.get("/api/next?after=1,2,x").json["image"] is None
    assert page.post("/api/looking", b'{"on": false}').status == 204
    for wrong in (b"{}", b'{"image": 0}', b'{"image": true, "key": "a"}', b'{"image": 99, "key": "a"}'):
        assert page.post("/api/doubts", wrong).status in (404, 422)


def test_the_page_starts_a_training_and_stops_it(page, commands):
    commands.code["train"] = "import time; time.sleep(60)"
    assert page.get("/api/training").json is None
    for wrong in (b"{}", b'{"seconds": 0}', b'{"seconds": "60"}', b'{"seconds": true}'):
        assert page.post("/api/training", wrong).status == 422
    assert page.post("/api/training", b'{"seconds": 60}').json["state"] == "training"
    assert page.post("/api/training", b'{"seconds": 60}').status == 409
    assert page.get("/api/status").json["training"] == "training"
    assert page.ask("DELETE", "/api/training").status == 200
    wait_for(lambda: page.get("/api/training").json["state"] == "stopped")


def test_another_model_takes_the_place_of_the_first(store):
    assistant = Assistant(store, Limits())
    assert assistant.facts()["model"] is None
    for name in ("first", "second"):
        assistant.use(name, Detector(Seer()))
        wait_for(lambda: len(assistant.found) == 3)
    assert assistant.facts()["model"]["name"] == "second" and assistant.found[0].masks is None
    assistant.close()


def test_an_image_that_cannot_be_read_is_left_out(store, tmp_path):
    (tmp_path / "party" / "image_1.png").write_bytes(b"no image")
    assistant = Assistant(store, Limits())
    assistant.use("seer", Detector(Seer()))
    wait_for(lambda: 2 in assistant.found and 0 in assistant.found)
    assistant.close()
    assert sorted(assistant.found) == [0, 2]
