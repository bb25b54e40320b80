"""The page of `maskwright label` with many and with large images: opening, changing images, frames, saving, memory.

    python benchmarks/label_page.py
    python benchmarks/label_page.py --images 500 --large 4 --json page.json --pictures DIR

Drawn JPEGs with outlines in COCO JSON: `--images` of 640x480 with five objects, and in another folder `--large` of
4000x3000 with two hundred. The server is `maskwright label` in a process of its own; a real browser (Debian's Chromium,
without a GPU) does what a person does. Frames are those of requestAnimationFrame; an image counts as changed when its
objects are there and its pixels are on the canvas, a change as saved when the page says that it is in the journal; the
annotation file follows. The vertex that is dragged is checked: one point of one object has moved. `--pictures` keeps
screenshots. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from browser import Browser, browsing

CHANGES, MOVES, SAVES = 50, 60, 5
SMALL, LARGE = (640, 480), (4000, 3000)  # width, height
IDLE = "document.getElementById('view')?.ariaBusy === 'false'"
# Near the corner of the image no object lies: what is opaque there is the image itself.
DRAWN = """(() => { const stage = document.getElementById('stage'), ratio = devicePixelRatio;
  const zoom = Math.min((stage.clientWidth - 16) / WIDTH, (stage.clientHeight - 16) / HEIGHT);
  const x = (stage.clientWidth - WIDTH * zoom) / 2 + 3, y = (stage.clientHeight - HEIGHT * zoom) / 2 + 3;
  const [, , , opaque] = stage.getContext('2d').getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data;
  return opaque === 255; })()"""
SAVED = "document.getElementById('saved')?.textContent.startsWith('saved to')"
WATCH_FRAMES = """
window.frameTimes = [];
window.frameWatch = true;
window.tick = last => requestAnimationFrame(now => {
  if (last) window.frameTimes.push(now - last);
  if (window.frameWatch) window.tick(now);
});
window.tick(0);
"""


def write_data(folder: Path, count: int, size: tuple[int, int], objects: int, different: int = 40) -> Path:
    """Images of size (width, height) with ellipses, outlined in annotations.json; some files are copies of others."""
    (folder / "images").mkdir(parents=True)
    random, (width, height) = np.random.default_rng(0), size
    kinds = []
    for _ in range(min(different, count)):
        image = Image.new("RGB", size, tuple(random.integers(60, 200, 3).tolist()))
        draw, outlines = ImageDraw.Draw(image), []
        for _ in range(objects):
            radius = random.uniform(0.02, 0.12, 2) * min(size)
            center = random.uniform(0.15, 0.85, 2) * size
            angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
            points = center + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
            points = points.clip(1, np.array(size) - 2)
            draw.polygon([tuple(point) for point in points.tolist()], fill=tuple(random.integers(0, 255, 3).tolist()))
            outlines.append(points.round(1).reshape(-1).tolist())
        file = folder / "kind.jpg"
        image.save(file, quality=85)
        kinds.append((file.read_bytes(), outlines))
        file.unlink()
    images, annotations = [], []
    for number in range(count):
        content, outlines = kinds[number % len(kinds)]
        name = f"image_{number:05}.jpg"
        (folder / "images" / name).write_bytes(content)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for outline in outlines:
            x, y = outline[::2], outline[1::2]
            box = [min(x), min(y), max(x) - min(x), max(y) - min(y)]
            number_of = len(annotations)
            annotations.append({
                "id": number_of + 1, "image_id": number, "category_id": 1 + number_of % 3, "iscrowd": 0,
                "segmentation": [outline], "bbox": box, "area": box[2] * box[3],
            })  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(("bolt", "nut", "washer"), 1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    file = folder / "images" / "annotations.json"
    file.write_text(json.dumps(document))
    return file


# --- the server -------------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def labeling(file: Path) -> Iterator[tuple[int, str]]:
    """`maskwright label` in a process of its own: its number, and the address of the page."""
    command = [sys.executable, "-m", "maskwright", "label", str(file)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=file.parent)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://\S+token=[\w-]+", line):
                yield process.pid, found.group()
                break
        else:
            raise SystemExit("the page was not opened")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(process: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return round(int(found.group(1)) / 1024, 1)


# --- what a person does -----------------------------------------------------------------------------------------------
def drawn(size: tuple[int, int]) -> str:
    """Whether the objects of an image of that size (width, height) are there, and the image on the canvas."""
    return f"{IDLE} && {DRAWN.replace('WIDTH', str(size[0])).replace('HEIGHT', str(size[1]))}"


def changed(browser: Browser, count: int, size: tuple[int, int]) -> list[float]:
    """Milliseconds from PageDown until the next image is drawn, of each of so many; the page counts."""
    browser.evaluate("document.getElementById('view').focus()")
    return [
        browser.evaluate(
            "(async () => { const name = document.getElementById('name').textContent, begin = performance.now();"
            "const pressed = new KeyboardEvent('keydown', { key: 'PageDown', bubbles: true });"
            "document.getElementById('view').dispatchEvent(pressed);"
            "do await new Promise(requestAnimationFrame);"
            f"while (document.getElementById('name').textContent === name || !({drawn(size)}));"
            "return performance.now() - begin; })()"
        )
        for _ in range(count)
    ]


def frames(browser: Browser, points: list[tuple[float, float]], button: str = "left") -> list[float]:
    """Milliseconds of each frame while something is dragged."""
    browser.mouse("mouseMoved", *points[0])
    browser.evaluate(WATCH_FRAMES)
    browser.drag(*points, button=button)
    return browser.evaluate("(window.frameWatch = false, window.frameTimes)")


def path(begin: tuple[float, float], reach: float = 80) -> list[tuple[float, float]]:
    angles = np.linspace(0, 4 * np.pi, MOVES)
    return [(begin[0] + reach * np.sin(angle), begin[1] + reach * (1 - np.cos(angle)) / 2) for angle in angles]


def measure(file: Path, images: int, size: tuple[int, int], pictures: Path | None, name: str) -> dict[str, Any]:
    began = time.monotonic()
    with labeling(file) as (process, url), browsing() as browser:
        served = time.monotonic() - began
        browser.size(1400, 900)
        browser.open(url)
        browser.wait(f"{drawn(size)} && {SAVED}", 300)
        facts: dict[str, Any] = {
            "images": images,
            "seconds_until_served": round(served, 2),
            "seconds_until_usable": round(time.monotonic() - began, 2),
            "processor_seconds": round(processor_seconds(process), 2),
            "megabytes": megabytes(process),
        }
        facts["change_image"] = summary(changed(browser, min(CHANGES, images - 1), size))
        keep(browser, pictures, f"{name}.png")
        facts["vertex"] = summary(vertex(browser, size))
        facts["pan"] = summary(frames(browser, path(middle(browser)), "right"))
        browser.wait(SAVED)
        saved = [saving(browser) for _ in range(SAVES)]
        facts["saved"], facts["file_written"] = (summary([times[index] for times in saved]) for index in (0, 1))
        facts["zoom"] = summary(zooming(browser))
        facts["search_ms"] = round(searching(browser), 1)
        facts["scroll"] = summary(scrolling(browser))
        for width, height, dark in ((820, 1180, False), (1400, 900, True)):
            browser.size(width, height, dark)
            time.sleep(0.3)
            keep(browser, pictures, f"{name}_{width}{'_dark' if dark else ''}.png")
        facts["megabytes_at_the_end"] = megabytes(process)
        facts["errors"] = browser.errors
    return facts


def middle(browser: Browser) -> tuple[float, float]:
    """Of the view, on the screen."""
    left, top, width, height = browser.evaluate(
        "(b => [b.x, b.y, b.width, b.height])(document.getElementById('stage').getBoundingClientRect())"
    )
    return left + width / 2, top + height / 2


def vertex(browser: Browser, size: tuple[int, int]) -> list[float]:
    """Milliseconds of each frame while the first corner of the first object is dragged; the image fills the view."""
    asked = "fetch('/api/images/' + location.hash.slice(1)).then(answer => answer.json()).then(facts => facts.objects)"
    before = browser.evaluate(asked)
    browser.evaluate("document.querySelector('#objects button').click(); document.getElementById('view').focus()")
    left, top, across, down = browser.evaluate(
        "(b => [b.x, b.y, b.width, b.height])(document.getElementById('stage').getBoundingClientRect())"
    )
    zoom = min((across - 16) / size[0], (down - 16) / size[1])
    x, y = before[0]["rings"][0][0]
    corner = left + (across - size[0] * zoom) / 2 + x * zoom, top + (down - size[1] * zoom) / 2 + y * zoom
    spent = frames(browser, path(corner, 20)[: MOVES - 4])  # not back to where it was
    browser.wait(SAVED)
    points = [np.array(ring) for objects in (before, browser.evaluate(asked)) for ring in objects[0]["rings"]]
    if len(points) != 2 or (points[0] != points[1]).any(1).sum() != 1:
        raise SystemExit("no vertex was dragged")
    return spent


def scrolling(browser: Browser) -> list[float]:
    """Milliseconds of each frame while the list of images is scrolled by half a window a frame."""
    browser.evaluate(WATCH_FRAMES)
    browser.evaluate(
        f"(async () => {{ const rows = document.getElementById('rows'); rows.scrollTop = 0;"
        f"for (let turn = 0; turn < {MOVES}; turn++) {{ rows.scrollTop += rows.clientHeight / 2;"
        "await new Promise(requestAnimationFrame); } })()"
    )
    return browser.evaluate("(window.frameWatch = false, window.frameTimes)")


def saving(browser: Browser) -> list[float]:
    """Milliseconds from a change, the selected object moved by a pixel, until it is in the journal, and in the file."""
    browser.evaluate(
        "document.querySelector('#objects button').click();"
        "document.getElementById('view').focus(); window.begin = performance.now(); window.safe = null;"
        "window.written = new Promise(done => new MutationObserver((_, observer) => {"
        "if (document.getElementById('saved').textContent.startsWith('saved')) window.safe ??= performance.now();"
        f"if ({SAVED}) {{ observer.disconnect();"
        "done([window.safe - window.begin, performance.now() - window.begin]); }"
        "}).observe(document.getElementById('saved'), { childList: true, characterData: true, subtree: true })); null"
    )
    browser.key("ArrowDown")
    return browser.evaluate("window.written")


def zooming(browser: Browser) -> list[float]:
    browser.evaluate(WATCH_FRAMES)
    browser.evaluate(
        "(async () => { const stage = document.getElementById('stage'), box = stage.getBoundingClientRect();"
        f"for (let turn = 0; turn < {MOVES}; turn++) {{ stage.dispatchEvent(new WheelEvent('wheel', {{ bubbles: true,"
        f"cancelable: true, deltaY: turn < {MOVES // 2} ? -60 : 60, clientX: box.x + box.width / 3,"
        "clientY: box.y + box.height / 3 })); await new Promise(requestAnimationFrame); } })()"
    )
    return browser.evaluate("(window.frameWatch = false, window.frameTimes)")


def searching(browser: Browser) -> float:
    """Milliseconds until the list shows what was typed."""
    return browser.evaluate(
        "(async () => { const field = document.getElementById('search'), begin = performance.now();"
        "field.value = '7'; field.dispatchEvent(new Event('input', { bubbles: true }));"
        "await new Promise(requestAnimationFrame); await new Promise(requestAnimationFrame);"
        "const spent = performance.now() - begin; field.value = '';"
        "field.dispatchEvent(new Event('input', { bubbles: true })); return spent; })()"
    )


def keep(browser: Browser, pictures: Path | None, name: str) -> None:
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        (pictures / name).write_bytes(browser.picture())


def summary(milliseconds: list[float]) -> dict[str, float]:
    values = np.array(milliseconds)
    return {"median_ms": round(float(np.median(values)), 1), "p95_ms": round(float(np.quantile(values, 0.95)), 1),
            "worst_ms": round(float(values.max()), 1), "count": len(values)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--large", type=int, default=12)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        many = write_data(Path(temporary) / "many", chosen.images, SMALL, 5)
        large = write_data(Path(temporary) / "large", chosen.large, LARGE, 200)
        facts = {
            "many": measure(many, chosen.images, SMALL, chosen.pictures, "many"),
            "large": measure(large, chosen.large, LARGE, chosen.pictures, "large"),
        }
    print(json.dumps(facts, indent=1))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
