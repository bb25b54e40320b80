"""The pages in a real browser: drawing, suggestions, saving, two pages at once; dropping an image on a served model."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

from browser import needs_browser
from label_page import TOKEN, Page, labeled, wait_for_file
from running_server import Running, running
from tiny_runs import Seer

from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.web.access import Access
from maskwright.web.label_opening import open_labels
from maskwright.web.label_store import LabelStore
from maskwright.web.label_studio import ImagesFrom
from maskwright.web.labeling import labeling
from maskwright.web.limits import Limits
from maskwright.web.serving import serving

pytestmark = [pytest.mark.slow, needs_browser]
MARKUP = "<b>balloon</b>"
CTRL, SHIFT = 2, 8


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "party").mkdir()
    for number in range(3):
        pixels = np.full((300, 400, 3), 60 + 50 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "party" / f"image_{number}.png")
    return tmp_path / "party"


@pytest.fixture
def page(browser, folder) -> Iterator[Page]:
    store = LabelStore(open_labels(folder, None, "coco"), Issues())
    store.classes.add(("balloon", "cake"))
    log = Issues()
    with running(labeling(store, Access(token=TOKEN, open=()), log, Limits(), None)) as found:
        made = Page(browser, found.port)
        yield made
        browser.open("about:blank")
    conflicts = "409 (Conflict)"  # what a page is told whose image was changed elsewhere
    assert [error for error in browser.errors if conflicts not in error] == [] and list(log) == []
    own = (f"http://127.0.0.1:{found.port}/", "blob:", "data:", "about:")
    assert [url for url in browser.requests if not url.startswith(own)] == []


def test_drawn_objects_are_in_the_file_and_there_again_after_a_reload(page, folder):
    browser = page.browser
    browser.key("r")
    page.drag((50, 50), (100, 80), (150, 150))
    page.objects(1)
    browser.key("p")
    for point in ((200, 50), (300, 50), (300, 150), (200, 150)):
        browser.click(*page.at(*point))
    browser.key("Enter")
    page.objects(2)
    browser.key("2")
    browser.key("o")
    page.drag((50, 200), (150, 280))
    page.objects(3)
    saved = wait_for_file(page, folder)["image_0.png"]
    assert [name for name, _ in saved] == ["balloon", "cake", "cake"]
    for (_, area), expected in zip(saved, (10_000, 10_000, np.pi * 50 * 40), strict=True):
        assert area == pytest.approx(expected, rel=0.04)
    browser.open(f"http://127.0.0.1:{page.port}/#0")
    page.reload()
    page.objects(3)


def test_brush_hole_split_join_and_undo(page, folder):
    browser = page.browser
    browser.key("r")
    page.drag((100, 100), (300, 200))
    page.objects(1)
    browser.key("h")
    for point in ((150, 120), (200, 120), (200, 160), (150, 160)):
        browser.click(*page.at(*point))
    browser.key("Enter")
    assert wait_for_area(page, folder) == [pytest.approx(20_000 - 2_000, rel=0.03)]
    browser.key("s")
    browser.click(*page.at(250, 50))
    browser.click(*page.at(250, 250))
    page.objects(2)
    browser.key("j")
    page.objects(1)
    browser.key("b")
    page.drag((300, 150), (340, 150), (380, 150))
    assert wait_for_area(page, folder)[0] > 18_500
    for count in (1, 2, 1, 1):
        browser.key("z", CTRL)
        page.objects(count)
    assert wait_for_area(page, folder) == [pytest.approx(20_000, rel=0.03)]
    browser.key("y", CTRL)
    assert wait_for_area(page, folder) == [pytest.approx(18_000, rel=0.03)]


def wait_for_area(page: Page, folder: Path) -> list[int]:
    """When nothing is on its way any more: the areas in the file."""
    last = None
    for _ in range(100):
        areas = [area for _, area in wait_for_file(page, folder)["image_0.png"]]
        time.sleep(0.4)
        if areas == last:
            return areas
        last = areas
    raise AssertionError("the file keeps changing")


def test_everything_goes_by_keyboard_alone(page, folder):
    browser = page.browser
    browser.evaluate("document.getElementById('view').focus()")
    browser.key("n")
    browser.type("cherry")
    browser.key("Enter")
    browser.key("r")
    browser.key(" ")
    for _ in range(6):
        browser.key("ArrowRight", SHIFT)
        browser.key("ArrowDown", SHIFT)
    browser.key(" ")
    page.objects(1)
    browser.key("Escape")
    browser.key("Tab")
    browser.wait("document.querySelector('#objects [aria-pressed=true]') !== null")
    browser.key("PageDown")
    page.shown("image_1.png")
    browser.key("m")
    browser.key("PageUp")
    page.shown("image_0.png")
    saved = wait_for_file(page, folder)
    assert [name for name, _ in saved["image_0.png"]] == ["cherry"] and saved["image_1.png"] == []
    browser.key("Tab")
    browser.key("Delete")
    page.objects(0)


def test_markup_in_names_is_shown_as_text(page):
    browser = page.browser
    browser.key("n")
    browser.type(MARKUP)
    browser.key("Enter")
    browser.key("r")
    page.drag((50, 50), (150, 150))
    page.objects(1)
    assert MARKUP in browser.evaluate("document.getElementById('objects').textContent")
    assert browser.evaluate("document.querySelectorAll('aside b').length") == 0


def test_a_second_page_does_not_overwrite_the_first(page, folder):
    """Another page has changed the image that this one shows: it shows that, and changes it from there."""
    browser = page.browser
    other = Running(page.port)
    cake = {"key": "x", "class": "cake", "rings": [[[9, 9], [60, 9], [60, 60]]]}
    body = json.dumps({"version": 0, "state": "labeled", "objects": [cake]}).encode()
    assert other.ask("PUT", "/api/images/0", body, {"Authorization": f"Bearer {TOKEN}"}).status == 200
    browser.key("r")
    page.drag((200, 100), (300, 200))
    page.objects(1)
    browser.wait("document.getElementById('objects').textContent.includes('cake')")
    browser.key("r")
    page.drag((200, 100), (300, 200))
    page.objects(2)
    assert len(wait_for_file(page, folder)["image_0.png"]) == 2


def test_suggestions_are_accepted_and_rejected(browser, folder):
    store = LabelStore(open_labels(folder, None, None), Issues())
    app = labeling(store, Access(token=TOKEN, open=()), Issues(), Limits(), ("seer", Detector(Seer())))
    with running(app) as found:
        page = Page(browser, found.port)
        browser.wait("!document.getElementById('suggest-part').hidden")
        browser.evaluate("document.getElementById('propose').click()")  # in the order of their names
        browser.wait("!document.getElementById('propose').checked")
        browser.key("Enter")
        page.objects(2)
        browser.key("PageDown")
        page.shown("image_1.png")
        browser.wait("!document.getElementById('suggest-part').hidden")
        browser.key("q")
        browser.wait("document.getElementById('suggest-part').hidden")
        assert browser.evaluate("document.getElementById('objects').children.length") == 0
        browser.open("about:blank")
    assert [name for name, _ in labeled(folder)["image_0.png"]] == ["balloon", "cake"]


# --- the page of a served model ---------------------------------------------------------------------------------------
def test_an_image_that_is_opened_shows_its_objects(browser, folder):
    browser.errors.clear()
    app = serving({"seer": Detector(Seer())}, Access(), Issues(), Limits(), ImagesFrom())
    with running(app) as found:
        for width, height, dark in ((1280, 800, False), (768, 1024, True)):
            browser.size(width, height, dark)
            browser.open(f"http://127.0.0.1:{found.port}/")
            browser.wait("document.querySelector('#model option') !== null")
            browser.files("#files", [folder / "image_0.png", folder / "image_1.png"])
            browser.wait("document.getElementById('found')?.textContent === 'Objects: 2'")
            browser.evaluate(
                "(s => { s.value = 0.85; s.dispatchEvent(new Event('input')); })(document.getElementById('threshold'))"
            )
            browser.wait("document.getElementById('found').textContent === 'Objects: 1'")
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
        Image.open(io.BytesIO(browser.picture())).verify()
        browser.files("#files", [Path(os.__file__)])
        browser.wait("!document.getElementById('error').hidden")
        browser.open("about:blank")
    assert all("422" in error for error in browser.errors), browser.errors
