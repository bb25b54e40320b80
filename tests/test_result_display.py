"""Results that can be drawn: plot, show and save; as pictures and tables in a notebook; as pandas."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from notebook_standin import notebook
from PIL import Image
from tiny_runs import SIZE, Seer, party

import maskwright
from maskwright import Instances
from maskwright.api.cross_validate import CrossValidated
from maskwright.api.evaluate import Evaluated, evaluate
from maskwright.api.predict import predict
from maskwright.api.splash import splash
from maskwright.api.train import Trained
from maskwright.errors import ImageError, MissingExtra, OutputError
from maskwright.evaluation import classification
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.prediction.results import ImageDetections
from maskwright.types import Dataset
from maskwright.weights.card import Card

GRAY = np.full((*SIZE, 3), 128, np.uint8)
HISTORY = [{"epoch": 1, "loss": 2.0, "mask_AP": 0.1}, {"epoch": 2, "loss": 1.0, "val_loss": 1.5, "mask_AP": 0.2}]


class Labeler:
    """An engine that gives every image the same scores."""

    card = Card("small", "none", "classify", ("norust", "rust"), 64)
    fit = staticmethod(Seer.fit)

    def run(self, network_inputs: Any, sizes: Any) -> list[np.ndarray]:
        return [np.array([0.25, 0.75], np.float32)] * len(network_inputs)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "gray.png"
    Image.fromarray(GRAY).save(path)
    return path


@pytest.fixture
def find() -> Detector:
    return Detector(Seer())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return party(tmp_path_factory.mktemp("data") / "party")


@pytest.fixture
def evaluated(data: Dataset) -> Evaluated:
    return evaluate(Detector(Seer(("balloon",))), data, split="val", bootstrap=20, log=Issues())


def test_two_detectors_are_compared_and_the_page_says_it(data, tmp_path):
    half, whole = Detector(Seer(("balloon",))), Detector(Seer(("balloon",), masks=False))
    done = evaluate(half, data, split="all", bootstrap=0, against=whole, out=tmp_path / "page", log=Issues())
    assert done.against is not None and done.against.facts()["kind"] == "box", "one draws no masks"
    assert "Against another model" in (tmp_path / "page" / "evaluation.html").read_text(encoding="utf-8")


def trained() -> Trained:
    return Trained(Path("runs/a"), Path("runs/a/best"), 2, 2, 12.0, {"mask_AP": 0.2}, HISTORY)


def labeled() -> Any:
    truth = np.array([[True, False], [False, True], [False, True]])
    return classification.evaluate(truth, np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), ("norust", "rust"))


# --- detections -------------------------------------------------------------------------------------
def test_detections_are_drawn_on_the_image_they_were_found_on(find, file):
    picture = find(file).plot()
    assert picture.size == (SIZE[1], SIZE[0])
    assert (np.asarray(picture) != GRAY).any()
    assert not (np.asarray(find(file)[:0].plot()) != GRAY).any(), "none of them, none drawn"


def test_an_image_in_memory_is_kept_and_a_file_is_not(find, file):
    assert find(GRAY).source.source.origin.pixels is not None
    assert find(file).source.source.origin == file
    assert find(GRAY).plot().size == find(file).plot().size


def test_detections_are_instances_and_rows_keep_the_image(find, file):
    found = find(file)
    assert isinstance(found, Instances) and isinstance(found[:1], ImageDetections)
    assert repr(found) == "Instances(1 balloon, 1 cake; with masks)"
    assert len(find(file)[find(file).scores > 0.85]) == 1


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_a_picture_is_saved_in_the_format_of_its_name(find, file, tmp_path, ending):
    path = find(file).save(tmp_path / f"found{ending}")
    with Image.open(path) as picture:
        assert picture.size == (SIZE[1], SIZE[0])


def test_another_ending_is_an_error_and_writes_nothing(find, file, tmp_path):
    with pytest.raises(OutputError, match="not a kind of picture we write"):
        find(file).save(str(tmp_path / "found.gif"))
    assert not (tmp_path / "found.gif").exists()


def test_a_script_shows_a_picture_in_the_viewer_of_the_system(find, file, monkeypatch):
    shown: list[Image.Image] = []
    monkeypatch.setattr(Image.Image, "show", lambda picture: shown.append(picture))
    find(file).show()
    assert [picture.size for picture in shown] == [(SIZE[1], SIZE[0])]


def test_objects_that_know_no_image_say_so():
    with pytest.raises(ImageError, match="does not know its image"):
        ImageDetections.empty(("balloon",)).plot()


def test_a_classifier_writes_its_labels_on_the_image(file):
    labels = classified(file)
    assert (labels.labels, repr(labels)) == (("rust",), "ImageLabels(rust 0.75)")
    drawn = np.asarray(labels.plot())
    assert (drawn[:8] != GRAY[:8]).any() and not (drawn[40:] != GRAY[40:]).any()


def classified(file: Path) -> Any:
    return ImageClassifier(Labeler())(file)  # type: ignore[arg-type]


# --- predictions ------------------------------------------------------------------------------------
def test_a_prediction_is_drawn_from_where_its_image_lies_now(find, tmp_path, file):
    done = predict(find, file, sort_into=tmp_path / "sorted", move=True, log=Issues())
    assert not file.exists()
    assert done.images[0].plot().size == (SIZE[1], SIZE[0])


def test_a_splash_is_shown_as_the_picture_that_was_written(find, file, tmp_path):
    done = splash(find, file, out=tmp_path / "out", log=Issues())
    with Image.open(tmp_path / "out" / "gray.jpg") as written:
        assert (np.asarray(done.images[0].plot()) == np.asarray(written)).all()


def test_predictions_are_named_briefly(find, file):
    done = predict(find, [file, GRAY], log=Issues())
    assert repr(done) == "Predicted(2 images; 2 balloon, 2 cake)"
    assert repr(done.images[1]) == "Prediction(image 2: 1 balloon, 1 cake)"


# --- figures ----------------------------------------------------------------------------------------
def test_learning_curves_are_a_figure_of_losses_and_metrics():
    pytest.importorskip("matplotlib")
    left, right = trained().plot().axes
    assert [list(line.get_xdata()) for line in left.lines] == [[1, 2], [2]]
    assert [list(line.get_ydata()) for line in right.lines] == [[0.1, 0.2]]


def test_an_evaluation_is_a_figure_of_curve_and_confusion_matrix(evaluated):
    pytest.importorskip("matplotlib")
    left, right = evaluated.plot().axes
    assert (left.get_xlabel(), right.get_ylabel()) == ("recall", "ground truth")
    assert [text.get_text() for text in right.texts][-1] == "0"


def test_a_classifier_has_a_roc_curve_and_a_confusion_matrix():
    pytest.importorskip("matplotlib")
    left, right = CrossValidated(labeled(), [labeled()], [Path("runs/a-1")]).plot().axes
    assert left.get_title() == "ROC" and [line.get_label() for line in left.lines][:1] == ["rust"]
    assert [text.get_text() for text in right.texts] == ["1", "0", "1", "1"]


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_a_figure_is_saved_in_the_format_of_its_name(tmp_path, ending):
    pytest.importorskip("matplotlib")
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[ending]
    assert trained().save(tmp_path / f"curves{ending}").read_bytes().startswith(start)


def test_an_unknown_ending_of_a_figure_is_an_error(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(OutputError, match=r"expected  .*\.svg"):
        trained().save(tmp_path / "curves.docx")


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match="matplotlib is not installed") as caught:
        trained().plot()
    assert "[plot]" in caught.value.parts["fix"]


def test_a_figure_chooses_no_front_end():
    pytest.importorskip("matplotlib")
    code = """
