"""The page of `maskwright label` in a browser, and what it has saved."""

from __future__ import annotations

from pathlib import Path

from browser import Browser

from maskwright.formats.dataset_reader import read

TOKEN = "a-token-of-the-tests"


class Page:
    """The page of `maskwright label`, with points in image pixels."""

    def __init__(self, browser: Browser, port: int, first: str = "image_0.png", size: tuple[int, int] = (400, 300)):
        """first  the image that is shown at the beginning, and its width and height"""
        self.browser, self.port, (width, height) = browser, port, size
        browser.errors.clear()
        browser.requests.clear()
        browser.size(1280, 800)
        browser.open(f"http://127.0.0.1:{port}/?token={TOKEN}")
        self.shown(first)
        box = browser.evaluate(
            "(b => [b.x, b.y, b.width, b.height])(document.getElementById('stage').getBoundingClientRect())"
        )
        left, top, across, down = box
        self.zoom = min((across - 16) / width, (down - 16) / height)
        self.left, self.top = left + (across - width * self.zoom) / 2, top + (down - height * self.zoom) / 2

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.left + x * self.zoom, self.top + y * self.zoom

    def shown(self, name: str) -> None:
        self.browser.wait(f"document.getElementById('name')?.textContent === '{name}'")
        self.browser.wait("document.getElementById('view').ariaBusy === 'false'")
        self.saved()

    def reload(self) -> None:
        """Until the new page, not the one before, has its image."""
        self.browser.evaluate("window.before = true; location.reload()")
        self.browser.wait("window.before === undefined && document.getElementById('view').ariaBusy === 'false'")

    def saved(self) -> None:
        self.browser.wait("document.getElementById('saved')?.textContent.startsWith('saved to')")

    def objects(self, count: int) -> None:
        self.browser.wait(f"document.getElementById('objects').children.length === {count}")

    def drag(self, *points: tuple[float, float]) -> None:
        self.browser.drag(*(self.at(*point) for point in points))


def labeled(folder: Path) -> dict[str, list[tuple[str, int]]]:
    """File name -> (class, area) of each object in the file."""
    found = {}
    for record in read(folder.parent / "labels.json"):
        if record.instances is not None:
            masks = record.instances.masks
            areas = [0] * len(record.instances) if masks is None else masks.area.tolist()
            found[record.image.name] = list(zip(record.instances.labels, areas, strict=True))
    return found


def wait_for_file(page: Page, folder: Path) -> dict[str, list[tuple[str, int]]]:
    page.saved()
    return labeled(folder)
