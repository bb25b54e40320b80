"""Tracks of CVAT XML for video: which shape each frame shows, and which image is which frame.

A track's shape is visible from its frame on unless it says outside="1". CVAT writes every frame that it shows; files
with key frames only are filled as CVAT itself does it: numbers in between in proportion, the shorter way round of two
rotations, masks as at the key frame before. A track that ends without outside="1" ends at its last shape.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree.ElementTree import Element

from maskwright.errors import AnnotationError, DatasetError
from maskwright.formats.cvat_shapes import SHAPES, number_of, pairs, whole
from maskwright.formats.reading import Faults, ImageFinder, images_below, natural
from maskwright.issues import Kind

SHAPES_INTERPOLATED = Kind(
    "shapes_interpolated", "info", "{count} shape between key frames was interpolated",
    "{count} shapes between key frames were interpolated",
)  # fmt: skip
SHAPES_NOT_INTERPOLATED = Kind(
    "shapes_not_interpolated", "warning",
    "{count} shape between key frames cannot be interpolated (other points than before): left out",
    "{count} shapes between key frames cannot be interpolated (other points than before): left out",
)  # fmt: skip
TRACKS_OPEN = Kind(
    "tracks_open", "warning", "{count} track does not say where it ends: taken as ending at its last shape",
    "{count} tracks do not say where they end: taken as ending at their last shapes",
)  # fmt: skip
FRAMES_BY_ORDER = Kind(
    "frames_by_order", "warning",
    "the file names no images: the {count} images were taken as its frames in the order of their names",
)  # fmt: skip

_OWN_NAME = re.compile(r"frame_\d{6,9}", re.IGNORECASE)  # as CVAT calls the frames that it exports
_FRAME = re.compile(r"(?:frame)?[ _-]?(\d{1,9})", re.IGNORECASE)
_LINEAR = {"box": ("xtl", "ytl", "xbr", "ybr"), "ellipse": ("cx", "cy", "rx", "ry")}


@dataclass(frozen=True)
class Range:
    """The frames of a task; start and stop None where the file does not say."""

    start: int | None
    stop: int | None
    step: int
    count: int | None

    def holds(self, frame: int) -> bool:
        if self.start is None or self.stop is None:
            return False
        return self.start <= frame <= self.stop and (frame - self.start) % self.step == 0

    def is_all(self, frames: Collection[int]) -> bool:
        """These are the frames of the task: each of them, and no other."""
        if self.start is None or self.stop is None:
            return False
        return len(frames) == (self.stop - self.start) // self.step + 1 and all(map(self.holds, frames))

    @classmethod
    def of(cls, task: Element | None) -> Range:
        if task is None:
            return cls(None, None, 1, None)
        step = re.search(r"step\s*=\s*(\d{1,6})", task.findtext("frame_filter") or "")
        start, stop, size = (whole(task.findtext(name)) for name in ("start_frame", "stop_frame", "size"))
        return cls(start, stop, max(int(step[1]), 1) if step else 1, size)


@dataclass(frozen=True)
class Visible:
    """One shape on one frame; `track` is the element it belongs to."""

    frame: int
    shape: Element
    track: Element


@dataclass(frozen=True)
class Frames:
    """Which image is which frame. name: what to ask an ImageFinder for; numbers: frames whose images are there."""

    names: dict[int, str]
    numbers: tuple[int, ...]

    def name(self, frame: int) -> str:
        return self.names.get(frame, f"frame_{frame:06d}")


def find_frames(root: Path, range: Range, mentioned: set[int], faults: Faults) -> Frames:
    """Images called by the number of a frame ("frame_000012.png"); else, where there are as many images as frames and
    their order is beyond doubt, by that.

    Who writes frames without CVAT often counts from 1: other numbers count only where they are all of the task's.
    """
    images = images_below(root)
    numbered: dict[int, list[Path]] = {}
    for image in images:
        match = _FRAME.fullmatch(image.stem)
        if match:
            numbered.setdefault(int(match[1]), []).append(image)
    wanted = {frame for frame in numbered if frame in mentioned or range.holds(frame)}
    own = all(_OWN_NAME.fullmatch(image.stem) for frame in wanted for image in numbered[frame])
    shifted = range.stop is not None and range.start not in numbered and any(frame > range.stop for frame in numbered)
    if wanted and not range.is_all(numbered) and (shifted or not own):
        raise _unclear(root, range, sorted(numbered))
    if wanted or not images:
        return Frames({frame: _name(numbered[frame], root) for frame in wanted}, tuple(sorted(wanted)))
    ways = [image.relative_to(root).as_posix() for image in images]
    sure = ways == sorted(ways) == sorted(ways, key=natural)
    if range.start is not None and range.count == len(ways) and sure and len({image.parent for image in images}) == 1:
        faults.report(FRAMES_BY_ORDER(images=images, count=len(images)))
        names = {range.start + number * range.step: way for number, way in enumerate(ways)}
        return Frames(names, tuple(names))
    return Frames({}, ())


def _unclear(root: Path, range: Range, numbers: Sequence[int]) -> DatasetError:
    first, last = range.start or 0, "..." if range.stop is None else f"frame_{range.stop:06d}"
    return DatasetError(
        "it is not certain which image is which frame", file=root, expected=f"images frame_{first:06d} to {last}",
        got=f"images with the numbers {numbers[0]} to {numbers[-1]}",
        fix=f"call the image of the first frame frame_{first:06d} and so on, as CVAT does with Save images "
        "(do they count from 1?)",
    )  # fmt: skip


def _name(several: Sequence[Path], root: Path) -> str:
    """The way to the only image of that number; of several the bare name, which the finder will call unclear."""
    return several[0].relative_to(root).as_posix() if len(several) == 1 else several[0].name


def none_there(path: Path, finder: ImageFinder, frames: Sequence[str]) -> DatasetError | None:
    """What to tell where a video's annotations lie without a single one of its frames."""
    if any(finder.find(name) or finder.several(name) for name in frames):
        return None
    return DatasetError(
        "none of the video's frames is there as an image", file=path,
        expected="images/frame_000000.png and so on, called by the numbers in the file", got="none",
        fix="export it again with Save images, or write them: "
        "ffmpeg -i VIDEO -start_number 0 images/frame_%06d.png",
    )  # fmt: skip


