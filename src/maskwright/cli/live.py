"""A camera or a stream named where images are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskwright.cli.console import Console
from maskwright.errors import RecipeError
from maskwright.prediction.options import InferenceOptions
from maskwright.text import listed

if TYPE_CHECKING:
    from maskwright.video.live import LiveSource

OF_FILES = ("resume", "two_pass", "frames", "from", "fps", "slow", "every")  # options of videos that a stream has not


def live_among(sources: Sequence[str], chosen: dict[str, Any], unfit: Sequence[str]) -> LiveSource | None:
    """The camera or stream that is meant; None where there is none. RecipeError for several, and for options that it
    does not have."""
    from maskwright.video.live import answering_source, live_source

    found = (live_source(source) or answering_source(source) for source in sources)
    live = next((source for source in found if source is not None), None)
    if live is None:
        if chosen["show"]:
            raise RecipeError("only what is live can be shown", field="--show", expected="a camera or a stream",
                              got=sources[0])  # fmt: skip
        return None
    refused = [*unfit, *(f"--{name.replace('_', '-')}" for name in OF_FILES if chosen[name])]
    if len(sources) > 1 or refused:
        raise RecipeError("one camera or stream at a time, as it comes", field=refused[0] if refused else "SOURCES",
                          expected="--show, --to, --track, --save-jsonl, --save-tracks, --count-line, --zone",
                          got=", ".join(refused or sources))  # fmt: skip
    return live


def predict_live_and_show(
    model: str, source: LiveSource, chosen: dict[str, Any], console: Console, *, out: Path, options: InferenceOptions
) -> int:
    """Until Ctrl-C; what came of it."""
    from maskwright.api.live import LiveSettings, predict_live

    counting = chosen["count_line"] + chosen["zone"]
    settings = LiveSettings(
        seconds=chosen["to"], show=chosen["show"], lines=chosen["save_jsonl"], pictures=not chosen["no_pictures"],
        track=bool(chosen["track"] or chosen["save_tracks"] or counting), save_tracks=chosen["save_tracks"],
        counting=counting, classes=chosen["classes"],
    )  # fmt: skip
    result = predict_live(model, source, out=out, settings=settings, options=options, log=console.log)
    most = listed(result.most, "nothing found")
    text = f"{result.video}: {result.frames} frames, {result.seconds:.1f} seconds; on one frame at most: {most}"
    console.result(result.to_dict(), text if result.file is None else f"{text}\nvideo in {result.file}")
    return 0
