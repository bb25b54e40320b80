"""What a run computes, as text: a run that was broken off is gone on with only where it is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from maskwright.errors import RecipeError
from maskwright.prediction.predictor import Predictor
from maskwright.weights.content_hash import content_hash

Job = dict[str, str]


def model_job(predictor: Predictor[Any], **settings: Any) -> Job:
    """{name: text} of the model, by the contents of its files, and of how it is used; and these settings.

    A model that was not loaded from files (a network in training) is known by its card.
    """
    if predictor.path is None:
        known = hashlib.sha256(msgspec.json.encode(predictor.card)).hexdigest()
    else:
        known = content_hash(predictor.path)
    limits = getattr(predictor, "limits", None) or dict.fromkeys(predictor.card.classes, predictor.threshold)
    engine = f"{type(predictor.engine).__name__} {getattr(predictor.engine, 'precision', '')}".strip()
    return {
        "model": f"{predictor.card.model} {known[:16]}",
        "engine": engine,
        "size": str(predictor.size),
        "tile": str(getattr(predictor, "tile", 0)),
        "thresholds": ", ".join(f"{name} {limit:g}" for name, limit in limits.items()),
        **{name: str(value) for name, value in settings.items()},
    }


def check_same(begun: Mapping[str, str], now: Mapping[str, str], file: Path) -> None:
    """RecipeError where something else would be made than what was begun."""
    for name in now:
        if begun.get(name) != now[name]:
            raise RecipeError(
                "this is not the run that was begun",
                file=file,
                field=name,
                expected=begun.get(name, "nothing"),
                got=now[name],
                fix="call it as before, or begin anew: leave --resume out",
            )
