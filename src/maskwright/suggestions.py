"""What was probably meant by a name nobody knows: a slip of the keyboard, or another tool's word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

ELSEWHERE = {  # what other tools call it -> what it is called here, the first that the command has
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


LONGEST = 100  # letters; no name of ours comes near


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant: a slip of the keyboard away, or its beginning; None where no name is.

    Never the very name that was given, and rather none than a far-fetched one.

    >>> nearest("mask_rcnn_r5O", ["mask_rcnn_r50"]), nearest("thresh", ["threshold"]), nearest("model", ["move"])
    ('mask_rcnn_r50', 'threshold', None)
    """
    asked = _spelled(name)
    if len(asked) > LONGEST:  # nobody's slip, and counting slips takes time by the square of the length
        return None
    ranked = []
    for item in known:
        other = _spelled(item)
        slips = _slips(asked, other)
        begun = len(asked) >= 3 and other.startswith(asked)
        if item != name and (begun or slips <= max(len(asked) // 4, 1) < max(len(asked), len(other))):
            alike = difflib.SequenceMatcher(None, asked, other).ratio()
            ranked.append((min(slips, 2) if begun else slips, -alike, item))
    return min(ranked)[2] if ranked else None


def _spelled(name: str) -> str:
    return name.casefold().replace("_", "-").replace(" ", "-").strip("-")


def _slips(one: str, other: str) -> int:
    """Letters left out, put in, changed, or exchanged with their neighbor (Damerau and Levenshtein)."""
    before, last = [], list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        this = [row]
        for column, detections in enumerate(other, 1):
            cost = min(last[column] + 1, this[-1] + 1, last[column - 1] + (letter != detections))
            if row > 1 and column > 1 and (letter, one[row - 2]) == (other[column - 2], detections):
                cost = min(cost, before[column - 2] + 1)
            this.append(cost)
        before, last = last, this
    return last[-1]


def option_meant(name: str, options: Iterable[str]) -> str | None:
    """The option (all without dashes in front) that `name` probably stands for; None where none is likely.

    >>> option_meant("conf", ["json", "threshold"]), option_meant("epoch", ["epochs"]), option_meant("model", ["move"])
    ('threshold', 'epochs', None)
    """
    options = list(options)
    key = name.lstrip("-").replace("_", "-").casefold()
    for ours in ELSEWHERE.get(key, ()):
        if ours in options:
            return ours
    return nearest(key, options)
