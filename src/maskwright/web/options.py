"""The query of a prediction request: ?model=NAME&threshold=0.5&classes=A,B&format=json."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import QueryParams

from maskwright.errors import RecipeError, UnknownName

FORMATS = ("json", "coco", "picture", "splash")


@dataclass(frozen=True)
class PredictOptions:
    """
    model      one of the served ones; None: the first
    threshold  0..1; None: the model's
    classes    only these; () means all
    format     one of FORMATS
    track      of videos: follow objects
    """

    model: str | None = None
    threshold: float | None = None
    classes: tuple[str, ...] = ()
    format: str = "json"
    track: bool = False

    @classmethod
    def of(
        cls, query: QueryParams, known: tuple[str, ...] = ("model", "threshold", "classes", "format")
    ) -> PredictOptions:
        """RecipeError or UnknownName where something is not understood: no option is passed over in silence."""
        for name in query:
            if name not in known:
                raise UnknownName("parameter", name, known)
        format = query.get("format", "json")
        if format not in FORMATS:
            raise UnknownName("format", format, FORMATS)
        classes = tuple(name.strip() for name in query.get("classes", "").split(",") if name.strip())
        track = query.get("track", "false").lower() in ("true", "1", "yes")
        return cls(query.get("model"), _fraction(query.get("threshold")), classes, format, track)


def _fraction(text: str | None) -> float | None:
    try:
        value = None if text is None else float(text)
        if value is None or 0 <= value <= 1:
            return value
    except ValueError:
        pass
    raise RecipeError("not a score threshold", field="threshold", expected="a number 0..1", got=str(text)[:40])
