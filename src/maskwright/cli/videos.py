"""Videos named where images are: looked at frame by frame, one new video each."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskwright.cli.console import Console
from maskwright.errors import MaskwrightError, OutputError, RecipeError
from maskwright.video.read import is_video

if TYPE_CHECKING:
    from maskwright.prediction.options import InferenceOptions


def videos_among(sources: Sequence[str], unfit: Sequence[str] = ()) -> list[str]:
    """The sources if they are videos, patterns spelled out; [] if they are images. Videos and images together are
    refused, and options that videos do not have.

    unfit  options that were given and that no video has
    """
    videos = [source for source in sources if is_video(source)]
    if not videos:
        return []
    if len(videos) < len(sources):
        image = next(source for source in sources if not is_video(source))
        raise RecipeError(
            "videos and images are looked at one after the other",
            field="SOURCES",
            expected="videos alone, or images alone",
            got=f"{videos[0]} beside {image}",
            fix="two calls",
        )
    if unfit:
        raise OutputError(
            "of a video there is a new video, and a line a frame",
            field=unfit[0],
            expected="--save-jsonl, or nothing",
            got=", ".join(unfit),
        )
    return [item for video in videos for item in ([] if Path(video).exists() else sorted(glob.glob(video))) or [video]]  # noqa: PTH207 (as for images)


def look_at(
    model: str, videos: Sequence[str], out: Path, console: Console, inference: InferenceOptions, **settings: Any
) -> int:
    """One after the other; a video that cannot be read is named, and the others go on.

    settings  of `predict_video`
    """
    from maskwright.api.video import predict_video, targets
    from maskwright.prediction.predictor import load

    files = targets(videos, out)
    find = load(model, inference, progress=console.progress)
    done, failed = [], []
    for video, file in zip(videos, files, strict=True):
        try:
            done.append(predict_video(find, video, out=file, progress=console.progress, say=console.say, **settings))
        except MaskwrightError as error:
            if len(videos) == 1:
                raise
            failed.append(error)

    def tell() -> None:
        for item in done:
            most = ", ".join(f"{count} {name}" for name, count in item.most.items()) or "nothing found"
            console.show(
                f"{item.video}: {item.frames} frames, {item.seconds:.1f} seconds; on one frame at most: {most}"
            )
            console.say(f"video in {item.file}" + (f", a line a frame in {item.lines}" if item.lines else ""))

    told = {"videos": [item.facts() for item in done], "failed": [error.facts() for error in failed]}
    console.result(told, tell)
    for error in failed:
        console.say(error)
    return 1 if failed else 0
