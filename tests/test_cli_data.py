"""maskwright show, split and synth: a user's folder in, counts, pictures and folders out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright import formats
from maskwright.cli.main import main
from maskwright.types import Dataset, Instances, Record, RleMasks

SIZE = (48, 64)


def maskwright(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code, *capsys.readouterr()


def ring() -> RleMasks:
    """One object with a hole and two parts: what polygons cannot hold."""
    dense = np.zeros((1, *SIZE), bool)
    dense[0, 10:30, 10:30] = True
    dense[0, 15:20, 15:20] = False
    dense[0, 40:44, 50:60] = True
    return RleMasks.from_dense(dense)


@pytest.fixture
def party(tmp_path: Path) -> Path:
    """Eight images that do not look alike: six with a balloon each, two without any."""
    folder = tmp_path / "party"
    folder.mkdir()
    rng = np.random.default_rng(0)
    records = []
    for number in range(8):
        path = folder / f"image_{number}.png"
        blocks = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)).save(path)
        masks = ring() if number < 6 else RleMasks.empty(SIZE)
        instances = Instances(masks.boxes, np.zeros(len(masks)), None, masks, ("balloon",))
        records.append(Record(path, SIZE, instances))
    formats.write(Dataset("party", ("balloon",), tuple(records)), folder / "annotations.json", "coco")
    return folder


# --- show -------------------------------------------------------------------------------------------------------------
def test_show_counts_and_draws(party, tmp_path, capsys):
    code, out, err = maskwright(capsys, "show", party, "--out", tmp_path / "sheet.png", "--count", "4")
    assert code == 0
    assert out.splitlines()[:3] == [
        "party (coco): 8 images (6 labeled, 2 empty)",
        "class    objects",
        "balloon        6",
    ]
    assert err.startswith("4 of 8 images drawn on")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 600


def test_show_without_a_sheet_writes_nothing(party, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = maskwright(capsys, "show", party, "--count", 0, "--json")
    facts = json.loads(out)
    assert code == 0 and facts["states"] == {"labeled": 6, "empty": 2, "unlabeled": 0, "skipped": 0}
    assert facts["sheet"] is None and [path.name for path in tmp_path.iterdir()] == ["party"]


def test_show_names_an_image_it_cannot_read_and_goes_on(party, tmp_path, capsys):
    whole = (party / "image_3.png").read_bytes()
    (party / "image_3.png").write_bytes(whole[: len(whole) // 2])
    code, _, err = maskwright(capsys, "show", party, "--out", tmp_path / "sheet.png")
    assert code == 0 and "image_3.png" in err and "7 of 8 images drawn" in err


def test_show_refuses_an_ending_it_cannot_write(party, capsys):
    code, _, err = maskwright(capsys, "show", party, "--out", "sheet.psd")
    assert code == 2 and "not a kind of picture we write" in err


# --- split ------------------------------------------------------------------------------------------------------------
def test_split_keeps_every_image_and_every_pixel_of_every_object(party, tmp_path, capsys):
    out = tmp_path / "divided"
    code, text, _ = maskwright(capsys, "split", party, out, "--val", 0.25)
    assert code == 0 and text.splitlines()[0].split() == ["images", "balloon"]
    before, after = formats.read(party), formats.read(out)
    assert {name: len(part) for name, part in after.splits().items()} == {"train": 6, "val": 2}
    assert {record.image.name for record in after} == {record.image.name for record in before}
    assert after.instance_count == before.instance_count == 6
    for record in after:
        assert record.image.read_bytes() == (party / record.image.name).read_bytes()
        assert record.instances is not None and record.instances.masks is not None
        if len(record.instances):
            assert record.instances.masks.iou(ring())[0, 0] == 1


def test_split_gives_the_same_division_for_the_same_seed(party, tmp_path, capsys):
    for name, seed in (("a", 0), ("b", 0)):
        maskwright(capsys, "split", party, tmp_path / name, "--seed", seed, "--quiet")
    names = [sorted(path.name for path in (tmp_path / name / "val").glob("*.png")) for name in "ab"]
    assert names[0] == names[1] != []


def test_split_into_via_says_what_is_lost(party, tmp_path, capsys):
    code, out, _ = maskwright(capsys, "split", party, tmp_path / "divided", "--format", "via", "--json")
    assert code == 0 and any(issue["code"].endswith("_lost") for issue in json.loads(out)["issues"])


def test_split_of_class_folders_gives_class_folders(tmp_path, capsys):
    rng = np.random.default_rng(1)
    for number in range(12):
        folder = tmp_path / "steel" / ("rust", "clean")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        blocks = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)).save(
            folder / "image.png" if number < 2 else folder / f"{number}.png"
        )
    out = tmp_path / "divided"
    code, _, _ = maskwright(capsys, "split", tmp_path / "steel", out, "--test", 0.2)
    assert code == 0
    assert sorted(path.relative_to(out).as_posix() for path in out.glob("*/*")) == [
        f"{part}/{name}" for part in ("test", "train", "val") for name in ("clean", "rust")
    ]
    assert len(list(out.rglob("*.png"))) == 12
    assert formats.read(out).class_counts() == {"clean": 6, "rust": 6}


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Nine images with two, one or none of two classes, as a table of labels; one class has no name for a folder."""
    rng = np.random.default_rng(3)
    rows = ["file,labels"]
    for number in range(9):
        blocks = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        (tmp_path / "several").mkdir(exist_ok=True)
        Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)).save(tmp_path / "several" / f"{number}.png")
        rows.append(f"{number}.png,{('rust;../dent', 'rust', 'none')[number % 3]}")
    (tmp_path / "several" / "labels.csv").write_text("\n".join(rows))
    return tmp_path / "several"


