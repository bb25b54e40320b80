"""GDXray: series of castings and welds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reported import absent, put_aside, sentences

from maskwright.errors import DatasetError
from maskwright.formats import gdxray
from maskwright.formats.reading import Faults, Head
from maskwright.types import Dataset


def read(path: Path) -> Dataset:
    faults = Faults(path)
    return faults.into(gdxray.read(path, faults))


def series(folder: Path, images: int, ground_truth: str | None, size: tuple[int, int] = (30, 40)) -> Path:
    folder.mkdir(parents=True)
    for number in range(1, images + 1):
        Image.new("L", size[::-1], 90).save(folder / f"{folder.name}_{number:04}.png")
    if ground_truth is not None:
        (folder / "ground_truth.txt").write_text(ground_truth)
    return folder


def test_images_without_a_row_are_labeled_and_empty(tmp_path):
    found = read(series(tmp_path / "C0001", 3, "2 1 5 1 5\n"))
    assert [record.state for record in found] == ["empty", "labeled", "empty"]


def test_a_series_without_a_list_is_unlabeled_and_not_claimed(tmp_path):
    folder = series(tmp_path / "C0001", 2, None)
    assert gdxray.sniff(Head(folder)) is None
    assert read(folder).state_counts()["unlabeled"] == 2


def test_rows_have_both_x_first_and_whole_numbers_stay(tmp_path):
    found = read(series(tmp_path / "C0001", 2, "   2.0000e+00   5.0e+00   40.0e+00   7.0e+00   9.0e+00\n"))
    assert found.names == ("casting defect",)
    assert found.records[1].instances.boxes.tolist() == [[5, 7, 40, 9]]
    assert [record.group for record in found] == ["C0001", "C0001"]


def test_matlab_edges_lose_half_a_pixel(tmp_path):
    found = read(series(tmp_path / "W0001", 1, "1 0.5 40.5 3.5 4.5\n"))
    assert found.records[0].instances.boxes.tolist() == [[0, 3, 40, 4]]
    assert sentences(found) == ()


def test_each_connected_part_of_a_weld_mask_is_one_flaw(tmp_path):
    folder = series(tmp_path / "Welds" / "W0001", 1, "1 0.5 1.5 0.5 1.5\n")
    mask = np.zeros((30, 40), np.uint8)
    mask[0, 0] = mask[1, 1] = 1  # meet at a corner: one
    mask[10:12, 10:12] = 200
    masks = series(tmp_path / "Welds" / "W0002", 0, None)
    Image.fromarray(mask).save(masks / "W0002_0001.png")
    instances = read(folder.parent).records[0].instances
    assert instances.masks.area.tolist() == [2, 4]
    assert instances.boxes.tolist() == [[0, 0, 2, 2], [10, 10, 12, 12]]


def test_welds_and_welding_are_one_series(tmp_path):
    for name in ("Welds", "Welding"):
        series(tmp_path / name / "W0001", 2, "1 1 5 1 5\n")
    found = read(tmp_path)
    assert (len(found), found.instance_count) == (2, 1)


def test_a_row_that_is_no_row_is_named(tmp_path):
    ground_truth = "".join("1 1 5 1 5\n" for _ in range(40)) + "1 2 x\n"
    found = read(series(tmp_path / "C0001", 1, ground_truth))
    assert [str(fault) for fault in put_aside(found)] == [
        "C0001/ground_truth.txt, line 41: row: expected five numbers: picture, x1, x2, y1, y2, got 1 2 x"
    ]


def test_a_row_of_an_absent_image_is_named(tmp_path):
    found = read(series(tmp_path / "C0001", 1, "1 1 5 1 5\n7 1 5 1 5\n"))
    assert absent(found) == ["C0001_0007.png"]


def test_a_mask_of_another_size_is_a_fault_and_the_box_stays(tmp_path):
    folder = series(tmp_path / "W0001", 1, "".join("1 1 5 1 5\n" for _ in range(30)))
    masks = series(tmp_path / "W0002", 0, None)
    Image.new("1", (9, 9), 1).save(masks / "W0002_0001.png")
    found = read(tmp_path)
    assert found.instance_count == 30 and folder.name == found.records[0].group
    assert (
        put_aside(found)[0].values["expected"] == "30 x 40, the image's own"
        and put_aside(found)[0].values["got"] == "9 x 9"
    )


def test_the_series_of_masks_alone_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="holds masks, not images"):
        read(series(tmp_path / "W0002", 1, "1 1 5 1 5\n"))


def test_the_whole_folder_reads_at_once(shared):
    found = read(shared / "data/gdxray")
    assert found.names == ("casting defect", "weld defect")
    assert (len(found), found.class_counts()) == (283, {"casting defect": 304 + 14, "weld defect": 356})
    assert found.state_counts() == {"labeled": 186, "empty": 97, "unlabeled": 0, "skipped": 0}
    assert {record.group for record in found} == {"C0001", "C0002", "C0043", "C0045", "C0051", "W0001"}
    assert put_aside(found) == [] and sentences(found) == ()


@pytest.mark.parametrize(
    ("name", "images", "boxes", "with_defects", "most"),
    [("C0002", 90, 88, 60, 3), ("C0043", 37, 59, 36, 2), ("C0045", 66, 71, 29, 4), ("C0051", 77, 86, 49, 4)],
)
def test_each_series_has_its_counts(shared, name, images, boxes, with_defects, most):
    found = read(shared / "data/gdxray/Castings" / name)
    counts = [len(record.instances) for record in found]
    assert (len(counts), sum(counts), sum(map(bool, counts)), max(counts)) == (images, boxes, with_defects, most)


def test_the_boxes_are_those_of_the_published_table(shared):
    """castings_boxes.csv has the same boxes as whole numbers, written by somebody else."""
    rows = (shared / "data/gdxray/lists/castings_boxes.csv").read_text().splitlines()[1:]
    table = sorted((Path(row[0]).name, *map(float, row[1:5])) for row in (line.split(",") for line in rows) if row[1])
    found = read(shared / "data/gdxray/Castings")
    mine = sorted((record.image.name, *box) for record in found for box in record.instances.boxes.tolist())
    assert mine == [row for row in table if row[0][:5] in ("C0002", "C0043", "C0045", "C0051")]


def test_weld_parts_have_the_boxes_of_the_list(shared):
    """Each of the 356 rows, half a pixel taken off, is the box of one connected part of the mask, and the other way."""
    for record in read(shared / "data/gdxray/Welding"):
        number = int(record.image.stem[-4:])
        rows = np.loadtxt(shared / "data/gdxray/Welding/W0001/ground_truth.txt")
        listed = rows[rows[:, 0] == number][:, [1, 3, 2, 4]] - 0.5
        assert sorted(listed.tolist()) == sorted(record.instances.masks.boxes.tolist())


def test_weld_masks_keep_all_their_pixels(shared):
    areas = [int(record.instances.masks.area.sum()) for record in read(shared / "data/gdxray/Welding")]
    assert areas == [112852, 16356, 13781, 32105, 100863]


def test_simulated_castings_are_read_by_their_masks(shared):
    found = read(shared / "data/gdxray/Castings_simulated")
    assert gdxray.sniff(Head(shared / "data/gdxray/Castings_simulated")) is not None
    counts = {record.image.stem: len(record.instances) for record in found}
    assert counts == {"C0001_00011": 1, "C0001_00021": 1, "C0001_00022": 2, "C0001_00042": 3, "C0001_00051": 3,
                      "C0001_00072": 3, "C0001_00112": 0, "C0001_00301": 1}  # fmt: skip
