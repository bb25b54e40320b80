"""Statistics of a dataset: the numbers, the page, the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskwright
from maskwright.cli.main import main
from maskwright.curate.stats import Spread, Stats
from maskwright.errors import RecipeError
from maskwright.report import page
from maskwright.report.dataset_sections import sections_of
from maskwright.types import Dataset, Instances, Record, RleMasks

NAMES = ("rust", "dent")


def record(*boxes: list[float], classes: list[int] | None = None, size=(100, 200), **more) -> Record:
    table = np.array(boxes, np.float32).reshape(-1, 4)
    drawn = Instances(table, np.array(classes or [0] * len(table)), None, None, NAMES, more.pop("crowd", None))
    return Record(Path("a.png"), size, drawn, **more)


def stats(*records: Record) -> Stats:
    return Stats.of(Dataset("some", NAMES, records))


# --- numbers ------------------------------------------------------------------------------------
def test_nothing_has_no_spread_and_no_fit():
    facts = stats().to_dict()
    assert facts["images"] == {"count": 0, "width": None, "height": None}
    assert facts["objects"]["side"] is None and stats().fit("small", 512, [32], [1]) is None


def test_sizes_are_in_pixels_and_in_fractions_of_the_image():
    found = stats(record([10, 10, 50, 20]), record([0, 0, 8, 8], classes=[1]))
    assert found.to_dict()["images"]["width"] == Spread(200, 200, 200, 200, 200)
    rust = found.of_class(0)
    assert (rust["width"].median, rust["height"].median, rust["side"].median) == (40, 10, 20)
    assert (rust["width_by_height"].median, rust["fraction_of_image"].median) == (4, pytest.approx(0.02))
    assert found.of_class(1)["objects"] == 1


def test_crowds_and_skipped_images_are_left_out():
    crowd = record([0, 0, 9, 9], [20, 20, 60, 60], crowd=np.array([False, True]))
    assert len(stats(crowd)) == 1
    assert len(stats(record([0, 0, 9, 9], skipped=True))) == 0


def test_objects_that_overlap_by_half_are_counted_both():
    found = stats(record([0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]))
    assert found.overlapped.tolist() == [True, True, False]
    assert found.to_dict()["crowding"]["overlapped"] == 2


def test_a_mask_says_how_much_of_its_box_is_filled():
    triangle = RleMasks.from_polygons([[np.array([[0, 0], [40, 0], [0, 40]], float)]], (100, 200))
    drawn = Instances(triangle.boxes, np.zeros(1), None, triangle, NAMES)
    filled = stats(Record(Path("a.png"), (100, 200), drawn)).of_class(0)["fraction_of_box"]
    assert filled.median == pytest.approx(0.5, abs=0.03)
    assert stats(record([0, 0, 9, 9])).of_class(0)["fraction_of_box"] is None


def test_an_object_of_the_size_of_an_anchor_fits_wholly_and_a_tiny_one_is_too_small():
    found = stats(record([0, 0, 64, 64], [0, 0, 4, 4]))
    fit = found.fit("small", 200, [32.0, 64.0], [0.5, 1.0, 2.0])
    assert fit is not None and (fit.above_half, fit.smaller, fit.larger) == (0.5, 0.5, 0.0)
    half = stats(record([0, 0, 64, 64])).fit("small", 100, [32.0], [1.0])
    assert half is not None and half.median == 1.0  # it is seen half as large


def test_classes_of_whole_images_are_counted_as_images():
    called = [Record(Path("a.png"), (9, 9), None, labels=(1,)), Record(Path("b.png"), (9, 9), None, labels=(1,))]
    assert stats(*called).of_class(1)["images"] == 2


# --- the page -----------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [0, 1, 300])
def test_a_page_of_any_number_of_images_can_be_made_and_stays_small(count):
    random = np.random.default_rng(1)
    records = []
    for _ in range(count):
        corner = random.uniform(0, 90, (6, 2))
        records.append(record(*np.concatenate([corner, corner + random.uniform(1, 60, (6, 2))], 1).tolist()))
    found = stats(*records)
    text = page.render("some", sections_of(found))
    assert len(text) < 300_000
    assert ("Shapes of the objects" in text) == (count > 0)


def test_of_many_classes_the_page_shows_the_most_frequent():
    names = tuple(f"class {number}" for number in range(50))
    drawn = Instances(np.array([[0, 0, 9, 9]] * 50), np.arange(50), None, None, names)
    found = Stats.of(Dataset("some", names, (Record(Path("a.png"), (50, 50), drawn),)))
    assert "the 30 most frequent of 50 classes" in page.render("some", sections_of(found))


# --- the command --------------------------------------------------------------------------------
@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "steel"
    folder.mkdir()
    Image.new("RGB", (200, 100)).save(folder / "a.png")
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax", "a.png,200,100,rust,10,10,50,20"]
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def test_the_command_prints_a_table_and_writes_a_page(data, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["stats", str(data), "--out", str(tmp_path / "stats.html")])
    out = capsys.readouterr().out
    assert end.value.code == 0 and "steel: 1 images, 1 objects" in out
    assert "rust         1       1  20    20 to 20" in out
    assert "<h1>Statistics of steel</h1>" in (tmp_path / "stats.html").read_text("utf-8")


def test_json_has_the_numbers_and_the_anchors(data, capsys):
    with pytest.raises(SystemExit):
        main(["stats", str(data), "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert facts["classes"]["rust"]["side"]["median"] == 20
    assert [fit["model"] for fit in facts["anchors"]] == ["small", "mask_rcnn_r50"]


def test_a_page_needs_the_ending_of_one(data):
    with pytest.raises(RecipeError, match="name of a page ends"):
        maskwright.stats(data, out=data / "stats.txt")
    assert not (data / "stats.txt").exists()
