"""Counters in the text format of Prometheus."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # upper ends of the histogram's buckets


class Metrics:
    """What a server has done since it started. Thread-safe.

    queued  requests that are held now
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds = [0] * (len(SECONDS) + 1)
        self._total = 0.0
        self._images = self._batches = 0
        self.queued = 0

    def request(self, route: str, status: int, seconds: float) -> None:
        """A response was sent; the times of predictions go into the histogram."""
        with self._lock:
            self._requests[route, status] += 1
            if route == "/predict" and status < 400:
                self._seconds[bisect_left(SECONDS, seconds)] += 1
                self._total += seconds

    def batch(self, images: int) -> None:
        with self._lock:
            self._batches += 1
            self._images += images

    @property
    def mean_seconds(self) -> float:
        """Of a prediction, from the first byte of the request; 0 before the first."""
        with self._lock:
            return self._total / max(sum(self._seconds), 1)

    def text(self) -> str:
        with self._lock:
            lines = ["# HELP maskwright_requests_total Requests by route and status.",
                     "# TYPE maskwright_requests_total counter"]  # fmt: skip
            for (route, status), count in sorted(self._requests.items()):
                lines.append(f'maskwright_requests_total{{route="{route}",status="{status}"}} {count}')
            lines += ["# HELP maskwright_predict_seconds Time from the request to the response of POST /predict.",
                      "# TYPE maskwright_predict_seconds histogram"]  # fmt: skip
            below = 0
            for end, count in zip((*map(str, SECONDS), "+Inf"), self._seconds, strict=True):
                below += count
                lines.append(f'maskwright_predict_seconds_bucket{{le="{end}"}} {below}')
            lines += [f"maskwright_predict_seconds_sum {self._total:.6f}", f"maskwright_predict_seconds_count {below}"]
            for name, kind, about, value in (
                ("images_total", "counter", "Images that were predicted.", self._images),
                ("batches_total", "counter", "Batches in which they were.", self._batches),
                ("queued_requests", "gauge", "Requests that are held now.", self.queued),
            ):
                lines += [f"# HELP maskwright_{name} {about}", f"# TYPE maskwright_{name} {kind}",
                          f"maskwright_{name} {value}"]  # fmt: skip
            return "\n".join(lines) + "\n"
