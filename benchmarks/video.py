"""How fast a video is processed: stages at the same time, against one after the other, against frames as files.

    python benchmarks/video.py ../shared/data/videos/traffic.mp4 --seconds 60 --json
    python benchmarks/video.py ../shared/data/videos/traffic.mp4 --seconds 60 --memory 600

The video is repeated to the length asked for, sound included, without encoding it again. Set OMP_NUM_THREADS=1 for a
network on one thread. `bound` is what two cores allow: the slowest stage, or half of all processor seconds.
--memory runs the video and one of that many seconds in processes of their own, and compares their peaks.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image as PilImage

from maskwright.api.predict import class_indices_of
from maskwright.api.video import predict_video
from maskwright.api.video_frames import FrameStages, outlined
from maskwright.prediction.detector import Detector
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.video.read import Frame, Video
from maskwright.video.write import Writer, finish

CORES = 2


def repeated(source: Path, file: Path, seconds: float) -> Path:
    """The packets of a video again and again, up to so many seconds."""
    with av.open(str(file), "w") as written:
        streams: dict[str, Any] = {}
        shift = Fraction(0)
        while shift < seconds:
            with av.open(str(source)) as read:
                chosen = [read.streams.video[0], *read.streams.audio[:1]]
                end = Fraction(0)
                if not streams:
                    streams = {item.type: written.add_stream_from_template(item, opaque=True) for item in chosen}
                for packet in read.demux(chosen):
                    if packet.dts is None or shift + packet.pts * packet.time_base >= seconds:
                        continue
                    kind, base = packet.stream.type, packet.time_base
                    if kind == "video":
                        end = max(end, (packet.pts + packet.duration) * base)
                    packet.pts += round(shift / base)
                    packet.dts += round(shift / base)
                    packet.stream = streams[kind]
                    written.mux(packet)
            shift += end
    return file


def facts(file: Path) -> dict[str, Any]:
    """What must be the same in the new video."""
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        frames = [float(frame.pts * stream.time_base) for frame in container.decode(stream)]
        duration = float(stream.duration * stream.time_base)
    with av.open(str(file)) as container:
        sound = container.streams.audio[:1]
        heard = [bytes(packet) for packet in container.demux(sound) if packet.dts is not None] if sound else []
    return {"times": np.round(np.array(frames) - frames[0], 4).tolist(), "duration": round(duration, 3), "sound": heard}


# --- three ways -------------------------------------------------------------------------------------------------------
def one_after_the_other(detector: Detector, source: Path, file: Path) -> dict[str, float]:
    """Processor seconds of each stage, in one thread."""
    spent: Counter[str] = Counter()

    def timed(name: str, items: Iterable[Any]) -> Iterator[Any]:
        iterator = iter(items)
        while True:
            start = time.process_time()
            item = next(iterator, None)
            spent[name] += time.process_time() - start
            if item is None:
                return
            yield item

    with Video(source) as video:
        stages = FrameStages(detector, class_indices_of(detector, None), video, True, None)
        frames = timed("decode", stages.prepare(video))  # resizing included, in one thread with it
        detected = timed("network", stages.detect(frames))
        writer = None
        for done in timed("draw", stages.draw(detected)):
            start = time.process_time()
            writer = writer or Writer(file, video, done.picture.shape[:2])
            writer.add(done.picture, done.frame)
            spent["encode"] += time.process_time() - start
        start = time.process_time()
        assert writer is not None
        writer.close()
        finish(file, file.with_suffix(".2.mp4"), video, writer.last)
        spent["encode"] += time.process_time() - start
    # what an outer stage took includes the stages that it reads from
    return {
        "decode": spent["decode"],
        "network": spent["network"] - spent["decode"],
        "draw": spent["draw"] - spent["network"],
        "encode": spent["encode"],
    }


def by_files(detector: Detector, source: Path, folder: Path) -> None:
    """The way of the video tutorial: frames to files, three at a time through the network, files to a video."""
    (folder / "frames").mkdir(parents=True)
    (folder / "drawn").mkdir()
    with Video(source) as video:
        count = 0
        for count, frame in enumerate(video, 1):
            PilImage.fromarray(frame.pixels).save(folder / "frames" / f"{count:06d}.jpg")
        names = sorted((folder / "frames").iterdir())
        for first in range(0, count, 3):
            images = [detector.open(name) for name in names[first : first + 3]]
            for name, (image, detections) in zip(names[first:], detector.batches(images, batch=3), strict=False):
                PilImage.fromarray(outlined(image.pixels, detections)).save(folder / "drawn" / name.name)
        writer = None
        for number, name in enumerate(sorted((folder / "drawn").iterdir())):
            pixels = np.asarray(PilImage.open(name))
            writer = writer or Writer(folder / "files.part.mp4", video, pixels.shape[:2])
            pts = round(number / video.rate / video.time_base)
            writer.add(pixels, Frame(pixels, pts, 0, 0.0, 0.0))
        assert writer is not None
        writer.close()
        finish(folder / "files.part.mp4", folder / "files.mp4", video, None)


def measured(work: Callable[[], object]) -> dict[str, float]:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return {
        "wall_seconds": round(time.perf_counter() - wall, 2),
        "processor_seconds": round(time.process_time() - processor, 2),
    }


def peak(arguments: argparse.Namespace, seconds: float) -> float:
    """Megabytes of a process of its own."""
    call = [sys.executable, __file__, str(arguments.source), "--seconds", str(seconds), "--only-peak",
            "--size", str(arguments.size), "--model", arguments.model]  # fmt: skip
    return float(subprocess.run(call, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--model", default="balloons")
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--memory", type=float, metavar="SECONDS")
    parser.add_argument("--only-peak", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    detector = load(arguments.model, InferenceOptions(size=arguments.size))
    assert isinstance(detector, Detector)
    told: dict[str, Any] = {"seconds": arguments.seconds, "size": arguments.size}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = repeated(arguments.source, folder / "source.mp4", arguments.seconds)
        if arguments.only_peak:
            predict_video(detector, source, out=folder / "new.mp4", track=True, log=lambda issue: None)
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            return
        if arguments.memory is not None:
            short, long = peak(arguments, arguments.seconds), peak(arguments, arguments.memory)
            told |= {"peak_mb": round(short), "long_seconds": arguments.memory, "long_peak_mb": round(long),
                     "ratio": round(long / short, 3)}  # fmt: skip
        else:
            stages = one_after_the_other(detector, source, folder / "serial.mp4")
            told["stages"] = {name: round(seconds, 2) for name, seconds in stages.items()}
            new = folder / "new.mp4"
            told["overlapped"] = measured(
                lambda: predict_video(detector, source, out=new, track=True, log=lambda issue: None)
            )
            told["by_files"] = measured(lambda: by_files(detector, source, folder / "files"))
            bound = max(*stages.values(), sum(stages.values()) / CORES)
            told["bound"] = round(bound, 2)
            told["wall_to_bound"] = round(told["overlapped"]["wall_seconds"] / bound, 3)
            told["by_files_to_overlapped"] = round(
                told["by_files"]["wall_seconds"] / told["overlapped"]["wall_seconds"], 2
            )
            before, after = facts(source), facts(new)
            told |= {"frames": len(after["times"]), "same": {name: before[name] == after[name] for name in before}}
    if arguments.json:
        print(json.dumps(told, indent=1))
        return
    for name, value in told.items():
        print(f"{name:24}{value}")


if __name__ == "__main__":
    main()
