"""Videos named where images are: processed frame by frame, one new video each."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maskwright.cli.console import Console
from maskwright.errors import OutputError, RecipeError
from maskwright.text import listed
from maskwright.video.read import is_video


def videos_among(sources: Sequence[str], unfit: Sequence[str] = (), frames: bool = False) -> list[str]:
    """The sources if they are videos, patterns spelled out; [] if they are images. Videos and images together are
    refused, and options that videos do not have.

    unfit   options that were given and that no video has
    frames  a folder is the frames of a video
    """
    videos = [source for source in sources if is_video(source) or (frames and Path(source).is_dir())]
    if not videos:
        return []
    if len(videos) < len(sources):
        image = next(source for source in sources if source not in videos)
        raise RecipeError(
            "videos and images are processed one after the other",
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


def predict_and_show(model: str, videos: Sequence[str], console: Console, **settings: Any) -> int:
    """A new video for each, with the settings of `predict_videos`; the exit code says whether one could not be read."""
    from maskwright.api.video import predict_videos

    results = predict_videos(model, videos, progress=console.progress, log=console.log, **settings)

    def show() -> None:
        for video in results.videos:
            most = listed(video.most, "nothing found")
            tracks = "" if video.tracks is None else f"; tracks: {listed(video.tracks, 'none')}"
            length = f"{video.frames} frames, {video.seconds:.1f} seconds"
            console.show(f"{video.video}: {length}; on one frame at most: {most}{tracks}")

    console.result(results.to_dict(), show)
    return 1 if results.failed else 0