def test_split_of_images_with_several_labels_gives_tables(several, tmp_path, capsys):
    """No image is put into a folder by its first label, nor where a class named ../dent would lead."""
    out = tmp_path / "divided"
    code, _, err = maskwright(capsys, "split", several, out, "--val", 0.34)
    assert (code, err) == (0, "")
    assert {path.parent.name for path in out.rglob("*.png")} == {"train", "val"}
    before, after = formats.read(several), formats.read(out)
    assert after.format == "labels_csv" and after.class_counts() == before.class_counts() == {"../dent": 3, "rust": 6}
    assert {name: len(part) for name, part in after.splits().items()} == {"train": 6, "val": 3}
    said = {item.image.read_bytes(): item.labels for item in before}
    assert all(said[item.image.read_bytes()] == item.labels for item in after)


@pytest.mark.parametrize("format", ["labels-csv", "labels_csv"])
def test_split_of_objects_into_tables_says_that_shapes_are_lost(party, tmp_path, capsys, format):
    code, _, err = maskwright(capsys, "split", party, tmp_path / "divided", "--format", format)
    assert code == 0 and "train: 5 outlines cannot be kept\n" in err
    assert {item.labels for item in formats.read(tmp_path / "divided")} == {(0,), ()}


def test_images_of_one_name_are_both_kept(tmp_path, capsys):
    rng = np.random.default_rng(2)
    records = []
    for index in ("monday", "tuesday", "wednesday"):
        (tmp_path / "week" / index).mkdir(parents=True)
        path = tmp_path / "week" / index / "a.png"
        Image.fromarray(rng.integers(0, 255, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)).save(path)
        masks = ring()
        records.append(Record(path, SIZE, Instances(masks.boxes, [0], None, masks, ("balloon",))))
    data = Dataset("week", ("balloon",), tuple(records))
    formats.write(data, tmp_path / "week" / "annotations.json", "coco")
    code, _, err = maskwright(capsys, "split", tmp_path / "week", tmp_path / "out", "--val", 0.3)
    assert code == 0, err
    assert len(list((tmp_path / "out").rglob("*.png"))) == 3
    assert formats.read(tmp_path / "out").instance_count == 3


def test_a_failed_split_leaves_nothing_behind(party, tmp_path, capsys):
    code, _, err = maskwright(capsys, "split", party, tmp_path / "out", "--val", 1.5)
    assert code == 2 and "not a fraction of images" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["party"]


# --- synth ------------------------------------------------------------------------------------------------------------
def test_synth_makes_a_data_set_that_reads_back(tmp_path, capsys):
    code, out, _ = maskwright(capsys, "synth", "balloons", tmp_path / "p", "--count", "5", "--size", "96x64", "--json")
    facts = json.loads(out)
    assert code == 0 and facts["images"] == 5 and facts["splits"] == {"train": 4, "val": 1}
    assert {record.size for record in formats.read(tmp_path / "p")} == {(64, 96)}


@pytest.mark.parametrize("arguments", [("--size", "big"), ("--size", "0x0"), ("--val", 2)])
def test_synth_explains_what_it_cannot_do(tmp_path, capsys, arguments):
    code, _, err = maskwright(capsys, "synth", "balloons", tmp_path / "p", *arguments)
    assert code == 2 and "expected" in err and not (tmp_path / "p").exists()


def test_synth_offers_the_nearest_kind(tmp_path, capsys):
    code, _, err = maskwright(capsys, "synth", "baloons", tmp_path / "p")
    assert code == 2 and 'Did you mean "balloons"?' in err


# --- where to write ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("call", [["split", "DATA"], ["convert", "DATA", "--to", "coco"], ["synth", "balloons"]])
def test_a_new_data_set_is_named_as_out_or_by_the_option_and_once(call, party, tmp_path, capsys):
    call = [str(party) if item == "DATA" else item for item in call] + (["--count", "2"] if call[0] == "synth" else [])
    for named in ([], [str(tmp_path / "a"), "--out", str(tmp_path / "b")]):
        with pytest.raises(SystemExit) as end:
            main(call + named)
        err = capsys.readouterr().err
        assert end.value.code == 2 and "where to write must be said once" in err
    with pytest.raises(SystemExit) as end:
        main([*call, "--out", str(tmp_path / "b")])
    assert end.value.code == 0 and (tmp_path / "b").is_dir() and not (tmp_path / "a").exists()


@pytest.mark.parametrize("format", ["via", "coco"])
def test_synth_counts_the_objects_that_its_files_hold(format, tmp_path, capsys):
    """VIA holds an object of several parts as several objects."""
    words = ["synth", "balloons", str(tmp_path / "party"), "--count", "8", "--size", "320x240", "--seed", "1", "--json"]
    with pytest.raises(SystemExit):
        main([*words, "--format", format])
    told = json.loads(capsys.readouterr().out)
    assert told["objects"] == formats.read(tmp_path / "party").class_counts() and told["images"] == 8
    assert bool(told["issues"]) == (format == "via")
