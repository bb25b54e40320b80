"""What a server takes: bytes, pixels, seconds, requests at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """
    max_bytes        of one image, and of all images of one /batch together
    max_video_bytes  of one video
    max_pixels       of one image: more are refused before any is decoded
    queue            requests that are held at once, whose images are in memory; further ones are answered 429
    batch            images that are predicted together
    videos           jobs that wait or run
    connections      open at once; further ones are answered 503
    upload_seconds   for the body of an image; of a video ten times as many
    predict_seconds  from the end of the upload to the result
    send_seconds     for a client to take the next part of a response, and for the next request line and headers
    """

    max_bytes: int = 50_000_000
    max_video_bytes: int = 2_000_000_000
    max_pixels: int = 100_000_000
    queue: int = 32
    batch: int = 8
    videos: int = 8
    connections: int = 256
    upload_seconds: float = 60.0
    predict_seconds: float = 120.0
    send_seconds: float = 30.0
