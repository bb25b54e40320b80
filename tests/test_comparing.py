"""Two models on the same images: McNemar's test of classifiers, paired AP of detectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import DatasetError
from maskwright.evaluation import detection
from maskwright.evaluation.classification import evaluate
from maskwright.evaluation.comparing import compare, compare_detectors, mcnemar
from maskwright.types import Instances


def answers(both: int, first: int, second: int, neither: int = 0) -> tuple[list[bool], list[bool]]:
    return (
        [True] * both + [True] * first + [False] * second + [False] * neither,
        [True] * both + [False] * first + [True] * second + [False] * neither,
    )


def test_no_images_show_no_difference():
    made = mcnemar([], [])
    assert (made.images, made.p, made.mid_p, made.significant) == (0, 1.0, 1.0, False)


def test_models_that_agree_everywhere_show_no_difference():
    made = mcnemar(*answers(5, 0, 0, 2), names=("a", "b"))
    assert made.sentence() == "a and b are correct on the same of the 7 images: no difference."


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 5))
def test_the_exact_p_is_the_binomial_tests(first, second, both):
    stats = pytest.importorskip("scipy.stats")
    made = mcnemar(*answers(both, first, second))
    theirs = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert made.p == pytest.approx(theirs, abs=1e-9)
    assert made.mid_p <= made.p + 1e-12


def test_fagerlands_example():
    """Fagerland, Lydersen and Laake 2013, airway responsiveness: 1 against 7 of 21, exact 0.070, mid-p 0.039."""
    made = mcnemar(*answers(1, 1, 7, 12))
    assert (round(made.p, 3), round(made.mid_p, 3), made.significant) == (0.070, 0.039, True)


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_order_of_the_two_does_not_matter(first, second):
    one, other = mcnemar(*answers(3, first, second)), mcnemar(*answers(3, second, first))
    assert (one.p, one.mid_p) == (other.p, other.mid_p)


def test_the_sentence_says_which_is_better_or_that_nobody_knows():
    made = mcnemar(*answers(40, 2, 14, 4), names=("small", "vgg16"))
    assert made.sentence() == (
        "Of 60 images 2 are correct only with small, 14 only with vgg16 (p = 0.0042 exact, 0.0023 mid-p): "
        "vgg16 is better."
    )
    assert "do not show which is better" in mcnemar(*answers(40, 3, 5)).sentence()
    assert "p = below 0.001" in mcnemar(*answers(0, 0, 40)).sentence()


def test_two_evaluations_are_compared_image_by_image():
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    one, other = (evaluate([0, 1, 1], item, ["no", "yes"], bootstrap=0) for item in (scores, 1 - scores))
    made = compare(one, other)
    assert (made.only_first, made.only_second) == (2, 1)
    with pytest.raises(DatasetError, match="only on the same images and classes"):
        compare(one, evaluate([0, 1, 0], scores, ["no", "yes"], bootstrap=0))


def test_different_numbers_of_images_are_refused():
    with pytest.raises(DatasetError, match="only on the same images"):
        mcnemar([True], [True, False])


# --- detectors ------------------------------------------------------------------------------------
def boxes(count: int, shift: int, scores: bool) -> list[Instances]:
    """One box of 40 x 40 px in each image, moved to the right; in every third image it is not moved."""
    moved = [0 if image % 3 == 0 else shift for image in range(count)]
    return [
        Instances(np.array([[at, 0, at + 40, 40]]), np.array([0]), np.array([0.9]) if scores else None, None, ("cat",))
        for at in moved
    ]


def metrics(count: int, shift: int) -> detection.DetectionMetrics:
    return detection.evaluate(boxes(count, 0, False), boxes(count, shift, True), [(60, 80)] * count)


def test_a_detector_with_looser_boxes_is_worse_on_the_same_images():
    made = compare_detectors(metrics(30, 8), metrics(30, 0), ("loose", "exact"))
    assert made.kind == "box" and made.AP is not None and made.AP.significant and made.AP.low > 0
    assert made.sentence().endswith("AP50 +0.000 (+0.000 to +0.000): exact is better.")
    assert compare_detectors(metrics(30, 0), metrics(30, 8), ("exact", "loose")).sentence().endswith("exact is better.")
    assert made.facts()["AP"]["low"] == made.AP.low and made.facts()["names"] == ["loose", "exact"]


def test_a_detector_is_not_better_than_itself():
    assert "do not show which is better" in compare_detectors(metrics(30, 8), metrics(30, 8)).sentence()


def test_one_image_says_nothing_about_two_detectors():
    made = compare_detectors(metrics(1, 0), metrics(1, 8))
    assert made.AP is None and "too few images" in made.sentence() and made.facts()["AP"] is None