def visible(tracks: Sequence[Element], range: Range, present: Sequence[int], faults: Faults) -> Iterator[Visible]:
    """All shapes of all tracks, those between key frames where the image of the frame is there."""
    for track in tracks:
        shapes = _shapes(track, faults)
        for (frame, shape), (after, following) in pairwise(shapes):
            if shape.get("outside") == "1":
                continue
            yield Visible(frame, shape, track)
            between = present[bisect_right(present, frame) : bisect_left(present, after)]
            for number in between:
                if (number - frame) % range.step:
                    continue
                found = _between(shape, following, (number - frame) / (after - frame))
                faults.count(SHAPES_NOT_INTERPOLATED if found is None else SHAPES_INTERPOLATED)
                if found is not None:
                    yield Visible(number, found, track)
        if shapes and shapes[-1][1].get("outside") != "1":
            frame, shape = shapes[-1]
            yield Visible(frame, shape, track)
            if range.stop is not None and frame + range.step <= range.stop:
                faults.count(TRACKS_OPEN)


def mentioned(tracks: Sequence[Element]) -> set[int]:
    """The frames on which a track has a shape."""
    numbers = (whole(shape.get("frame")) for track in tracks for shape in track)
    return {number for number in numbers if number is not None}


def _shapes(track: Element, faults: Faults) -> list[tuple[int, Element]]:
    """The shapes of one track by frame, each frame once."""
    record = f'track "{track.get("id", "?")}"'
    found: dict[int, Element] = {}
    for shape in track:
        if shape.tag not in SHAPES:
            continue
        frame = whole(shape.get("frame"))
        if frame is None or frame in found:
            faults.saw()
            got = shape.get("frame") if frame is None else f"frame {frame} twice"
            faults.add(record, "frame", "a whole number, once in a track", got, "export the task again")
            continue
        found[frame] = shape
    return sorted(found.items(), key=lambda item: item[0])


def _between(first: Element, second: Element, fraction: float) -> Element | None:
    """The shape at a fraction of the way from one key frame to the next; None where there is none."""
    shape = Element(first.tag, dict(first.attrib))
    shape.extend(first)
    if second.get("outside") == "1" or first.tag == "mask":
        return shape  # it stays as it is until it is gone
    if first.tag != second.tag:
        return None
    if first.tag in _LINEAR:
        for name in _LINEAR[first.tag]:
            start, end = number_of(first, name), number_of(second, name)
            if start is None or end is None:
                return None
            shape.set(name, repr(start + (end - start) * fraction))
        start, end = number_of(first, "rotation", "0") or 0.0, number_of(second, "rotation", "0") or 0.0
        shape.set("rotation", repr(start + ((end - start + 180) % 360 - 180) * fraction))
        return shape
    start, end = pairs(first.get("points", "")), pairs(second.get("points", ""))
    if start is None or end is None or len(start) != len(end):
        return None
    middle = ([a + (b - a) * fraction for a, b in zip(one, other, strict=True)]
              for one, other in zip(start, end, strict=True))  # fmt: skip
    shape.set("points", ";".join(f"{x!r},{y!r}" for x, y in middle))
    return shape


def one_task(path: Path, meta: Element | None) -> Element | None:
    """The element that tells of the task; AnnotationError where tracks belong to several, whose frames are mixed up."""
    if meta is None:
        return None
    tasks = meta.findall("project/tasks/task")
    if len(tasks) > 1:
        raise AnnotationError(
            "tracks of several videos in one file", file=path, record="meta/project/tasks", expected="one task",
            got=f"{len(tasks)}", fix="export each task by itself in CVAT",
        )  # fmt: skip
    return next(iter(tasks), next((item for name in ("task", "job") if (item := meta.find(name)) is not None), None))
