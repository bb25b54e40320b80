"""The label page in a real browser: a box becomes a mask, edges are followed, a training becomes the next assistant."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

from browser import Browser, needs_browser
from label_page import TOKEN, Page, wait_for_file
from running_server import Running, running
from tiny_runs import Seer

from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.synth import render_set
from maskwright.types import RleMasks
from maskwright.web.access import Access
from maskwright.web.label_opening import open_labels
from maskwright.web.label_store import LabelStore
from maskwright.web.labeling import labeling
from maskwright.web.limits import Limits

pytestmark = [pytest.mark.slow, needs_browser]
SIZE = (300, 400)
CTRL, SHIFT = 2, 8


class BoxFiller:
    """Fills the box, or a square around the last positive click; `asked` has every question, `prepared` the images."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.prepared: list[str] = []

    def prepare(self, path: Path) -> None:
        self.prepared.append(path.name)

    def mask(self, path: Path, box: np.ndarray | None, positive: np.ndarray, negative: np.ndarray) -> RleMasks:
        self.asked.append({"box": box, "positive": positive, "negative": negative})
        box = np.concatenate([positive[-1] - 20, positive[-1] + 20]) if box is None else box
        return RleMasks.from_boxes(box[None], SIZE)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Three gray images with a bright disc of radius 80 in the middle."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "party").mkdir()
    for number in range(3):
        image = Image.new("RGB", (400, 300), (40 + 10 * number,) * 3)
        ImageDraw.Draw(image).ellipse((120, 70, 280, 230), fill=(230, 200, 60))
        image.save(tmp_path / "party" / f"image_{number}.png")
    return tmp_path / "party"


@pytest.fixture
def filler() -> BoxFiller:
    return BoxFiller()


@pytest.fixture
def page(browser, folder, filler) -> Iterator[Page]:
    store = LabelStore(open_labels(folder, None, "coco"), Issues())
    log = Issues()
    with running(labeling(store, Access(token=TOKEN, open=()), log, Limits(), None, filler)) as found:
        yield Page(browser, found.port)
        browser.open("about:blank")
    assert browser.errors == [] and list(log) == []


def test_images_that_are_passed_by_are_not_prepared_for_clicks(page, filler):
    """The one that stays is, and the next."""
    wait_until(lambda: {"image_0.png", "image_1.png"} <= {*filler.prepared})
    filler.prepared.clear()
    page.browser.evaluate("for (const _ of [1, 2]) document.getElementById('next').click()")
    page.shown("image_2.png")
    wait_until(lambda: filler.prepared)
    time.sleep(0.6)
    assert filler.prepared == ["image_2.png"]


def test_of_a_long_name_the_end_is_seen_too(browser, folder, filler):
    """Names of one series differ there."""
    long = "inspection_of_the_north_hall_in_the_spring_of_the_year_0001.png"
    (folder / "image_2.png").rename(folder / long)
    store = LabelStore(open_labels(folder, None, "coco"), Issues())
    with running(labeling(store, Access(token=TOKEN, open=()), Issues(), Limits(), None, filler)) as found:
        Page(browser, found.port)
        name = f"document.querySelector('.row[title^=\"{long}\"] b')"
        start, end, row = (f"{name}{part}.getBoundingClientRect()" for part in (".firstChild", ".lastChild", ""))
        assert browser.wait(f"{name}?.textContent") == long
        assert browser.evaluate(f"{end}.right <= {row}.right + 1 && {end}.left >= {start}.right - 1")
        assert browser.evaluate(f"{name}.firstChild.scrollWidth > {name}.firstChild.clientWidth")  # that is cut
        browser.open("about:blank")


def test_a_box_becomes_a_mask_that_is_accepted_when_it_has_a_class(page, folder, filler):
    browser = page.browser
    browser.key("a")
    page.drag((100, 50), (200, 150), (300, 250))
    browser.wait("!document.getElementById('clicks-part').hidden")
    wait_until(lambda: len(filler.asked) == 1)
    browser.click(*page.at(110, 60), SHIFT)
    wait_until(lambda: len(filler.asked) == 2)
    asked = filler.asked[1]
    assert asked["box"] == pytest.approx([100, 50, 300, 250], abs=1) and len(asked["positive"]) == 0
    assert asked["negative"][0] == pytest.approx([110, 60], abs=1)
    page.objects(0)
    browser.key("Enter")
    browser.wait("document.activeElement.id === 'new-class'")
    browser.type("balloon")
    browser.key("Enter")
    page.objects(1)
    assert wait_for_file(page, folder)["image_0.png"] == [("balloon", pytest.approx(200 * 200, rel=0.03))]


