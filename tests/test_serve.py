"""maskwright serve: the HTTP API, its limits, and its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra `web` is not installed")
pytest.importorskip("uvicorn", reason="the extra `web` is not installed")

from running_server import Running, picture, received, running
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route
from tiny_runs import Seer, classifier_folder, model_folder

from maskwright import interop
from maskwright.engines.torch_engine import TorchEngine
from maskwright.errors import OutputError, RecipeError
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.web import bodies, openapi, server
from maskwright.web.access import Access, Guard, access_to
from maskwright.web.label_studio import ImagesFrom
from maskwright.web.limits import Limits
from maskwright.web.refusal import Refusal
from maskwright.web.served import named
from maskwright.web.serving import serving


class Slow(Seer):
    """An engine that waits until it is told to go on, and counts what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.began = threading.Event(), threading.Event()
        self.batches: list[int] = []

    def run(self, network_inputs: Any, sizes: Any) -> Any:
        self.began.set()
        assert self.go.wait(30)
        self.batches.append(len(network_inputs))
        return super().run(network_inputs, sizes)


@contextlib.contextmanager
def served(
    *engines: Any, limits: Limits | None = None, access: Access | None = None, log: Issues | None = None
) -> Iterator[Running]:
    predictors = {f"model{number}": Detector(engine) for number, engine in enumerate(engines or (Seer(),))}
    limits = limits or Limits()
    app = serving(predictors, access or Access(), Issues() if log is None else log, limits, ImagesFrom())
    with running(app, limits) as found:
        yield found


@pytest.fixture(scope="module")
def seer() -> Iterator[Running]:
    with served() as found:
        yield found


# --- predictions ------------------------------------------------------------------------------------------------------
def test_the_body_is_an_image_and_the_answer_its_detections(seer):
    answer = seer.post("/predict", picture())
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    facts = answer.json
    assert facts["image"] == {"width": 128, "height": 96}
    assert [item["class"] for item in facts["detections"]] == ["balloon", "cake"]
    assert facts["detections"][0]["score"] == 0.9 and facts["detections"][0]["segmentation"]["size"] == [96, 128]
    assert set(facts["detections"][0]) == {"class", "score", "box", "area", "segmentation"}


def test_the_detections_are_those_of_the_model_itself(seer):
    instances = interop.from_rows(seer.post("/predict", picture()).json["detections"], ("balloon", "cake"))
    expected = Detector(Seer())(picture())
    assert np.allclose(instances.boxes, expected.boxes)
    assert np.array_equal(instances.masks.dense(), expected.masks.dense())  # type: ignore[union-attr]


def test_a_threshold_and_classes_choose_among_the_objects(seer):
    assert [item["class"] for item in seer.post("/predict?threshold=0.85", picture()).json["detections"]] == ["balloon"]
    assert [item["class"] for item in seer.post("/predict?classes=cake", picture()).json["detections"]] == ["cake"]
    assert seer.post("/predict?threshold=1", picture()).json["detections"] == []


