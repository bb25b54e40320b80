"""The page about whole-image classes: every chart of every case, empty first, and no number that is none."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskwright.evaluation.classification import evaluate
from maskwright.evaluation.operating_point import Aim, choose
from maskwright.report import classification_charts as charts
from maskwright.report import confusion_chart
from maskwright.report.page import render
from maskwright.report.sections import Calibration, Matrix, PrecisionRecall, Roc, Scores, Text, Warnings
from maskwright.tasks.classification.report import misclassified, sections_of

EVIL = "<script>alert('x')</script> & \"quotes\""
IMAGE = np.full((60, 80, 3), 90, np.uint8)


def metrics(count: int = 30, kinds: int = 2, multi_label: bool = False, names=None, seed: int = 0):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(kinds), count) if count else np.zeros((0, kinds))
    ground_truth = rng.random((count, kinds)) < 0.4 if multi_label else rng.integers(0, kinds, count)
    names = names or [f"kind {number}" for number in range(kinds)]
    return evaluate(ground_truth, scores, names, multi_label=multi_label, bootstrap=20)


def svgs(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(item) for item in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def one(sections, kind):  # type: ignore[no-untyped-def]
    (detections,) = [section for section in sections if isinstance(section, kind)]
    return detections


def test_no_images_make_a_page_that_says_so():
    page = render("nothing", [*sections_of(metrics(0)), misclassified(metrics(0), lambda place: IMAGE)])
    assert page.count("Nothing to show yet.") >= 4 and "nan" not in page.lower()


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 12), st.integers(2, 12), st.booleans(), st.integers(0, 50))
def test_every_chart_is_well_formed_and_holds_only_numbers(count, kinds, multi_label, seed):
    page = render("some", sections_of(metrics(count, kinds, multi_label, seed=seed)))
    assert svgs(page) and "nan" not in page.lower() and "inf" not in re.sub(r"<style.*?</style>", "", page, flags=re.S)


def test_class_names_are_text_and_never_markup():
    made = metrics(names=[EVIL, "rust"])
    point = choose(made.scores[:, 0], made.ground_truth[:, 0], Aim.of(f1=True), name=EVIL)
    page = render("evil", [*sections_of(made, [point], [EVIL]), misclassified(made, lambda place: IMAGE)])
    assert "<script>alert" not in page and "&lt;script&gt;" in page and svgs(page)


# --- each chart -----------------------------------------------------------------------------------
def test_the_matrix_holds_every_count():
    counts = np.array([[7, 2], [0, 3]])
    drawn = confusion_chart.matrix(Matrix("m", ["no", "yes"], counts))
    assert re.findall(r"<title>(.*?)</title>", drawn) == [
        "no, predicted no: 7 of 9",
        "no, predicted yes: 2 of 9",
        "yes, predicted no: 0 of 3",
        "yes, predicted yes: 3 of 3",
    ]
    assert drawn.count('class="right"') == 2 and drawn.count('class="wrong"') == 1


def test_every_image_is_in_the_histogram_once():
    up, down = [0.0, 0.1, 1.0], [0.5, 0.5]
    drawn = charts.scores(Scores("s", ("rust", up), ("norust", down), 0.4))
    counts = [int(item) for item in re.findall(r"<title>[\d.]+ to [\d.]+: (\d+) ", drawn)]
    assert sum(counts) == 5 and "threshold 0.400" in drawn


def test_bins_without_images_have_no_dot():
    section = one(sections_of(metrics(3)), Calibration)
    filled = int(np.count_nonzero(section.count))
    drawn = charts.calibration(section)
    assert drawn.count("<circle") == filled == drawn.count("images</title></circle>")


def test_the_operating_point_is_drawn_where_the_metrics_say():
    made = metrics(60)
    point = choose(made.scores[:, 1], made.ground_truth[:, 1], Aim.of(recall=0.8), name="kind 1")
    sections = sections_of(made, [point])
    (where,) = one(sections, Roc).points.values()
    assert where == pytest.approx(
        (point.false_positives / (point.false_positives + point.true_negatives), point.recall)
    )
    (where,) = one(sections, PrecisionRecall).points.values()
    assert where == pytest.approx((point.recall, point.precision))
    assert one(sections, Scores).threshold == point.threshold
    assert one(sections, Text).paragraphs == point.sentences()


def test_a_threshold_above_every_score_is_at_the_curves_beginning():
    made = metrics(20)
    point = choose(np.array([0.9999, 0.5]), np.array([True, False]), Aim.of(precision=1), name="kind 1")
    sections = sections_of(made, [point])
    assert set(one(sections, Roc).points.values()) <= {(0.0, 0.0)} or made.scores[:, 1].max() >= point.threshold
    assert render("page", sections)


def test_what_must_be_known_first_comes_first():
    made = evaluate([0, 0], np.array([[0.9, 0.1], [0.8, 0.2]]), ["no", "yes"], bootstrap=0)
    first = sections_of(made, warnings=["2 images taught this model"])[0]
    assert isinstance(first, Warnings) and first.warnings[0] == "2 images taught this model"
    assert first.warnings[1].startswith("no image shows yes")


# --- mistakes -------------------------------------------------------------------------------------
def test_mistakes_are_shown_with_scores_and_beside_them_what_spoke_for_the_answer():
    made = evaluate([0, 1], np.array([[0.2, 0.8], [0.4, 0.6]]), ["no", "yes"], image_names=["a.jpg", "b.jpg"])
    asked = []

    def saliency(mistake):  # type: ignore[no-untyped-def]
        asked.append((mistake.name, mistake.predicted))
        return np.ones((3, 4))

    gallery = misclassified(made, lambda place: IMAGE, saliency)
    (picture,) = gallery.pictures
    assert picture.caption == "a.jpg: is no, called yes (0.80)" and asked == [("a.jpg", "yes")]
    assert gallery.pairs and picture.pixels.shape[1] > 2 * 80
    alone = misclassified(made, lambda place: IMAGE).pictures[0]
    assert alone.pixels.shape[1] < picture.pixels.shape[1]


def test_only_the_most_convinced_mistakes_are_opened():
    made = metrics(40)
    opened = []
    gallery = misclassified(made, lambda place: opened.append(place) or IMAGE, most=3)
    assert len(gallery.pictures) == 3 == len(opened)
    assert gallery.note.startswith(f"3 of {len(made.mistakes())}, the most convinced first")


def test_no_bar_stands_on_both_sides_of_the_threshold():
    for threshold in (0.001, 0.31, 0.546, 0.999):
        edges = charts._edges(20, threshold)
        assert threshold in edges and len(edges) == 21 and (np.diff(edges) > 0).all()
        assert (edges[0], edges[-1]) == (0, 1)
    assert len(charts._edges(20, None)) == len(charts._edges(20, 1.0)) == 21