def test_a_click_that_is_given_up_leaves_nothing(page, filler):
    browser = page.browser
    browser.key("a")
    browser.click(*page.at(200, 150))
    browser.click(*page.at(220, 150))
    wait_until(lambda: len(filler.asked) == 2)
    browser.key("Backspace")
    wait_until(lambda: len(filler.asked) == 3)
    assert len(filler.asked[2]["positive"]) == 1
    browser.key("Escape")
    browser.key("Enter")
    page.objects(0)


def test_a_line_between_clicks_follows_the_edge(page, folder):
    browser = page.browser
    browser.key("n")
    browser.type("balloon")
    browser.key("Enter")
    browser.key("e")
    for point in ((200, 71), (279, 150), (200, 229), (121, 150)):  # the square of these has an area of 12,482
        browser.click(*page.at(*point))
    browser.key("Enter")
    page.objects(1)
    assert wait_for_file(page, folder)["image_0.png"] == [("balloon", pytest.approx(np.pi * 80**2, rel=0.04))]


def test_a_second_finger_moves_the_image_and_undo_takes_back_a_corner(page):
    browser = page.browser
    browser.key("n")
    browser.type("balloon")
    browser.key("Enter")
    browser.key("p")
    for point in ((100, 100), (200, 100), (200, 200), (120, 200)):
        browser.touch([page.at(*point)])
    browser.evaluate("[...document.querySelectorAll('#tools button')].find((b) => b.title.startsWith('Undo')).click()")
    one, two = page.at(150, 150), page.at(250, 150)
    browser.touch([one], [one, two], [one, (two[0] + 40, two[1])], [one, (two[0] + 80, two[1])])
    browser.key("Enter")
    page.objects(1)
    corners = "fetch('/api/images/0').then((r) => r.json()).then((f) => f.objects[0]?.rings[0].length)"
    page.saved()
    assert browser.wait(corners) == 3


def test_doubtful_labels_are_walked_through_and_the_next_image_is_proposed(browser, folder):
    store = LabelStore(open_labels(folder, None, None), Issues())
    far = {"key": "a", "class": "balloon", "rings": [[[350, 250], [390, 250], [390, 290]]]}
    store.put(0, 0, [far], "labeled")
    app = labeling(store, Access(token=TOKEN, open=()), Issues(), Limits(), ("seer", Detector(Seer())))
    with running(app) as found:
        page = Page(browser, found.port, "image_1.png")
        browser.wait("document.querySelectorAll('#doubts li').length === 3")
        browser.key("d")
        page.shown("image_0.png")
        browser.wait("document.querySelector('.row[title*=doubtful] .dot.doubtful') !== null")
        browser.key("f")
        browser.wait("document.querySelectorAll('#doubts li').length === 2")
        browser.wait("document.getElementById('propose').checked")
        browser.key("Escape")
        browser.key("PageDown")
        browser.wait("/image_[12]/.test(document.getElementById('name').textContent)")
        browser.open("about:blank")
    assert browser.errors == []


def test_the_labels_so_far_are_trained_on_and_the_model_suggests(browser, tmp_path, monkeypatch):
    """Draws, saves, reloads, trains for a second, and sees the curves' end, the metrics and the suggestions."""
    monkeypatch.chdir(tmp_path)
    rendered = next(record.image for record in render_set("balloons", 8, tmp_path / "party", size=(96, 128)))
    Image.open(rendered).save(rendered.with_name(f"new{rendered.suffix}"))
    log = Issues()
    store = LabelStore(open_labels(tmp_path / "party", tmp_path / "labels.json", None), Issues())
    unlabeled = next(image.record.image.name for image in store.images if image.record.state == "unlabeled")
    with running(labeling(store, Access(token=TOKEN, open=()), log, Limits(), None, runs=tmp_path / "runs")) as found:
        page = Page(browser, found.port, unlabeled, (128, 96))
        browser.key("r")
        page.drag((20, 20), (40, 40), (60, 60))
        page.objects(1)
        page.saved()
        page.reload()
        page.objects(1)
        browser.key("Delete")
        browser.evaluate("document.getElementById('minutes').options[0].value = '0.02'")
        browser.evaluate("document.getElementById('minutes').selectedIndex = 0")
        browser.evaluate("document.getElementById('train').click()")
        browser.wait("!document.getElementById('stop').hidden")
        browser.wait("/AP50.*suggests/.test(document.getElementById('training-text').textContent)", 400)
        assert browser.evaluate("document.getElementById('training-error').hidden")
        browser.wait("document.getElementById('propose').checked")
        browser.wait("fetch('/api/status').then((r) => r.json()).then((s) => s.asked === 9)")
        browser.open("about:blank")
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "report.html").is_file() and (run / "best").is_dir()
    assert browser.errors == [] and list(log) == []


