"""One image of many that cannot be read is put aside by name; it stops no training, evaluation or threshold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import class_images
import numpy as np
import pytest
from class_images import Taster
from PIL import Image
from reported import Lines, sentences
from tiny_runs import Seer, party

from maskwright import formats
from maskwright.api.cross_validate import cross_validate
from maskwright.api.data import open_data
from maskwright.api.evaluate import evaluate
from maskwright.api.train import train
from maskwright.curate.unreadable import left_out, readable
from maskwright.errors import ImageError
from maskwright.issues import Issues
from maskwright.prediction.detector import Detector
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.types import Dataset

FIND = Detector(Seer(("balloon",)), threshold=0.5)  # type: ignore[arg-type]
SAID = "1 image cannot be read and is left out: balloons_00000.jpg (this image is damaged or incomplete)"


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Eight images in no split, of which the first one lacks its second half: its header is whole."""
    whole = party(tmp_path / "party", 8)
    first = min(record.image for record in whole)
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    return replace(whole, records=tuple(replace(record, split=None) for record in whole), issues=())


def test_where_all_can_be_read_nothing_is_said(tmp_path):
    whole = party(tmp_path / "party", 2)
    assert readable(whole, None) == (whole, None)


def test_the_sentence_names_five_and_counts_the_rest():
    errors = [ImageError("this image is damaged or incomplete", file=f"x/{number}.jpg") for number in range(7)]
    told = str(left_out(errors))
    assert told.startswith("7 images cannot be read and are left out: 0.jpg (this")
    assert told.endswith("4.jpg (this image is damaged or incomplete), ...")


@pytest.mark.parametrize("validate", [True, False])
@pytest.mark.parametrize("allow_faulty", [True, False])
def test_it_is_not_trained_on(data, validate, allow_faulty):
    said = Issues()
    parts = open_data(data, "segment", validate=validate, allow_faulty=allow_faulty, log=said)
    assert sum(map(len, parts.values())) == 7
    assert f"{data.name}: {SAID}" in sentences(said)


def test_a_training_comes_to_its_end(data, tmp_path):
    train(data, size=64, epochs=1, batch=2, out=tmp_path / "runs", weights="none")


def test_it_is_not_evaluated_on(data, tmp_path):
    done = evaluate(FIND, data, bootstrap=0, out=tmp_path / "out")
    assert len(done.data) == len(done.predictions) == 7 and done.metrics.images == 7
    assert SAID in sentences(done.issues) and "balloons_00000.jpg" in (tmp_path / "out" / "evaluation.html").read_text(
        "utf-8"
    )


def test_a_classifier_is_not_evaluated_on_it(tmp_path):
    images = class_images.save(tmp_path / "images", 4)
    data = formats.read(images)
    first = data.records[0].image
    first.write_bytes(first.read_bytes()[:60])
    done = evaluate(ImageClassifier(Taster()), data, bootstrap=0)  # type: ignore[arg-type]
    assert len(done.data) == len(done.predictions) == len(data) - 1 and first.name in str(done.issues[0])


def test_the_folds_do_without_it(data, tmp_path):
    lines = Lines()
    done = cross_validate(
        data,
        k=2,
        size=64,
        epochs=1,
        batch=2,
        out=tmp_path / "runs",
        weights="none",
        log=lines,
        bootstrap=0,
    )
    assert done.pooled.images == 7 and f"{data.name}: {SAID}" in lines


def test_where_none_can_be_read_the_first_error_is_raised(data):
    for record in data:
        record.image.write_bytes(record.image.read_bytes()[: record.image.stat().st_size // 3])
    for work in (lambda: open_data(data, "segment"), lambda: evaluate(FIND, data, bootstrap=0)):
        with pytest.raises(ImageError, match="damaged or incomplete"):
            work()


def test_an_image_of_which_only_the_thumbnail_fails_is_kept(tmp_path, monkeypatch):
    whole = party(tmp_path / "party", 2)
    assert readable(whole, [whole.records[0].image]) == (whole, None)


def test_pixels_of_the_others_are_looked_at_in_order(data):
    done = evaluate(FIND, data, bootstrap=0)
    names = [record.image.name for record in done.data]
    assert names == [record.image.name for record in data if record.image.name != "balloons_00000.jpg"]
    assert all(np.asarray(Image.open(record.image)).shape[:2] == record.size for record in done.data)
