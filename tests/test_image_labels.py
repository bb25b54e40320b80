"""What is said of a whole image."""

from __future__ import annotations

import numpy as np

from maskwright.interop import predictions_to_csv
from maskwright.types import ImageLabels

NAMES = ("norust", "rust")


def test_the_best_score_is_the_image_labels() -> None:
    said = ImageLabels.of(np.array([0.03, 0.97]), NAMES)
    assert (said.labels, str(said), repr(said)) == (("rust",), "rust 0.97", "ImageLabels(rust 0.97)")


def test_the_first_of_equals_is_taken() -> None:
    assert ImageLabels.of(np.array([0.5, 0.5]), NAMES).labels == ("norust",)


def test_with_several_labels_none_is_ordinary() -> None:
    said = ImageLabels.of(np.array([0.1, 0.2]), NAMES, multi_label=True)
    assert (said.labels, str(said)) == ((), "none")


def test_with_several_labels_the_best_comes_first() -> None:
    said = ImageLabels.of(np.array([0.6, 0.9]), NAMES, multi_label=True)
    assert str(said) == "rust 0.90, norust 0.60"
    assert ImageLabels.of(np.array([0.6, 0.9]), NAMES, multi_label=True, threshold=0.7).labels == ("rust",)


def test_as_csv_one_line_an_image() -> None:
    said = [
        ImageLabels.of(np.array([0.25, 0.75]), NAMES),
        ImageLabels.of(np.array([0.6, 0.9]), NAMES, multi_label=True),
    ]
    assert predictions_to_csv(said, ["a.jpg", "=b.jpg"]).splitlines() == [
        "image,label,score_norust,score_rust",
        "a.jpg,rust,0.25000,0.75000",
        "'=b.jpg,rust|norust,0.60000,0.90000",
    ]
    assert predictions_to_csv([], []) == "image,label\n"