def test_classes_are_renamed_merged_moved_and_removed_with_the_keyboard_and_undone(page, folder):
    browser = page.browser
    for name, first in (("ballon", 40), ("balloon", 140), ("cake", 240)):
        browser.key("Escape")
        browser.key("n")
        browser.type(name)
        browser.key("Enter")
        browser.key("r")
        page.drag((first, 40), (first + 30, 70), (first + 60, 100))
    page.objects(3)
    page.saved()
    shown = "[...document.querySelectorAll('#class-rows input')].map((field) => field.value).join()"
    focused = "`${document.activeElement.dataset.what} ${document.activeElement.dataset.name}`"
    browser.key("l")
    browser.wait(f"{shown} === 'ballon,balloon,cake'")
    rename(browser, "cake", "pie")
    browser.wait(f"{shown} === 'ballon,balloon,pie' && {focused} === 'name pie'")
    rename(browser, "ballon", "balloon")
    browser.wait("!document.getElementById('merge-question').hidden")
    question = browser.evaluate("document.getElementById('merge-text').textContent")
    assert question == "balloon is there already. Merge ballon into balloon? 1 object becomes balloon."
    browser.key("Escape")
    browser.wait(f"document.getElementById('merge-question').hidden && {shown} === 'ballon,balloon,pie'")
    rename(browser, "ballon", "balloon")
    browser.wait("document.activeElement.id === 'keep'")
    browser.key("Tab")
    browser.key("Enter")
    browser.wait(f"{shown} === 'balloon,pie'")
    press(browser, "down", "balloon")
    browser.wait(f"{shown} === 'pie,balloon' && {focused} === 'up balloon'")
    assert browser.evaluate("document.querySelector('#class-rows [data-what=remove]').disabled")
    browser.key("Escape")
    browser.wait("!document.getElementById('class-dialog').open")
    assert [label for label, _ in wait_for_file(page, folder)["image_0.png"]] == ["balloon", "balloon", "pie"]
    listed = "[...document.querySelectorAll('#classes li span:nth-child(2)')].map((name) => name.textContent).join()"
    browser.wait(f"{listed} === 'pie,balloon'")
    for classes in ("balloon,pie", "ballon,balloon,pie", "ballon,balloon,cake"):
        browser.key("z", CTRL)
        browser.wait(f"{listed} === '{classes}'")
    assert [label for label, _ in wait_for_file(page, folder)["image_0.png"]] == ["ballon", "balloon", "cake"]
    browser.key("z", CTRL)
    page.objects(2)
    browser.key("y", CTRL)
    page.objects(3)
    browser.key("y", CTRL)
    browser.wait(f"{listed} === 'ballon,balloon,pie'")
    browser.key("y", CTRL)
    browser.wait(f"{listed} === 'balloon,pie'")


def rename(browser: Browser, name: str, to: str) -> None:
    press(browser, "name", name)
    browser.evaluate("document.activeElement.select()")
    browser.type(to)
    browser.key("Enter")


def press(browser: Browser, what: str, name: str) -> None:
    """The field or button of a class, reached as by Tab."""
    browser.evaluate(f"document.querySelector('#class-rows [data-what={what}][data-name={name}]').focus()")
    if what != "name":
        browser.key("Enter")