def test_pictures_and_coco_are_given_where_they_are_asked_for(seer):
    for format in ("picture", "splash"):
        answer = seer.post(f"/predict?format={format}", picture())
        assert answer.headers["content-type"] == "image/jpeg" and answer.body.startswith(b"\xff\xd8")
    document = seer.post("/predict?format=coco", picture()).json
    assert document["categories"] == [{"id": 1, "name": "balloon"}, {"id": 2, "name": "cake"}]
    assert [item["category_id"] for item in document["annotations"]] == [1, 2]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/predict?threshold=2", 422, "a number 0..1"),
        ("/predict?threshold=nan", 422, "a number 0..1"),
        ("/predict?treshold=0.5", 404, 'Did you mean "threshold"?'),
        ("/predict?classes=ballon", 404, 'Did you mean "balloon"?'),
        ("/predict?model=model", 404, 'no model here "model"'),
        ("/predict?format=xml", 404, 'no format "xml"'),
        ("/nothing", 404, "Not Found"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(path, status, words, seer):
    answer = seer.post(path, picture())
    assert answer.status == status and words in answer.body.decode().replace('\\"', '"')
    assert "error" in answer.json


@pytest.mark.parametrize("body", [b"", b"no image", picture()[:200], b"GIF89a" + bytes(100), b"\xff\xd8\xff"])
def test_what_is_no_image_is_told_so(body, seer):
    answer = seer.post("/predict", body)
    assert answer.status in (400, 422) and answer.json["message"]


def test_a_form_is_not_taken_for_an_image(seer):
    answer = seer.post("/predict", b"--x\r\n", Content_Type="multipart/form-data; boundary=x")
    assert answer.status == 415 and "--data-binary" in answer.json["fix"]


def test_a_classifier_answers_with_labels_and_scores(tmp_path):
    engine = TorchEngine.prepare(classifier_folder(tmp_path, ("norust", "rust")), "cpu", "fp32")
    app = serving({"rust": ImageClassifier(engine)}, Access(), Issues(), Limits(), ImagesFrom())
    with running(app) as found:
        facts = found.post("/predict", picture()).json
        assert set(facts["scores"]) == {"norust", "rust"} and len(facts["labels"]) == 1
        assert found.post("/predict?format=splash", picture()).status == 422
        assert found.get("/models").json["models"][0]["objects"] is False


def test_a_batch_is_answered_line_by_line_and_a_broken_image_fails_alone(seer):
    files = {"a.png": picture(), "broken <b>.png": b"nothing", "c.jpg": picture(64, 48, "JPEG")}
    answer = seer.post("/batch", form(files), Content_Type="multipart/form-data; boundary=x")
    lines = [json.loads(line) for line in answer.body.decode().splitlines()]
    assert [line["file"] for line in lines] == list(files)
    assert [line.get("image") for line in lines] == [{"width": 128, "height": 96}, None, {"width": 64, "height": 48}]
    assert lines[1]["error"] == "ImageError"


def form(files: dict[str, bytes]) -> bytes:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in files.items()
    ]
    return b"".join([*parts, b"--x--\r\n"])


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x", "image/png", 415),
        (b"x", "multipart/form-data", 415),
        (b"--x\r\n\r\n", "multipart/form-data; boundary=x", 400),
        (b"--y--", "multipart/form-data; boundary=x", 400),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(body, kind, status):
    with pytest.raises(Refusal) as refused:
        bodies.form_files(body, kind)
    assert refused.value.status == status


# --- the server -------------------------------------------------------------------------------------------------------
def test_health_models_and_metrics(seer):
    assert seer.get("/health").json["status"] == "ok"
    (model,) = seer.get("/models").json["models"]
    assert (model["name"], model["classes"], model["task"]) == ("model0", ["balloon", "cake"], "segment")
    seer.post("/predict", picture())
    text = seer.get("/metrics").body.decode()
    assert 'maskwright_requests_total{route="/predict",status="200"}' in text
    assert 'maskwright_predict_seconds_bucket{le="+Inf"}' in text and "maskwright_queued_requests 0" in text


def test_models_are_called_by_the_last_part_of_their_path():
    assert named(["balloons", "runs/party", "/home/me/party/"]) == {
        "balloons": "balloons", "party": "runs/party", "party_2": "/home/me/party/",
    }  # fmt: skip


def test_one_of_several_models_is_named():
    with served(Seer(), Seer(("rust",))) as found:
        assert found.post("/predict?model=model1", picture()).json["counts"] == {"rust": 1}
        assert found.post("/predict", picture()).json["counts"] == {"balloon": 1, "cake": 1}


def test_pages_load_nothing_from_elsewhere(seer):
    for page in ("/", "/docs"):
        answer = seer.get(page)
        assert answer.status == 200 and b"://" not in answer.body
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    for name in ("serve.js", "serve.css", "masks.js", "common.css", "docs.js", "docs.css"):
        answer = seer.get(f"/assets/{name}")
        assert answer.status == 200 and b"https://" not in answer.body


def test_every_documented_path_is_one_of_the_server_and_the_other_way_round(seer):
    document = seer.get("/openapi.json").json
    assert document == openapi.document() and document["openapi"].startswith("3.1")
    app = serving({"model": Detector(Seer())}, Access(), Issues(), Limits(), ImagesFrom()).app  # type: ignore[attr-defined]
    paths = {route.path for route in app.routes}
    app.state.served.close()
    app.state.jobs.close()
    pages = {"/", "/docs", "/openapi.json", "/assets/{name}"}
    assert {path for path in paths - pages if not path.startswith("/label-studio")} == set(document["paths"])


# --- batches and limits -----------------------------------------------------------------------------------------------
def test_images_that_come_while_one_is_predicted_are_predicted_together():
    engine = Slow()
    with served(engine) as found, ThreadPoolExecutor(8) as clients:
        first = clients.submit(found.post, "/predict", picture())
        assert engine.began.wait(30)
        others = [clients.submit(found.post, "/predict", picture()) for _ in range(5)]
        wait_for(lambda: "maskwright_queued_requests 6" in found.get("/metrics").body.decode())
        engine.go.set()
        assert {answer.result().status for answer in (first, *others)} == {200}
    assert engine.batches[0] == 1 and sum(engine.batches) == 6 and max(engine.batches) > 1


