"""A file's name that is no UTF-8 (Linux allows any bytes; old archives bring them) survives every output."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from tiny_runs import Seer, party

from maskwright import formats
from maskwright.api.evaluate import evaluate
from maskwright.api.predict import predict
from maskwright.api.train import train
from maskwright.cli.main import main
from maskwright.escaping import percent_encoded
from maskwright.prediction.detector import Detector

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are not bytes there")

FIND = Detector(Seer(("balloon",)), threshold=0.5)  # type: ignore[arg-type]
ODD = os.fsdecode(b"caf\xe9 100%.jpg")


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Rendered images of which one has such a name, in the annotations as in an address."""
    party(tmp_path / "party", 6)
    folder = tmp_path / "party" / "train"
    first = min(folder.glob("*.jpg"))
    first.rename(folder / ODD)
    file = folder / "via_region_data.json"
    file.write_text(file.read_text("utf-8").replace(first.name, percent_encoded(ODD)), encoding="utf-8")
    return tmp_path / "party"


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "coco", "masks", "crops"])
def test_it_is_predicted_like_any_other(odd, tmp_path, kind):
    done = predict(FIND, odd / "train", out=tmp_path / "out", save=[kind], sort_into=tmp_path / "sorted")
    assert not done.failed and (tmp_path / "out" / Path(ODD).with_suffix(".jpg").name).is_file()
    for file in done.files:
        text = file.read_text("utf-8")  # whole and valid, whatever it holds
        assert kind != "csv" or "caf\\udce9 100%.jpg" in text
        told = (
            [json.loads(line) for line in text.splitlines()] if kind == "jsonl" else kind != "csv" and json.loads(text)
        )
        if kind in ("json", "jsonl"):
            assert ODD in {Path(item["file"]).name for item in told}  # Python reads the very name again
    assert (tmp_path / "sorted" / "balloon" / ODD).is_file()


@pytest.mark.parametrize("to", ["coco", "via", "voc", "boxes-csv", "tfrecord"])
@pytest.mark.parametrize("copied", [True, False])
def test_what_is_converted_is_read_again_with_all_its_images(odd, tmp_path, to, copied, capsys):
    out = odd / "train" / "new" if not copied else tmp_path / "new"
    words = ["convert", str(odd / "train" / "via_region_data.json"), str(out), "--to", to]
    with pytest.raises(SystemExit) as ended:
        main([*words, *["--copy-images"] * copied])
    assert ended.value.code == 0, capsys.readouterr().err
    if copied:
        again = formats.read(out)
        assert again.state_counts()["labeled"] == formats.read(odd / "train").state_counts()["labeled"]
    else:
        assert any(out.rglob("*"))


def test_it_is_split(odd, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["split", str(odd / "train"), str(tmp_path / "out"), "--val", "0.4"])
    assert ended.value.code == 0, capsys.readouterr().err
    assert len(formats.read(tmp_path / "out")) == len(formats.read(odd / "train"))


def test_a_class_folder_of_such_a_name_is_trained_on(odd, tmp_path):
    for name in (os.fsdecode(b"d\xe9faut"), "bon"):
        (tmp_path / "cls" / name).mkdir(parents=True)
    for number, image in enumerate(sorted(odd.rglob("*.jpg"))):
        name = ("bon", os.fsdecode(b"d\xe9faut"))[number % 2]
        image.rename(tmp_path / "cls" / name / f"{number}_{image.name}")
    data = formats.read(tmp_path / "cls")
    assert data.names == ("bon", "d%E9faut")
    done = train(data, task="classify", size=64, epochs=1, out=tmp_path / "runs", validate=False, weights="none")
    assert (done.folder / "run.json").is_file() and (done.model / "card.json").is_file()


def test_it_is_evaluated(odd, tmp_path):
    evaluate(FIND, odd / "train", out=tmp_path / "out", bootstrap=0)
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text("utf-8"))
    assert (tmp_path / "out" / "evaluation.html").read_text("utf-8")