def test_a_class_that_another_page_renames_is_renamed_here_with_what_undo_knows(page, folder):
    browser = page.browser
    browser.key("n")
    browser.type("ballon")
    browser.key("Enter")
    browser.key("r")
    page.drag((40, 40), (70, 70), (100, 100))
    page.objects(1)
    browser.key("Delete")
    page.objects(0)
    page.saved()
    asked = {"version": 0, "change": "rename", "name": "ballon", "to": "balloon"}
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert Running(page.port).post("/api/classes", json.dumps(asked).encode(), **headers).status == 200
    browser.wait("document.querySelector('#classes li span:nth-child(2)').textContent === 'balloon'")
    browser.key("z", CTRL)
    page.objects(1)
    assert [label for label, _ in wait_for_file(page, folder)["image_0.png"]] == ["balloon"]
    page.drag((200, 40), (230, 70), (260, 100))
    page.objects(2)
    assert [label for label, _ in wait_for_file(page, folder)["image_0.png"]] == ["balloon", "balloon"]


@pytest.fixture
def yolo(folder) -> Path:
    """The images as a dataset of YOLO, with a box on the first one, or an outline."""
    (folder / "classes.txt").write_text("balloon\n")
    (folder / "image_0.txt").write_text("0 0.1 0.1 0.1 0.1\n")
    return folder


def test_data_of_boxes_are_saved_where_they_were_read_and_what_is_drawn_becomes_its_box(browser, yolo):
    store = LabelStore(open_labels(yolo, None, None), Issues())
    with running(labeling(store, Access(token=TOKEN, open=()), Issues(), Limits(), None)) as found:
        page = Page(browser, found.port, "image_1.png")
        browser.key("o")
        page.drag((100, 75), (150, 100), (200, 150))
        page.objects(1)
        page.saved()
        corners = "fetch('/api/images/1').then((r) => r.json()).then((f) => f.objects[0]?.rings[0].length)"
        assert browser.wait(corners) == 4
        browser.open("about:blank")
    assert browser.errors == []
    numbers = (yolo / "image_1.txt").read_text().split()
    assert [float(number) for number in numbers] == pytest.approx([0, 0.375, 0.375, 0.25, 0.25], abs=0.01)
    assert (yolo / "image_0.txt").read_text() == "0 0.1 0.1 0.1 0.1\n"


def test_a_hole_that_the_files_cannot_hold_is_refused_with_the_reason(browser, yolo):
    (yolo / "image_0.txt").write_text("0 0.2 0.2 0.8 0.2 0.8 0.8 0.2 0.8\n")
    store = LabelStore(open_labels(yolo, None, None), Issues())
    with running(labeling(store, Access(token=TOKEN, open=()), Issues(), Limits(), None)) as found:
        page = Page(browser, found.port, "image_1.png")
        browser.key("PageUp")
        page.shown("image_0.png")
        browser.key("Tab")
        browser.key("h")
        for point in ((150, 120), (250, 120), (250, 180)):
            browser.click(*page.at(*point))
        browser.key("Enter")
        browser.wait("/hole.*--out/.test(document.getElementById('problem-text').textContent)")
        browser.wait("fetch('/api/status').then(() => new Promise((done) => setTimeout(done, 3500))).then(() => true)")
        browser.wait("/hole/.test(document.getElementById('problem-text').textContent)")
        page.objects(1)
        browser.open("about:blank")
    assert all("422" in error for error in browser.errors)
    assert (yolo / "image_0.txt").read_text() == "0 0.2 0.2 0.8 0.2 0.8 0.8 0.2 0.8\n"


def test_a_tool_that_lacks_a_package_is_gray_and_says_what_to_install(browser, folder):
    reason = "needs the package weights-of-a-backbone, which is not installed: pip install weights-of-a-backbone==1"
    store = LabelStore(open_labels(folder, None, None), Issues())
    app = labeling(store, Access(token=TOKEN, open=()), Issues(), Limits(), None, without_clicks=reason)
    with running(app) as found:
        page = Page(browser, found.port)
        button = "document.querySelector('[data-tool=clicks]')"
        assert browser.evaluate(f"{button}.title") == f"Assist {reason}"
        assert browser.evaluate(f"{button}.getAttribute('aria-disabled')") == "true"
        browser.key("a")
        browser.wait(f"document.getElementById('message').textContent === 'Assist {reason}'")
        assert browser.evaluate(f"{button}.getAttribute('aria-pressed')") == "false"
        assert reason in browser.evaluate("document.getElementById('key-table').textContent")
        page.saved()
        browser.open("about:blank")
    assert browser.errors == []


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
