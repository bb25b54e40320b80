"""Videos as jobs: uploaded, predicted one after the other in a thread, fetched, deleted.

A job lies in a temporary folder of the server's, under a random name; the client's file name is never used as a path.
"""

from __future__ import annotations

import contextlib
import queue
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskwright.api.video import predict_video
from maskwright.errors import MaskwrightError
from maskwright.issues import Issues, Kind, Log
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Item
from maskwright.web.refusal import Refusal

JOB_FAILED = Kind("job_failed", "error", "a video could not be predicted: {reason}")


class _Cancelled(Exception):
    """The job was deleted, or the server shuts down."""


@dataclass(eq=False)
class Job:
    """
    state    queued, running, done or failed
    frames   predicted so far, of `expected` (None: unknown)
    """

    id: str
    folder: Path
    model: str
    predictor: Predictor
    track: bool
    state: str = "queued"
    frames: int = 0
    expected: int | None = None
    began: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)
    error: dict[str, str] | None = None
    cancelled: bool = False

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def video(self) -> Path:
        return self.folder / "video.mp4"

    @property
    def lines(self) -> Path:
        return self.folder / "video.jsonl"

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"id": self.id, "state": self.state, "model": self.model,
                                 "frames": self.frames, "expected": self.expected}  # fmt: skip
        if self.state == "running" and self.frames and self.expected:
            spent = time.monotonic() - self.began
            facts["seconds_left"] = round(spent / self.frames * max(self.expected - self.frames, 0), 1)
        if self.state == "done":
            facts |= self.result | {"video": f"/videos/{self.id}/video", "lines": f"/videos/{self.id}/lines"}
        return facts if self.error is None else facts | self.error

    def progress(
        self, items: Iterable[Item], *, total: int | None = None, label: str = "", unit: str = "",
        limit: float | None = None,
    ) -> Iterator[Item]:  # fmt: skip
        """The `progress` of `predict_video`: counts frames, and stops a job that was deleted."""
        if unit == "frames":
            self.expected = total
        for item in items:
            if self.cancelled:
                raise _Cancelled
            yield item
            self.frames += unit == "frames"


class Jobs:
    """
    most  jobs that wait or run; results stay until they are deleted or the server ends, at most four times as many
    """

    def __init__(self, most: int, log: Log) -> None:
        self.most, self.log = most, log
        self._folder = Path(tempfile.mkdtemp(prefix="maskwright-videos-"))
        self._jobs: dict[str, Job] = {}
        self._waiting: queue.Queue[Job | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="videos", daemon=True)
        self._thread.start()

    def new(self, model: str, predictor: Predictor, track: bool) -> Job:
        """A job whose source is still to be written; Refusal where too many wait."""
        if sum(job.state in ("queued", "running", "uploading") for job in self._jobs.values()) >= self.most:
            raise Refusal(429, "too many videos wait", {"retry-after": "60", "connection": "close"},
                          expected=f"at most {self.most}")  # fmt: skip
        if len(self._jobs) >= 4 * self.most:
            raise Refusal(507, "too many results are kept", fix="fetch them, then DELETE /videos/ID")
        name = secrets.token_urlsafe(12)
        job = Job(name, self._folder / name, model, predictor, track, state="uploading")
        job.folder.mkdir()
        self._jobs[name] = job
        return job

    def start(self, job: Job) -> None:
        job.state = "queued"
        self._waiting.put(job)

    def find(self, name: str) -> Job:
        if (job := self._jobs.get(name)) is None:
            raise Refusal(404, "there is no such video")
        return job

    def list(self) -> list[dict[str, Any]]:
        return [job.facts() for job in self._jobs.values()]

    def delete(self, job: Job) -> None:
        """Stops it where it runs; its files are gone then."""
        job.cancelled = True
        self._jobs.pop(job.id, None)
        if job.state != "running":  # else the thread does it
            shutil.rmtree(job.folder, ignore_errors=True)

    def close(self) -> None:
        for job in self._jobs.values():
            job.cancelled = True
        self._waiting.put(None)
        self._thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self) -> None:
        while (job := self._waiting.get()) is not None:
            if not job.cancelled:
                job.state, job.began = "running", time.monotonic()
                with contextlib.suppress(_Cancelled):
                    self._predict(job)
            if job.cancelled:
                shutil.rmtree(job.folder, ignore_errors=True)

    def _predict(self, job: Job) -> None:
        try:
            done = predict_video(job.predictor, job.source, out=job.video, lines=True, track=job.track,
                                 progress=job.progress, log=Issues(), verbose=False)  # fmt: skip
        except MaskwrightError as error:
            job.error = {"error": error.shown_as, "message": error.headline}  # its parts name our own paths
            job.state = "failed"
        except _Cancelled:
            raise
        except Exception as error:
            self.log(JOB_FAILED(reason=f"{type(error).__name__}: {error}"))
            job.error, job.state = {"error": "Unexpected", "message": type(error).__name__}, "failed"
        else:
            facts = done.to_dict()
            job.result = {name: facts[name] for name in ("seconds", "most", "tracks", "issues")}
            job.state = "done"
        finally:
            job.source.unlink(missing_ok=True)