import sys
from pathlib import Path
from maskwright.api.train import Trained
Trained(Path("a"), Path("b"), 1, 1, 1.0, {}, [{"epoch": 1, "loss": 1.0}]).plot()
print("matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr


# --- notebooks --------------------------------------------------------------------------------------
def shown(shell: Any, kind: str, result: object) -> Any:
    return shell.display_formatter.formatters[kind](result)


def test_the_first_use_of_a_name_tells_the_notebook_how_results_look(monkeypatch):
    shell, _ = notebook(monkeypatch)
    assert shell.display_formatter.formatters["text/html"].functions == {}
    assert maskwright.read
    assert ("maskwright.types.dataset", "Dataset") in shell.display_formatter.formatters["text/html"].functions


def test_every_type_that_the_notebook_is_told_of_exists(monkeypatch):
    shell, _ = notebook(monkeypatch)
    assert maskwright.read
    for formatter in shell.display_formatter.formatters.values():
        for module, name in formatter.functions:
            if module.startswith("maskwright."):
                assert getattr(sys.modules.get(module) or __import__(module, fromlist=[name]), name)


def test_in_a_notebook_detections_and_labels_are_pictures(find, file, monkeypatch):
    shell, display = notebook(monkeypatch)
    found = find(file)
    assert maskwright.read
    assert shown(shell, "text/html", found) is None, "one picture, and no table beside it"
    for result in (found, classified(file), predict(find, file, log=Issues()).images[0]):
        with Image.open(io.BytesIO(shown(shell, "image/jpeg", result))) as picture:
            assert picture.size == (SIZE[1], SIZE[0])
    found.show()
    assert display.outputs == [found]


def test_a_large_picture_is_reduced(find, monkeypatch):
    shell, _ = notebook(monkeypatch)
    assert maskwright.read
    with Image.open(io.BytesIO(shown(shell, "image/jpeg", find(np.zeros((1500, 2000, 3), np.uint8))))) as picture:
        assert picture.size == (640, 480)


def test_a_picture_whose_file_is_gone_is_shown_as_text(find, file, monkeypatch):
    shell, _ = notebook(monkeypatch)
    assert maskwright.read
    found = find(file)
    file.unlink()
    assert shown(shell, "image/jpeg", found) is None


def test_a_data_set_is_a_table_and_a_contact_sheet(data, monkeypatch):
    shell, _ = notebook(monkeypatch)
    assert maskwright.read
    html = shown(shell, "text/html", data)
    assert html.startswith("<table>") and html.count('<img src="data:image/jpeg;base64,') == 1
    assert shown(shell, "image/jpeg", data.records[0])[:2] == b"\xff\xd8"


def test_results_are_tables(data, evaluated, find, file, monkeypatch):
    shell, _ = notebook(monkeypatch)
    assert maskwright.read
    assert "<th>mask, 2 images</th>" in shown(shell, "text/html", evaluated)
    assert shown(shell, "text/html", evaluated.metrics) in shown(shell, "text/html", evaluated)
    assert "accuracy 0.667" in shown(shell, "text/html", labeled())
    assert "3 folds" in shown(shell, "text/html", CrossValidated(labeled(), [labeled()] * 3, []))
    assert "<td>0.200</td>" in shown(shell, "text/html", trained())
    html = shown(shell, "text/html", predict(find, [file, file], log=Issues()))
    assert "<tr><td>cake</td><td>2</td></tr>" in html and "<img" in html


# --- pandas -----------------------------------------------------------------------------------------
class Pandas(SimpleNamespace):
    """Stands in for pandas: keeps rows and columns."""

    @staticmethod
    def DataFrame(rows: list[dict[str, Any]], columns: list[str] | None = None) -> Any:
        return SimpleNamespace(rows=rows, columns=columns or list(rows[0]))


def test_results_become_tables_of_pandas(find, file, evaluated, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", Pandas())
    assert [row["class"] for row in find(file).to_pandas().rows] == ["balloon", "cake"]
    assert [row["image"] for row in predict(find, [file, GRAY], log=Issues()).to_pandas().rows][1:3] == [
        str(file), "image 2",
    ]  # fmt: skip
    labels = predict(ImageClassifier(Labeler()), file, log=Issues()).to_pandas()  # type: ignore[arg-type]
    assert labels.rows == [{"image": str(file), "label": "rust", "score_norust": 0.25, "score_rust": 0.75}]
    table = evaluated.to_pandas()
    assert [(row["kind"], row["class"]) for row in table.rows] == [
        ("mask", "balloon"), ("mask", "all"), ("box", "balloon"), ("box", "all"),
    ]  # fmt: skip
    assert {"AP", "AP_low", "AP_high"} <= set(table.columns)
    assert trained().to_pandas().rows == HISTORY
    folds = CrossValidated(labeled(), [labeled()] * 2, []).to_pandas()
    assert list(dict.fromkeys(row["fold"] for row in folds.rows)) == ["1", "2", "pooled"]
