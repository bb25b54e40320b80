"""Sort images of parts as they come off the belt: good ones here, bad ones there.

    python examples/sort_parts.py runs/rust belt/ sorted/ 60

A classifier; the folder into which the camera writes; where the images are moved, into a folder for each prediction;
after how many seconds without an image it ends (never, where none is given). Ctrl-C ends it too, and the next call
goes on where this one stopped.
"""

import sys
import time
from pathlib import Path

import maskwright

model, belt, into = sys.argv[1:4]
patience = float(sys.argv[4]) if len(sys.argv) > 4 else float("inf")


def waited() -> bool:
    return time.monotonic() - last > patience


parts = maskwright.watch(model, belt, out=into, sort_into=into, move=True, stop=waited)
last, counts = time.monotonic(), {}
for part in parts:
    folder = Path(part.sorted).parent.name
    counts[folder] = counts.get(folder, 0) + 1
    last = time.monotonic()
    print(f"{part.image} -> {part.sorted}", flush=True)

print(", ".join(f"{count} {folder}" for folder, count in counts.items()) or "no parts came")
