"""Windows of OpenCV, where it was built without them (opencv-python-headless): nothing is shown, as is said once."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from mrcnn.standins.absent import say_once

ESCAPE = 27
ANSWERS = {  # function -> what it answers where there is no window
    **dict.fromkeys(("imshow", "namedWindow", "resizeWindow", "moveWindow", "startWindowThread")),
    **dict.fromkeys(("destroyWindow", "destroyAllWindows", "setWindowTitle", "setWindowProperty")),
    **dict.fromkeys(("createTrackbar", "setMouseCallback")),
    "getWindowProperty": 0.0,
    "getTrackbarPos": 0,
    "pollKey": -1,
    "waitKey": -1,
    "waitKeyEx": -1,
}


def without_windows(cv2: ModuleType) -> None:
    """From now on OpenCV's windows are not an error where it has none. `waitKey(0)` answers Escape: nobody is there."""
    for name, answer in ANSWERS.items():
        real = getattr(cv2, name, None)
        if real is not None and not hasattr(real, "has_no_window"):
            setattr(cv2, name, _quiet(cv2, name, real, answer))


def _quiet(cv2: ModuleType, name: str, real: Any, answer: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return real(*args, **kwargs)
        except cv2.error as error:
            if "not implemented" not in str(error):
                raise
        say_once(f"cv2.{name} has no effect here: this OpenCV was built without windows")
        forever = name.startswith("waitKey") and not any((*args, *kwargs.values()))
        return ESCAPE if forever else answer

    call.__name__, call.__doc__ = name, real.__doc__
    call.has_no_window = True  # type: ignore[attr-defined]
    return call
