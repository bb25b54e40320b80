"""OpenCV without windows: scripts that show what they found run to their end."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from mrcnn.standins import absent
from mrcnn.standins.windows import without_windows

FAKE = """
class error(Exception): pass
def imshow(name, image): raise error("(-2) The function is not implemented. Rebuild the library with Windows")
def waitKey(delay=0): raise error("The function is not implemented")
def imread(path): return 5
"""


@pytest.fixture
def cv2(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(absent, "_said", set())
    module = ModuleType("cv2")
    exec(FAKE, vars(module))
    return module


def test_windows_that_are_not_there_have_no_effect_and_are_named_once(cv2, capsys):
    without_windows(cv2)
    without_windows(cv2)
    for _ in range(3):
        assert cv2.imshow("a", 1) is None and cv2.waitKey(1) == -1
    assert cv2.waitKey(0) == cv2.waitKey() == 27, "nobody is there to press a key"
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"maskwright run: cv2.{name} has no effect here: this OpenCV was built without windows"
        for name in ("imshow", "waitKey")
    ]


def test_windows_that_are_there_are_shown(cv2):
    cv2.imshow = lambda name, image: "shown"
    without_windows(cv2)
    assert cv2.imshow("a", 1) == "shown" and cv2.imread("a") == 5


def test_another_error_of_opencv_stays_an_error(cv2):
    def imshow(name, image):
        raise cv2.error("size.width>0")

    cv2.imshow = imshow
    without_windows(cv2)
    with pytest.raises(cv2.error, match="size"):
        cv2.imshow("a", None)


def test_a_script_that_shows_a_window_runs_to_its_end(tmp_path):
    (tmp_path / "cv2.py").write_text(FAKE)
    (tmp_path / "a.py").write_text("import cv2\ncv2.imshow('a', 1)\nprint(cv2.waitKey(0), cv2.__spec__.name)")
    run = [sys.executable, "-m", "maskwright", "run", "a.py"]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout == "27 cv2\n", done.stderr