def wait_for(true: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_an_image_that_the_model_fails_on_does_not_fail_the_others_of_its_batch():
    class Faulty(Slow):
        def run(self, network_inputs: Any, sizes: Any) -> Any:
            result = super().run(network_inputs, sizes)
            if any(size[0] > size[1] for size in sizes):
                raise RuntimeError("out of memory")
            return result

    engine, log = Faulty(), Issues()
    with served(engine, log=log) as found, ThreadPoolExecutor(8) as clients:
        first = clients.submit(found.post, "/predict", picture())
        assert engine.began.wait(30)
        tall, wide = (clients.submit(found.post, "/predict", picture(*size)) for size in ((96, 128), (128, 96)))
        wait_for(lambda: "maskwright_queued_requests 3" in found.get("/metrics").body.decode())
        engine.go.set()
        assert [answer.result().status for answer in (first, tall, wide)] == [200, 500, 200]
    assert [issue.code for issue in log] == ["request_failed"]


def test_a_full_queue_answers_429_and_when_to_come_again():
    engine = Slow()
    with served(engine, limits=Limits(queue=2)) as found, ThreadPoolExecutor(4) as clients:
        held = [clients.submit(found.post, "/predict", picture()) for _ in range(2)]
        wait_for(lambda: "maskwright_queued_requests 2" in found.get("/metrics").body.decode())
        answer = found.post("/predict", picture())
        assert answer.status == 429 and int(answer.headers["retry-after"]) >= 1
        engine.go.set()
        assert [item.result().status for item in held] == [200, 200]
        assert found.post("/predict", picture()).status == 200


def test_a_prediction_that_takes_too_long_is_answered_503():
    engine = Slow()
    with served(engine, limits=Limits(predict_seconds=0.2)) as found:
        answer = found.post("/predict", picture())
        engine.go.set()
    assert answer.status == 503 and "retry-after" in answer.headers


def test_what_was_accepted_before_the_end_is_answered():
    engine = Slow()
    with ThreadPoolExecutor(4) as clients:
        with served(engine) as found:
            answers = [clients.submit(found.post, "/predict", picture()) for _ in range(4)]
            wait_for(lambda: "maskwright_queued_requests 4" in found.get("/metrics").body.decode())
            threading.Timer(0.3, engine.go.set).start()
        assert [answer.result().status for answer in answers] == [200] * 4


def test_a_body_that_is_too_large_is_refused_before_it_is_read():
    with served(limits=Limits(max_bytes=1000)) as found:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000000\r\n\r\n"
        assert found.raw(head).startswith(b"HTTP/1.1 413 ")
        chunked = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert found.raw(chunked + b"800\r\n" + bytes(2048) + b"\r\n").startswith(b"HTTP/1.1 413 ")
        assert found.get("/health").status == 200


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded():
    with served(limits=Limits(max_pixels=1000)) as found:
        answer = found.post("/predict", picture())
        assert answer.status == 422 and answer.json["message"] == "this image has too many pixels"


def test_an_upload_that_is_too_slow_is_answered_408():
    with served(limits=Limits(upload_seconds=0.2)) as found:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx"
        assert found.raw(head).startswith(b"HTTP/1.1 408 ")


def test_a_connection_without_a_request_is_closed():
    with served(limits=Limits(send_seconds=0.2)) as found:
        assert found.raw(b"") == b""
        assert found.raw(b"GET / HTTP/1.1\r\nHos") == b""


def test_a_client_that_does_not_read_is_given_up():
    """Its connection is closed, and what was to be sent is no longer made."""
    sent = []

    async def parts():
        for number in range(1000):
            sent.append(number)
            yield bytes(100_000)

    async def large(_: object) -> StreamingResponse:
        return StreamingResponse(parts())

    limits = Limits(send_seconds=0.3)
    app = Guard(Starlette(routes=[Route("/", large)]), Access(), limits.send_seconds)
    with running(app, limits) as found, found.connected() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(1.5)
        stalled = len(sent)
        assert 0 < len(received(connection)) < 100_000_000 and len(sent) == stalled < 1000


def test_more_connections_than_allowed_are_answered_503_and_the_others_go_on():
    with served(limits=Limits(connections=20)) as found, contextlib.ExitStack() as stack:
        with found.connected() as first:
            first.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert first.recv(100).startswith(b"HTTP/1.1 200 ")
            for _ in range(30):
                stack.enter_context(found.connected())
            wait_for(lambda: found.get("/health").status == 503)
            stack.close()
        wait_for(lambda: found.get("/health").status == 200)


def test_a_model_that_is_replaced_while_serving_goes_on_as_it_was_loaded(tmp_path):
    folder = model_folder(tmp_path)
    engine = TorchEngine.prepare(folder, "cpu", "fp32")
    with served(engine) as found:
        before = found.post("/predict", picture()).body
        for file in folder.iterdir():
            file.write_bytes(b"another model")
        assert found.post("/predict", picture()).body == before


# --- the command ------------------------------------------------------------------------------------------------------
def test_a_port_that_is_taken_is_an_error():
    with server.listen("127.0.0.1", 0) as sock:
        sock.listen()
        with pytest.raises(OutputError, match="another program has this port"):
            server.listen("127.0.0.1", sock.getsockname()[1])


def test_an_address_of_another_machine_is_an_error():
    with pytest.raises(OutputError, match="cannot listen here"):
        server.listen("192.0.2.1", 0)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGTERM ends a process at once there")
def test_the_command_serves_until_it_is_told_to_stop(tmp_path):
    model = model_folder(tmp_path / "mine")
    call = [sys.executable, "-m", "maskwright", "serve", str(model), "--port", "0", "--device", "cpu"]
    with subprocess.Popen(call, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if " at http://" in line)
        assert line.startswith("mine at http://127.0.0.1:") and line.endswith("; Ctrl-C ends it\n")
        found = Running(int(line.split(";")[0].rsplit(":", 1)[1]))
        assert found.get("/health").status == 200 and found.post("/predict", picture()).status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


IMPORTED = """
import maskwright.web.serving, maskwright.web.server, sys
print("LOADED", *sorted(sys.modules))
"""


def test_the_server_itself_needs_no_torch():
    """It may run a model that was exported."""
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout.rsplit("LOADED", 1)[1].split()


# --- videos -----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> bytes:
    av = pytest.importorskip("av", reason="the extra `video` is not installed")
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((96, 128, 3), number * 40, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def test_a_video_is_a_job_with_a_video_and_a_line_a_frame(seer, clip):
    answer = seer.post("/videos", clip)
    assert answer.status == 202 and answer.headers["location"] == f"/videos/{answer.json['id']}"
    job = answer.headers["location"]
    wait_for(lambda: seer.get(job).json["state"] in ("done", "failed"))
    facts = seer.get(job).json
    assert (facts["state"], facts["frames"], facts["most"]) == ("done", 5, {"balloon": 1, "cake": 1})
    lines = [json.loads(line) for line in seer.get(facts["lines"]).body.decode().splitlines()]
    assert len(lines) == 5 and [item["class"] for item in lines[0]["detections"]] == ["balloon", "cake"]
    assert seer.get(facts["video"]).body[4:8] == b"ftyp"
    assert seer.ask("DELETE", job).status == 204 and seer.get(job).status == 404


def test_what_is_no_video_fails_and_names_no_path_of_the_server(seer):
    pytest.importorskip("av", reason="the extra `video` is not installed")
    job = seer.post("/videos", b"no video").headers["location"]
    wait_for(lambda: seer.get(job).json["state"] == "failed")
    facts = seer.get(job).json
    assert facts["message"] and "/tmp" not in json.dumps(facts) and "maskwright-" not in json.dumps(facts)
    assert seer.get(f"{job}/video").status == 409


def test_a_video_that_is_deleted_while_it_runs_leaves_no_files(clip):
    engine = Slow()
    predictor = Detector(engine)
    app = serving({"model": predictor}, Access(), Issues(), Limits(videos=2), ImagesFrom())
    folder: Path = app.app.state.jobs._folder  # type: ignore[attr-defined]
    with running(app) as found:
        job = found.post("/videos", clip).headers["location"]
        assert engine.began.wait(30)
        found.post("/videos", clip)
        assert found.post("/videos", clip).status == 429
        assert found.ask("DELETE", job).status == 204
        engine.go.set()
        wait_for(lambda: len(list(folder.iterdir())) == 1)
    assert not folder.exists()


def test_a_token_must_not_be_short():
    with pytest.raises(RecipeError, match="this token could be guessed"):
        access_to("127.0.0.1", "secret")
    assert access_to("127.0.0.1", None).token is None
    assert len(access_to("0.0.0.0", None).token or "") >= 32
    assert replace(access_to("0.0.0.0", "x" * 16), names=()).token == "x" * 16
