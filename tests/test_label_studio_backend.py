"""The machine-learning backend for Label Studio: its configuration, its tasks, its results."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

from running_server import Running, picture, running
from tiny_runs import Seer

from maskwright.formats.dataset_reader import read
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.web.access import Access
from maskwright.web.label_studio import ImagesFrom
from maskwright.web.limits import Limits
from maskwright.web.serving import serving

CONFIG = """<View><Image name="image" value="$picture"/>
<{kind} name="label" toName="image"><Label value="balloon"/><Label value="cake"/></{kind}></View>"""
KEY = "key-of-label-studio"


@pytest.fixture(scope="module")
def studio() -> Iterator[str]:
    """A Label Studio that gives one image, to whom has its key, and sends the curious elsewhere."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = self.headers.get("Authorization") == f"Token {KEY}"
            if self.path == "/elsewhere":
                self.send_response(302)
                self.send_header("Location", "/data/upload/1/a.png")
                self.end_headers()
                return
            self.send_response(200 if allowed else 401)
            self.end_headers()
            self.wfile.write(picture() if allowed else b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def backend(studio) -> Iterator[Running]:
    app = serving({"party": Detector(Seer())}, Access(), Issues(), Limits(), ImagesFrom(studio, KEY))
    with running(app) as found:
        yield found


def predicted(backend: Running, image: object, kind: str = "PolygonLabels") -> dict:
    body = {"tasks": [{"id": 1, "data": {"picture": image}}], "label_config": CONFIG.format(kind=kind)}
    answer = backend.post("/label-studio/predict", json.dumps(body).encode())
    assert answer.status == 200, answer.body
    return answer.json["results"][0]


def inline() -> str:
    return "data:image/png;base64," + base64.b64encode(picture()).decode()


def test_it_is_up_and_takes_a_configuration(backend):
    assert backend.get("/label-studio/health").json == {"status": "UP", "model_class": "party"}
    body = json.dumps({"project": "1.2", "schema": CONFIG.format(kind="RectangleLabels")}).encode()
    assert backend.post("/label-studio/setup", body).json["model_version"].startswith("party (maskwright ")


@pytest.mark.parametrize("image", ["/data/upload/1/a.png", "inline", "whole"])
def test_objects_become_polygons_in_percent(image, backend, studio):
    image = {"inline": inline(), "whole": f"{studio}/data/upload/1/a.png"}.get(image, image)
    result = predicted(backend, image)["result"]
    assert [region["value"]["polygonlabels"] for region in result] == [["balloon"], ["cake"]]
    first = result[0]
    assert (first["from_name"], first["to_name"], first["type"]) == ("label", "image", "polygonlabels")
    assert (first["original_width"], first["original_height"], first["score"]) == (128, 96, 0.9)
    points = np.array(first["value"]["points"]) / 100 * [128, 96]
    mask = Detector(Seer())(picture()).masks
    assert mask is not None
    assert np.allclose([*points.min(0), *points.max(0)], mask.boxes[0], atol=0.01)


def test_objects_become_rectangles_where_those_are_asked_for(backend):
    value = predicted(backend, inline(), "RectangleLabels")["result"][0]["value"]
    box = np.array([value["x"], value["y"], value["x"] + value["width"], value["y"] + value["height"]])
    assert np.allclose(box / 100 * [128, 96, 128, 96], Detector(Seer())(picture()).boxes[0], atol=0.01)


def test_our_own_reader_of_label_studio_reads_the_results(backend, tmp_path):
    (tmp_path / "a.png").write_bytes(picture())
    result = predicted(backend, inline())["result"]
    task = {"id": 1, "data": {"picture": "a.png"}, "annotations": [{"result": result, "was_cancelled": False}]}
    (tmp_path / "tasks.json").write_text(json.dumps([task]))
    (record,) = read(tmp_path / "tasks.json").records
    assert record.instances is not None and record.instances.labels == ["balloon", "cake"]


@pytest.mark.parametrize(
    "address",
    ["http://169.254.169.254/latest", "file:///etc/passwd", "//evil.example/a.png", "/elsewhere", 7, None, "data:,x y"],
)
def test_no_other_address_is_asked(address, backend):
    answer = predicted(backend, address)
    assert answer["result"] == [] and answer["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"no json", 400),
        (b"[1]", 422),
        (b"{}", 422),
        (json.dumps({"tasks": [], "label_config": "<View/>"}).encode(), 422),
        (json.dumps({"tasks": 7, "label_config": CONFIG.format(kind="Choices")}).encode(), 422),
        (json.dumps({"tasks": [], "label_config": '<!DOCTYPE a [<!ENTITY b "c">]><View>&b;</View>'}).encode(), 422),
    ],
)
def test_what_label_studio_would_not_send_is_refused(body, status, backend):
    assert backend.post("/label-studio/predict", body).status == status
