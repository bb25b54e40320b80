"""The viewer of a page: what its script is given, and (slow) what a browser makes of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, needs_browser

from maskwright.report.page import render
from maskwright.report.sections import Facts, Gallery, Picture
from maskwright.report.viewer import Compared, viewer
from maskwright.types import Instances, RleMasks

EVIL = "</script><script>alert(1)</script>&\"'"
SIZE = (60, 80)


def masks(*boxes: tuple[int, int, int, int]) -> RleMasks:
    return RleMasks.from_boxes(np.array(boxes, np.float32), SIZE)


def image(name: str = "a.jpg", label: str = "gun") -> Compared:
    """Two objects, one of them found; and a detection of nothing, and one of low score."""
    truth, seen = masks((5, 5, 25, 25), (40, 30, 60, 50)), masks((5, 5, 25, 24), (60, 5, 70, 15), (40, 30, 60, 50))
    names = (label,)
    detections = Instances(seen.boxes, [0, 0, 0], np.array([0.9, 0.8, 0.2]), seen, names)
    return Compared(
        name,
        np.full((*SIZE, 3), 90, np.uint8),
        SIZE,
        detections,
        Instances(truth.boxes, [0, 0], None, truth, names),
        [0, -1, 1],
        ["", "background", ""],
    )


def given(page: str) -> dict:
    found = re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_script_is_given_every_object_in_pixels_of_the_picture():
    data = given(render("x", [viewer("Images", [image()], 1, {"gun": 0.5})]))
    (shown,) = data["images"]
    assert data["thresholds"] == {"gun": 0.5} and (shown["width"], shown["height"]) == (80, 60)
    assert [item["box"] for item in shown["groundTruth"]] == [[5, 5, 25, 25], [40, 30, 60, 50]]
    assert [(item["score"], item["matched"], item["error"]) for item in shown["detections"]] == [
        (0.9, 0, ""), (0.8, -1, "background"), (0.2, 1, ""),
    ]  # fmt: skip
    assert shown["groundTruth"][0]["path"] == "M5 5L25 5L25 25L5 25Z"


def test_a_large_image_is_reduced_with_what_lies_on_it():
    large = np.zeros((3000, 4000, 3), np.uint8)
    truth = RleMasks.from_boxes(np.array([[1000, 1000, 3000, 2000]], np.float32), (3000, 4000))
    both = Instances(truth.boxes, [0], np.ones(1), truth, ("gun",))
    compared = Compared("a", large, (3000, 4000), both, both, [0], [""])
    (shown,) = given(render("x", [viewer("Images", [compared], 1, {"gun": 0.5})]))["images"]
    assert shown["width"] * shown["height"] <= 810_000
    x1, _, x2, _ = shown["groundTruth"][0]["box"]
    assert (x2 - x1) / shown["width"] == pytest.approx(0.5, abs=0.01)


def test_a_name_that_is_markup_stays_a_name():
    page = render(EVIL, [viewer(EVIL, [image(EVIL, EVIL)], 1, {EVIL: 0.5})])
    assert given(page)["images"][0]["name"] == EVIL and list(given(page)["thresholds"]) == [EVIL]
    assert "<script>alert" not in page


def test_the_policy_admits_the_script_of_the_page_and_no_other():
    page = render("x", [viewer("Images", [image()], 1, {"gun": 0.5})])
    script = page.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page and "default-src 'none'" in page


def test_a_page_without_images_runs_nothing():
    assert "script" not in render("x", [Facts("Data", {"images": 3})])
    assert "<script>" in render("x", [Gallery("Images", [Picture(np.zeros((9, 9, 3), np.uint8))])])


def test_two_hundred_images_stay_within_the_weight_of_a_page():
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)  # no JPEG is larger
    crowd = [Compared(f"{number}", noise, (480, 640), Instances.empty(("gun",), scored=True)) for number in range(200)]
    assert len(render("x", [viewer("Images", crowd, 200, {"gun": 0.5})])) < 15_000_000


# --- in a real browser ------------------------------------------------------------------------------------------------
def opened(browser: Browser, page: str, folder: Path) -> None:
    """The page, once its script has drawn it."""
    (folder / "page.html").write_text(page, "utf-8")
    browser.open((folder / "page.html").as_uri())
    browser.wait("document.readyState === 'complete' && document.querySelector('.enlarge') !== null")


@pytest.mark.slow
@needs_browser
def test_a_browser_counts_what_the_threshold_shows(tmp_path, browser):
    opened(browser, render("x", [viewer("Images", [image()], 1, {"gun": 0.5})]), tmp_path)
    seen = browser.evaluate("document.body.textContent")
    assert "1 correct, 1 false, 1 missed" in seen
    assert "precision 0.500" in seen and "recall 0.500" in seen
    assert "false (background): 1" in seen and "wrong class: 0" in seen
    assert not browser.errors


@pytest.mark.slow
@needs_browser
def test_a_browser_enlarges_images_by_keys_and_cuts_a_long_one_into_strips(tmp_path, browser):
    size = (100, 1600)
    nothing = Instances.empty(("gun",), size, scored=True)
    long = Compared("b.png", np.zeros((*size, 3), np.uint8), size, nothing, nothing)
    opened(browser, render("x", [viewer("Images", [image(), long], 2, {"gun": 0.5})]), tmp_path)
    title, pieces = "document.querySelector('dialog .title').textContent", "document.querySelectorAll('dialog .piece')"

    browser.evaluate("document.querySelector('.enlarge').focus()")
    browser.key("Enter")
    browser.wait(f"{title} === 'a.jpg: 1 correct, 1 false, 1 missed' && {pieces}.length === 1")
    browser.key("ArrowRight")
    browser.wait(f"{title} === 'b.png: 0 correct, 0 false, 0 missed' && {pieces}.length > 1")
    browser.key("z")
    browser.wait("document.querySelector('dialog').classList.contains('actual')")
    browser.key("g")
    browser.wait("document.querySelector('dialog [aria-pressed=true]').dataset.view === 'truth'")
    browser.key("Escape")
    browser.wait("document.activeElement.getAttribute('aria-label') === 'Enlarge b.png'")
    assert not browser.errors
    assert all(url.startswith(("file:", "data:")) for url in browser.requests)
