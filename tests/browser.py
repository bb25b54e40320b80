"""A real browser for tests: Debian's Chromium, driven through a pipe by its own protocol, without further packages."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
needs_browser = pytest.mark.skipif(CHROMIUM is None or os.name == "nt", reason="there is no Chromium here")
KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "Delete": 46, "PageDown": 34, "PageUp": 33, "ArrowRight": 39,
        "ArrowDown": 40, " ": 32}  # fmt: skip


class Browser:
    """One page. `errors`: what its scripts did wrong; `requests`: the addresses that it asked."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing, self._buffer, self._number = reading, writing, b"", 0
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        while True:
            received = self._next()
            if received.get("id") == self._number:
                assert "error" not in received, received["error"]
                return received["result"]
            self._event(received)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select.select([self._reading], [], [], 30)[0], "the browser does not answer"
            part = os.read(self._reading, 1 << 20)
            assert part, "the browser has ended"
            self._buffer += part
        line, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(line)

    def _event(self, event: dict[str, Any]) -> None:
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"].get("exception", params["exceptionDetails"])))
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif event.get("method") == "Page.javascriptDialogOpening":  # "leave the page?", while something is being saved
            leave = {"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": True},
                     "sessionId": self._session}  # fmt: skip
            os.write(self._writing, json.dumps(leave).encode() + b"\0")
        elif event.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    # --- what a person does -------------------------------------------------------------------------------------------
    def size(self, width: int, height: int, dark: bool = False) -> None:
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """The value of an expression on the page."""
        told = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait(self, script: str, seconds: float = 30) -> Any:
        """Until the expression is true; while the page is not there yet, it cannot be."""
        end = time.monotonic() + seconds
        guarded = f"(async () => {{ try {{ return await ({script}); }} catch {{ return null; }} }})()"
        while not (value := self.evaluate(guarded)):
            assert time.monotonic() < end, (script, self.errors)
            time.sleep(0.05)
        return value

    def mouse(self, kind: str, x: float, y: float, modifiers: int = 0, button: str = "left") -> None:
        pressed = {"mouseMoved": {}}.get(kind, {"button": button, "clickCount": 1})
        buttons = 0 if kind == "mouseReleased" else {"left": 1, "right": 2}[button]
        self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, buttons=buttons, modifiers=modifiers, **pressed)

    def click(self, x: float, y: float, modifiers: int = 0) -> None:
        self.mouse("mousePressed", x, y, modifiers)
        self.mouse("mouseReleased", x, y, modifiers)

    def drag(self, *points: tuple[float, float], button: str = "left") -> None:
        self.mouse("mousePressed", *points[0], button=button)
        for point in points[1:]:
            self.mouse("mouseMoved", *point, button=button)
        self.mouse("mouseReleased", *points[-1], button=button)

    def touch(self, *moments: list[tuple[float, float]]) -> None:
        """Fingers: where they are at each moment; fewer than before are lifted."""
        before = 0
        for points in [*moments, []]:
            kind = "touchStart" if len(points) > before else "touchEnd" if len(points) < before else "touchMove"
            facts = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
            self._call("Input.dispatchTouchEvent", type=kind, touchPoints=facts)
            before = len(points)

    def key(self, key: str, modifiers: int = 0) -> None:
        """modifiers  2 for Ctrl, 8 for Shift"""
        code = KEYS.get(key, ord(key[0].upper()))
        facts = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 and not modifiers & 2 else "")
        self._call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **facts)
        self._call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def type(self, text: str) -> None:
        self._call("Input.insertText", text=text)

    def files(self, selector: str, paths: list[Path]) -> None:
        """Chooses files in a file field."""
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def picture(self) -> bytes:
        return base64.b64decode(self._call("Page.captureScreenshot")["data"])


@contextlib.contextmanager
def browsing() -> Iterator[Browser]:
    """A browser that ends with the block."""
    assert CHROMIUM is not None
    to_browser, from_browser = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(prefix="maskwright-browser-", ignore_cleanup_errors=True) as profile:
        flags = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--remote-debugging-pipe",
            "--disable-background-networking",
            f"--user-data-dir={profile}",
        ]
        # the browser reads from descriptor 3 and writes to 4
        line = f'exec "$0" "$@" 3<&{to_browser[0]} 4>&{from_browser[1]}'
        process = subprocess.Popen(["bash", "-c", line, CHROMIUM, *flags], pass_fds=(to_browser[0], from_browser[1]),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        os.close(to_browser[0])
        os.close(from_browser[1])
        try:
            yield Browser(from_browser[0], to_browser[1])
        finally:
            process.terminate()
            process.wait(30)
            os.close(from_browser[0])
            os.close(to_browser[1])
