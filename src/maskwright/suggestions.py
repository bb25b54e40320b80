"""Suggestions for unknown names: typing errors, and the option names of other tools."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

SYNONYMS = {  # option of another tool -> options here; the first that the command has is suggested
    "conf": ("threshold",),
    "conf-thres": ("threshold",),
    "conf-threshold": ("threshold",),
    "confidence": ("threshold",),
    "min-score": ("threshold",),
    "score": ("threshold",),
    "score-thr": ("threshold",),
    "score-threshold": ("threshold",),
    "imgsz": ("size",),
    "img-size": ("size",),
    "image-size": ("size",),
    "input-size": ("size",),
    "resolution": ("size",),
    "batch-size": ("batch",),
    "learning-rate": ("lr",),
    "lr0": ("lr",),
    "rate": ("lr",),
    "n-epochs": ("epochs",),
    "num-epochs": ("epochs",),
    "pretrained": ("weights",),
    "checkpoint": ("weights", "resume"),
    "config": ("recipe",),
    "cfg": ("recipe",),
    "output": ("out",),
    "output-dir": ("out",),
    "project": ("out",),
    "save-dir": ("out",),
    "dest": ("out",),
    "gpu": ("device",),
    "cuda": ("device",),
    "half": ("precision",),
    "amp": ("precision",),
    "labels": ("names", "classes"),
    "label": ("class", "classes"),
    "val-split": ("val",),
    "test-size": ("val",),
    "n-splits": ("k",),
    "num-folds": ("k",),
    "random-state": ("seed",),
    "verbose": ("debug",),
}


MAX_LENGTH = 100  # longer names get no suggestion
MIN_SIMILARITY = 0.75  # of difflib: from which a name with letters left out gets one (balon: balloons)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant: within a few typing errors, or one that begins with `name`; else None.

    Never `name` itself.

    >>> nearest("mask_rcnn_r5O", ["mask_rcnn_r50"]), nearest("thresh", ["threshold"]), nearest("model", ["move"])
    ('mask_rcnn_r50', 'threshold', None)
    """
    given = _normalized(name)
    if len(given) > MAX_LENGTH:  # the edit distance takes quadratic time
        return None
    ranked = []
    for item in known:
        other = _normalized(item)
        distance = _edit_distance(given, other)
        is_prefix = len(given) >= 3 and other.startswith(given)
        similarity = difflib.SequenceMatcher(None, given, other).ratio()
        is_shortened = len(given) >= 4 and similarity >= MIN_SIMILARITY and _is_subsequence(given, other)
        is_close = distance <= max(len(given) // 4, 1) < max(len(given), len(other))
        if item != name and (is_prefix or is_shortened or is_close):
            ranked.append((min(distance, 2) if is_prefix else distance, -similarity, item))
    return min(ranked)[2] if ranked else None


def _is_subsequence(letters: str, word: str) -> bool:
    """The letters are what remains of the word when some of its letters are left out."""
    rest = iter(word)
    return all(letter in rest for letter in letters)


def _normalized(name: str) -> str:
    return name.casefold().replace("_", "-").replace(" ", "-").strip("-")


def _edit_distance(first: str, second: str) -> int:
    """Insertions, deletions, substitutions and transpositions of adjacent letters (Damerau-Levenshtein distance)."""
    before_last, last = [], list(range(len(second) + 1))
    for row, letter in enumerate(first, 1):
        current = [row]
        for column, other in enumerate(second, 1):
            cost = min(last[column] + 1, current[-1] + 1, last[column - 1] + (letter != other))
            if row > 1 and column > 1 and (letter, first[row - 2]) == (second[column - 2], other):
                cost = min(cost, before_last[column - 2] + 1)
            current.append(cost)
        before_last, last = last, current
    return last[-1]


def option_meant(name: str, options: Iterable[str]) -> str | None:
    """The option that `name` probably means, all without leading dashes; None if there is none.

    >>> option_meant("conf", ["json", "threshold"]), option_meant("epoch", ["epochs"]), option_meant("model", ["move"])
    ('threshold', 'epochs', None)
    """
    options = list(options)
    key = name.lstrip("-").replace("_", "-").casefold()
    for option in SYNONYMS.get(key, ()):
        if option in options:
            return option
    return nearest(key, options)
