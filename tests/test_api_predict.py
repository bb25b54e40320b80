"""Predict, splash, evaluate as Python functions, with an engine that finds what the tests know."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from reported import Lines, sentences
from tiny_runs import SIZE, Seer, classifier_folder, model_folder, party

from maskwright import formats, interop
from maskwright.api.evaluate import evaluate
from maskwright.api.predict import Predicted, predict
from maskwright.api.splash import splash
from maskwright.drawing.colors import color_of
from maskwright.errors import DatasetError, ImageError, OutputError, UnknownName
from maskwright.issues import Issues, IssueWarning
from maskwright.prediction.detector import Detector
from maskwright.prediction.loading import load
from maskwright.prediction.predictor import Predictor
from maskwright.prediction.threshold_origins import SCORE_THRESHOLD
from maskwright.tasks.detection.evaluation import data_issues
from maskwright.training.recipe import Recipe
from maskwright.training.run_folder import RunFolder
from maskwright.types import Dataset, Instances, Record, RleMasks
from maskwright.weights.card import read_card, write_card
from maskwright.weights.image_hashes import image_hash, pack

EVERYTHING = ("json", "csv", "coco", "masks", "crops")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images in color, and a text file that calls itself one."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.png", "c.png"):
        Image.fromarray(rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8)).save(folder / name)
    (folder / "b.jpg").write_text("not an image")
    return folder


@pytest.fixture
def find() -> Predictor:
    return Detector(Seer())


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def saved(find: Predictor, images: Path, tmp_path: Path, *kinds: str, **more: object) -> tuple[Predicted, Path]:
    out = tmp_path / "out"
    return predict(find, str(images / "a.png"), out=out, save=kinds, **more), out  # type: ignore[arg-type]


# --- which images -----------------------------------------------------------------------------------
def test_nothing_is_written_without_a_folder(find: Predictor, images: Path) -> None:
    before = sorted(images.parent.rglob("*"))
    assert predict(find, images / "a.png").counts() == {"balloon": 1, "cake": 1}
    assert sorted(images.parent.rglob("*")) == before


def test_an_image_that_cannot_be_read_is_named_and_the_others_go_on(find: Predictor, images: Path) -> None:
    with pytest.warns(IssueWarning, match=r"image_not_read: .*b\.jpg"):
        done = predict(find, images)
    assert [Path(image.image).name for image in done.images] == ["a.png", "c.png"]
    assert [type(error) for error in done.failed] == [ImageError]
    assert "b.jpg" in str(done.failed[0])


def test_where_no_image_can_be_read_that_is_the_error(find: Predictor, images: Path) -> None:
    with pytest.raises(ImageError, match=r"b\.jpg"):
        predict(find, images / "b.jpg")


def test_images_of_one_name_do_not_overwrite_each_other(find: Predictor, images: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    Image.new("RGB", (64, 48)).save(tmp_path / "more" / "a.png")
    done = predict(find, [images / "a.png", tmp_path / "more"], out=tmp_path / "out", save=("masks",))
    written = [file for image in done.images for file in image.files]
    assert len(set(written)) == len(written) and all(file.is_file() for file in written)


def test_pictures_never_land_among_the_images(find: Predictor, images: Path) -> None:
    """`--out .` would have drawn over the only copy of an image."""
    before = {path: path.read_bytes() for path in images.iterdir()}
    with pytest.raises(OutputError, match="might replace them"):
        predict(find, images, out=images)
    with pytest.raises(OutputError, match="might replace them"):
        splash(find, images / "a.png", out=images / ".." / "images")
    assert {path: path.read_bytes() for path in images.iterdir()} == before
    predict(find, images / "a.png", out=images, pictures=False, save=("csv",))  # text replaces no image


def test_images_of_one_name_in_different_folders_keep_their_folders(find: Predictor, images: Path) -> None:
    for folder in ("pier_1", "pier_2/north"):
        (images / folder).mkdir(parents=True)
        shutil.copyfile(images / "a.png", images / folder / "a.png")
    out = images / "out"  # in the folder of the images: its pictures are no images the second time
    for _ in range(2):
        done = predict(find, images / "pier_1" / "..", out=out, recursive=True, save=("masks",), log=Issues())
        assert sorted(image.stem for image in done.images) == ["a", "c", "pier_1/a", "pier_2/north/a"]
        pictures = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.jpg"))
        assert pictures == ["a.jpg", "c.jpg", "pier_1/a.jpg", "pier_2/north/a.jpg"]
        assert (out / "masks" / "pier_2" / "north" / "a_1_balloon.png").is_file()
    splashed = splash(find, images, out=out, recursive=True, log=Issues())
    assert {image.files[0] for image in splashed.images} == {out / name for name in pictures}


def test_recursive_pictures_never_replace_an_image(find: Predictor, images: Path) -> None:
    """images/b/a.png would be drawn onto images/b.../a.jpg where the pictures go to the folder above."""
    (images / "images").mkdir()
    shutil.copyfile(images / "a.png", images / "images" / "a.png")
    with pytest.raises(OutputError, match="might replace them"):
        predict(find, images, out=images.parent, recursive=True, log=Issues())


def test_a_classifier_draws_its_label_and_score(images: Path, tmp_path: Path) -> None:
    model, out = load(classifier_folder(tmp_path / "model", ("norust", "rust"))), tmp_path / "out"
    plain = predict(model, images / "a.png", out=out, pictures=False)
    assert plain.images[0].files == () and not out.exists()
    done = predict(model, images / "a.png", out=out)
    assert done.images[0].files == (out / "a.jpg",)
    (chosen,) = done.images[0].image_labels.chosen
    drawn = pixels_of(out / "a.jpg").astype(int)
    assert drawn.shape == (*SIZE, 3) and np.abs(drawn[1:3, 1:3] - color_of(chosen)).max() < 40


def test_a_folder_that_is_a_file_is_an_output_error(find: Predictor, images: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError):
        predict(find, images / "a.png", out=tmp_path / "out")


# --- what is found ----------------------------------------------------------------------------------
def test_classes_can_be_chosen(find: Predictor, images: Path) -> None:
    assert predict(find, images / "a.png", classes=["cake"]).counts() == {"cake": 1}


def test_an_unknown_class_gets_the_nearest_one(find: Predictor, images: Path) -> None:
    with pytest.raises(UnknownName, match=r'"baloon"\. Did you mean "balloon"\?'):
        predict(find, images / "a.png", classes=["baloon"])


def test_the_threshold_decides_what_is_shown(images: Path) -> None:
    assert predict(Detector(Seer(), threshold=0.85), images / "a.png").counts() == {"balloon": 1}
    assert predict(Detector(Seer(), threshold=0.95), images / "a.png").counts() == {}


def test_a_kind_of_result_nobody_knows_gets_the_nearest_one(find: Predictor, images: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match='Did you mean "masks"'):
        saved(find, images, tmp_path, "mask")


def test_saving_needs_a_folder(find: Predictor, images: Path) -> None:
    with pytest.raises(OutputError, match="no folder to save into"):
        predict(find, images / "a.png", save=("csv",))


# --- what is written --------------------------------------------------------------------------------
def test_the_picture_is_of_the_images_size(find: Predictor, images: Path, tmp_path: Path) -> None:
    done, out = saved(find, images, tmp_path)
    assert done.images[0].files == (out / "a.jpg",)
    assert pixels_of(out / "a.jpg").shape == (*SIZE, 3)


def test_json_holds_the_instances_exactly(find: Predictor, images: Path, tmp_path: Path) -> None:
    done, out = saved(find, images, tmp_path, "json")
    (row,) = json.loads(read(out / "predictions.json"))
    assert (row["image"]["height"], row["image"]["width"]) == SIZE and row["counts"] == {"balloon": 1, "cake": 1}
    back, expected = interop.from_rows(row["detections"], find.card.classes, SIZE), done.images[0].instances
    assert np.array_equal(back.boxes, expected.boxes) and np.array_equal(back.classes, expected.classes)
    assert back.masks is not None and expected.masks is not None
    assert np.array_equal(back.masks.dense(), expected.masks.dense())


def test_csv_has_a_line_an_object(find: Predictor, images: Path, tmp_path: Path) -> None:
    done, out = saved(find, images, tmp_path, "csv")
    rows, expected = list(csv.DictReader(io.StringIO(read(out / "predictions.csv")))), done.images[0].instances
    assert [row["class"] for row in rows] == expected.labels
    assert [float(row["x1"]) for row in rows] == expected.boxes[:, 0].tolist()
    assert expected.masks is not None and [float(row["area"]) for row in rows] == expected.masks.area.tolist()
    assert {row["image"] for row in rows} == {str(images / "a.png")}


def test_coco_results_can_be_read_as_masks(find: Predictor, images: Path, tmp_path: Path) -> None:
    done, out = saved(find, images, tmp_path, "coco")
    results, expected = json.loads(read(out / "coco_results.json")), done.images[0].instances
    assert [(result["image_id"], result["category_id"]) for result in results] == [(1, 1), (1, 2)]
    masks = RleMasks.from_coco([result["segmentation"] for result in results])
    assert expected.masks is not None and np.array_equal(masks.dense(), expected.masks.dense())


def test_masks_are_the_instances_one_file_each(find: Predictor, images: Path, tmp_path: Path) -> None:
    done, out = saved(find, images, tmp_path, "masks")
    expected = done.images[0].instances.masks
    assert expected is not None
    for index, (name, dense) in enumerate(zip(("a_1_balloon.png", "a_2_cake.png"), expected.dense(), strict=True)):
        pixels = pixels_of(out / "masks" / name)
        assert np.array_equal(pixels, dense * np.uint8(255)), index


def test_crops_show_the_image_where_the_object_is_and_nothing_else(
    find: Predictor, images: Path, tmp_path: Path
) -> None:
    done, out = saved(find, images, tmp_path, "crops")
    masks, pixels = done.images[0].instances.masks, pixels_of(images / "a.png")
    assert masks is not None
    x1, y1, x2, y2 = masks.boxes[0].astype(int)
    crop = pixels_of(out / "crops" / "a_1_balloon.png")
    assert np.array_equal(crop[..., :3], pixels[y1:y2, x1:x2])
    assert np.array_equal(crop[..., 3] == 255, masks.dense()[0, y1:y2, x1:x2])


def test_boxes_alone_are_saved_as_their_boxes(images: Path, tmp_path: Path) -> None:
    done, out = saved(Detector(Seer(masks=False)), images, tmp_path, *EVERYTHING)
    x1, y1, x2, y2 = done.images[0].instances.boxes[0]
    mask = pixels_of(out / "masks" / "a_1_balloon.png")
    assert np.count_nonzero(mask) == (np.ceil(x2) - np.floor(x1)) * (np.ceil(y2) - np.floor(y1))


def test_nothing_found_is_written_as_nothing(images: Path, tmp_path: Path) -> None:
    done, out = saved(Detector(Seer(), threshold=0.99), images, tmp_path, *EVERYTHING)
    assert done.counts() == {}
    assert json.loads(read(out / "predictions.json"))[0]["detections"] == []
    assert json.loads(read(out / "coco_results.json")) == []
    assert len(read(out / "predictions.csv").splitlines()) == 1
    assert not (out / "masks").exists() and (out / "a.jpg").is_file()


@pytest.mark.parametrize("name", ["../escape", "a/b", 'q"?*:<>|', "a\\b", "nul\0", "."])
def test_a_class_name_cannot_reach_out_of_the_folder(images: Path, tmp_path: Path, name: str) -> None:
    """Models come from other people; so do their class names."""
    _, out = saved(Detector(Seer((name,))), images, tmp_path, *EVERYTHING)
    (mask,) = (out / "masks").iterdir()
    assert mask.parent == out / "masks" and not set(mask.name) & set('<>:"/\\|?*\0')
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "out"]


def test_saying_it_twice_writes_it_twice(find: Predictor, images: Path, tmp_path: Path) -> None:
    saved(find, images, tmp_path, *EVERYTHING)
    done, out = saved(find, images, tmp_path, *EVERYTHING)
    assert all(file.is_file() for file in (*done.files, *done.images[0].files))
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


# --- splash -----------------------------------------------------------------------------------------
def colors(pixels: np.ndarray) -> np.ndarray:
    return np.ptp(pixels.astype(int), axis=2)


@pytest.mark.parametrize("invert", [False, True])
def test_splash_keeps_colors_inside_and_grays_outside(images: Path, tmp_path: Path, invert: bool) -> None:
    """Away from the soft border, and but for what JPEG adds: a gray pixel's channels differ by little."""
    Image.new("RGB", (SIZE[1], SIZE[0]), (200, 40, 40)).save(images / "a.png")
    find = Detector(Seer(half=False))
    done = splash(find, images / "a.png", out=tmp_path / "out", invert=invert)
    drawn = colors(pixels_of(done.images[0].files[0]))
    masks = done.images[0].instances.masks
    assert masks is not None
    inside = masks.union().dense()[0]
    deep, far = _shrunk(inside), _shrunk(~inside)
    assert deep.sum() > 100 and far.sum() > 1000
    colored, greyed = (far, deep) if invert else (deep, far)
    assert (drawn[colored] > 100).all()
    assert (drawn[greyed] < 12).all()


def _shrunk(mask: np.ndarray, by: int = 8) -> np.ndarray:
    """Without all that lies within so many pixels of something else (two squares of JPEG's chroma)."""
    kept = mask.copy()
    padded = np.pad(mask, by, constant_values=True)
    for down in range(2 * by + 1):
        for right in range(2 * by + 1):
            kept &= padded[down : down + mask.shape[0], right : right + mask.shape[1]]
    return kept


def test_splash_side_by_side_has_the_image_at_the_left(find: Predictor, images: Path, tmp_path: Path) -> None:
    done = splash(find, images / "a.png", out=tmp_path / "out", side_by_side=True)
    drawn = pixels_of(done.images[0].files[0]).astype(int)
    assert drawn.shape[0] == SIZE[0] and drawn.shape[1] > 2 * SIZE[1]
    left = pixels_of(images / "a.png").astype(int)
    assert abs(drawn[:, : SIZE[1]].mean() - left.mean()) < 2


def test_splash_names_an_image_that_cannot_be_read_and_goes_on(find: Predictor, images: Path, tmp_path: Path) -> None:
    done = splash(find, images, out=tmp_path / "out", log=Issues())
    assert (len(done.images), len(done.failed)) == (2, 1)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.jpg", "c.jpg"}


def test_splash_says_from_which_score_on(images: Path, tmp_path: Path) -> None:
    issues = Issues()
    splash(Detector(Seer(), threshold=0.8), str(images / "a.png"), out=tmp_path / "out", log=issues)
    assert str(SCORE_THRESHOLD.among(issues)[0]) == "objects: threshold 0.8, as asked"


# --- evaluate ---------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "party"
    party(folder)
    return folder


def test_a_model_that_knows_nothing_of_these_classes_is_refused(data: Path) -> None:
    with pytest.raises(DatasetError, match="knows none of the classes") as caught:
        evaluate(Detector(Seer(("Balloon", "cake"))), data)
    assert caught.value.parts["expected"] == "Balloon, cake" and caught.value.parts["got"] == "balloon"


def test_a_class_that_the_model_spells_in_another_way_is_refused(data: Path) -> None:
    """Its objects would all be missed, and all that is found would be false."""
    whole = formats.read(data)
    two = replace(whole, names=("balloon", "Cake"), records=tuple(
        record if record.instances is None else replace(record, instances=relabeled(record.instances))
        for record in whole
    ))  # fmt: skip
    find = Detector(Seer(("balloon", "cake")))
    with pytest.raises(DatasetError, match="name one class in two ways") as caught:
        evaluate(find, two, bootstrap=0)
    assert (caught.value.parts["expected"], caught.value.parts["got"]) == ("cake", "Cake")
    assert evaluate(find, two, bootstrap=0, allow_faulty=True).metrics.ground_truths


def relabeled(instances: Instances) -> Instances:
    """Every other one is a cake."""
    return replace(instances, names=("balloon", "Cake"), classes=np.arange(len(instances)) % 2)


def test_validation_images_are_taken_where_there_are_no_test_images(find: Predictor, data: Path) -> None:
    said = Lines()
    done = evaluate(find, data, bootstrap=0, log=said)
    assert (done.split, len(done.data)) == ("val", 2)
    assert said == ["evaluating on 2 images (val)", "objects: threshold 0.5, the model's own (AP counts every score)"]
    assert done.facts()["thresholds"] == [{"name": "objects", "threshold": 0.5, "from": "model"}]


@pytest.mark.parametrize(("split", "count"), [("train", 6), ("val", 2), ("all", 8)])
def test_a_part_can_be_asked_for(find: Predictor, data: Path, split: str, count: int) -> None:
    assert len(evaluate(find, data, split=split, bootstrap=0).data) == count


def test_a_part_that_is_not_there_is_refused(find: Predictor, data: Path) -> None:
    with pytest.raises(DatasetError, match="no test images") as caught:
        evaluate(find, data, split="test")
    assert caught.value.parts["got"] == "train, val"


def without_outlines(data: Dataset, count: int) -> Dataset:
    """The first `count` images with boxes only."""
    bare = [replace(record, instances=replace(record.instances, masks=None)) for record in data.records[:count]]  # type: ignore[arg-type]
    return replace(data, records=(*bare, *data.records[count:]))


def test_images_with_boxes_only_evaluate_no_masks_and_hinder_none(find: Predictor, data: Path) -> None:
    said = Lines()
    mixed = without_outlines(formats.read(data), 3)
    done = evaluate(find, mixed, split="all", bootstrap=0, log=said)
    alone = evaluate(find, replace(mixed, records=mixed.records[3:]), split="all", bootstrap=0)
    assert done.metrics.mask is not None and done.metrics.images == len(done.data) == len(done.predictions) == 5
    assert done.metrics.facts() == alone.metrics.facts()
    assert said[-1] == "3 of them have boxes and no outlines: left out, masks are evaluated"


def test_without_any_outline_boxes_alone_are_evaluated(find: Predictor, data: Path) -> None:
    metrics = evaluate(find, without_outlines(formats.read(data), 8), split="all", bootstrap=0).metrics
    assert metrics.mask is None and metrics.box is not None and metrics.images == 8


def test_finds_below_the_threshold_count_too(data: Path) -> None:
    """AP is about the order of all finds; a threshold would cut the curve short."""
    high, low = (evaluate(Detector(Seer(), threshold=item), data, bootstrap=0).metrics for item in (0.99, 0.0))
    assert high.detections == low.detections > 0


def test_the_metrics_are_written_as_strict_json_and_a_page(find: Predictor, data: Path, tmp_path: Path) -> None:
    done = evaluate(find, data, bootstrap=50, out=tmp_path / "metrics")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    facts = json.loads(read(tmp_path / "metrics" / "evaluation.json"), parse_constant=refuse)
    assert facts["split"] == "val" and facts["images"] == 2 and facts["mask"]["AP"] == done.metrics.mask.AP  # type: ignore[union-attr]
    assert "<html" in read(tmp_path / "metrics" / "evaluation.html")


def test_coco_results_carry_the_ids_of_the_coco_file_they_are_about(data: Path, tmp_path: Path) -> None:
    """So that anybody's evaluator takes both files as they are; what the data do not know is left out."""
    formats.write(formats.read(data / "val"), data / "ground truth.json", "coco")
    ground_truth = json.loads(read(data / "ground truth.json"))
    for image in ground_truth["images"]:
        image["id"] = f"image {image['id']}"
    for item in ground_truth["annotations"]:
        item["image_id"], item["category_id"] = f"image {item['image_id']}", 17
    ground_truth["categories"] = [{"id": 17, "name": "balloon"}, {"id": 3, "name": "cake"}]
    (data / "ground truth.json").write_text(json.dumps(ground_truth), encoding="utf-8")
    try:
        done = evaluate(Detector(Seer(("cake", "balloon"))), data / "ground truth.json", bootstrap=0, out=tmp_path)
    finally:
        (data / "ground truth.json").unlink()
    results = json.loads(read(tmp_path / "coco_results.json"))
    assert {result["image_id"] for result in results} == {"image 1", "image 2"}
    assert [result["category_id"] for result in results] == [17, 17]
    assert not (tmp_path / "coco_images.json").exists() and done.metrics.detections == 2


def test_without_ids_of_their_own_images_are_numbered_and_a_table_says_how(
    find: Predictor, data: Path, tmp_path: Path
) -> None:
    done = evaluate(find, data, bootstrap=0, out=tmp_path)
    table = json.loads(read(tmp_path / "coco_images.json"))
    assert [(item["id"], item["file_name"]) for item in table["images"]] == [
        (number, record.image.name) for number, record in enumerate(done.data, 1)
    ]
    assert (table["images"][0]["height"], table["images"][0]["width"]) == SIZE
    assert table["categories"] == [{"id": 1, "name": "balloon"}]
    assert {item["image_id"] for item in json.loads(read(tmp_path / "coco_results.json"))} == {1, 2}


def ran(folder: Path, data: Path, train: list[str], val: list[str]) -> Path:
    """A model as a run on these images leaves it."""
    run = RunFolder(folder)
    run.begin(Recipe(), {"data": str(data.resolve()), "images": {"train": train, "val": val}})
    for which in ("best", "last"):
        model_folder(folder / which)
    return folder


def test_images_that_chose_the_epoch_flatter_and_it_is_said(data: Path, tmp_path: Path) -> None:
    names = [f"val/{path.name}" for path in sorted((data / "val").glob("*.jpg"))]
    run = ran(tmp_path / "run", data, ["train/x.jpg"], names[:1])
    said = Lines()
    done = evaluate(run, data / "val", bootstrap=0, out=tmp_path / "out", log=said)  # named by another path
    assert (done.trained, done.chose) == (0, 1)
    assert said[2] == (
        "1 of these 2 images chose the epoch that was kept: the metrics are optimistic; "
        "evaluate by images that nobody looked at (a test folder), or by `maskwright cross-validate`"
    )
    assert json.loads(read(tmp_path / "out" / "evaluation.json"))["images_seen"] == {
        "trained_on": 0, "chose_the_epoch": 1}  # fmt: skip
    assert "the metrics are optimistic" in read(tmp_path / "out" / "evaluation.html")
    assert evaluate(run / "last", data / "val", bootstrap=0).issues == ()  # nobody chose the last one


def known(folder: Path, images: list[Path], **more: str) -> Path:
    """A model whose card knows these images, in a folder of no run."""
    hashes = pack(image_hash(image) for image in images)
    model_folder(folder)
    write_card(msgspec.structs.replace(read_card(folder), training_images=hashes, **more), folder)
    return folder


def test_a_card_knows_training_images_in_other_folders_and_under_other_names(data: Path, tmp_path: Path) -> None:
    images = sorted((data / "val").glob("*.jpg"))
    shutil.copytree(data / "val", tmp_path / "elsewhere")
    file = tmp_path / "elsewhere" / "via_region_data.json"
    text = file.read_text(encoding="utf-8").replace(images[0].name, "renamed.jpg")
    file.write_text(text, encoding="utf-8")
    (tmp_path / "elsewhere" / images[0].name).rename(tmp_path / "elsewhere" / "renamed.jpg")
    model = known(tmp_path / "model", images[:1])
    for evaluated in (model, load(model)):
        done = evaluate(evaluated, tmp_path / "elsewhere", bootstrap=0)
        assert (done.trained, done.chose) == (1, 0)
        assert sentences(done.issues) == (
            "1 of these 2 images was used to train this model: the metrics measure memorization",
        )
    assert evaluate(known(tmp_path / "other", []), tmp_path / "elsewhere", bootstrap=0).issues == ()
    with images[0].open("rb") as same, (tmp_path / "elsewhere" / "renamed.jpg").open("ab") as changed:
        assert same.read(1)
        changed.write(b"x")
    assert evaluate(model, tmp_path / "elsewhere", bootstrap=0).trained == 0, "another file is another image"


def test_a_card_knows_the_images_that_chose_the_epoch(data: Path, tmp_path: Path) -> None:
    images = sorted((data / "val").glob("*.jpg"))
    model = known(tmp_path / "model", [], validation_images=pack(image_hash(image) for image in images))
    assert (lambda done: (done.trained, done.chose))(evaluate(model, data / "val", bootstrap=0)) == (0, 2)


def test_images_with_more_objects_than_coco_counts_are_told() -> None:
    boxes = np.tile(np.array([[0, 0, 4, 4]], np.float32), (101, 1))
    few, many = (Instances(boxes[:n], np.zeros(n, int), None, None, ("pore",)) for n in (100, 101))
    records = [Record(Path(f"{index}.png"), (9, 9), item) for index, item in enumerate((few, many, None))]
    assert sentences(data_issues(Dataset("welds", ("pore",), (records[0], records[2])))) == ()
    assert sentences(data_issues(Dataset("welds", ("pore",), tuple(records)))) == (
        "1 image has more than 100 objects of a class (at most 101); COCO's metrics count the 100 surest detections of "
        "each image and class, so the rest of them is missed by rule",
    )


def test_one_image_or_one_series_gives_no_interval_and_it_is_said() -> None:
    none = Instances.empty(("pore",))
    several = tuple(Record(Path(f"{number}.png"), (9, 9), none, group="W0001") for number in range(3))
    assert sentences(data_issues(Dataset("welds", ("pore",), several))) == (
        "metrics of 3 images of one group, such as a series, have no intervals",
    )
    assert sentences(data_issues(Dataset("welds", ("pore",), several[:1]))) == (
        "metrics of one image have no intervals",
    )


def test_training_images_make_the_metrics_optimistic(data: Path, tmp_path: Path) -> None:
    names = [f"train/{path.name}" for path in sorted((data / "train").glob("*.jpg"))]
    done = evaluate(ran(tmp_path / "run", data, names, []), data, split="all", bootstrap=0)
    assert sentences(done.issues) == (
        "6 of these 8 images were used to train this model: the metrics measure memorization",
    )


def test_images_of_one_name_in_two_folders_stay_two(find: Predictor, data: Path, tmp_path: Path) -> None:
    import shutil

    for part in ("train", "val"):
        shutil.copytree(data / "val", tmp_path / "twice" / part)
    done = evaluate(find, tmp_path / "twice", split="all", bootstrap=0, out=tmp_path / "metrics")
    assert len(set(done.metrics.image_names)) == len(done.data) == 4


def test_images_nobody_labeled_cannot_evaluate(find: Predictor, data: Path) -> None:
    from dataclasses import replace

    whole = formats.read(data)
    bare = replace(whole, records=tuple(replace(record, instances=None) for record in whole))
    with pytest.raises(DatasetError, match="nothing to evaluate the model by"):
        evaluate(find, bare)


def test_the_page_and_the_json_name_the_model(find: Predictor, data: Path, tmp_path: Path) -> None:
    done = evaluate(find, data, bootstrap=0, out=tmp_path / "metrics")
    facts = json.loads(read(tmp_path / "metrics" / "evaluation.json"))
    assert (facts["model"], facts["data"]) == (done.model, "party") == ("small", "party")
    assert "Evaluation of small on" in read(tmp_path / "metrics" / "evaluation.html")


def test_a_link_into_nothing_is_an_image_that_cannot_be_read(find: Predictor, images: Path) -> None:
    try:
        (images / "d.png").symlink_to(images / "nothing.png")
    except OSError:
        pytest.skip("no right to make links here")
    for several in (images, [images / "a.png", images / "d.png"]):
        done = predict(find, several, log=Issues())
        assert any("d.png" in error.parts["file"] for error in done.failed) and done.images


def test_a_detector_of_boxes_is_not_evaluated_by_masks(data: Path) -> None:
    metrics = evaluate(Detector(Seer(masks=False)), data, bootstrap=0).metrics
    assert metrics.mask is None and metrics.reasons == {"mask": "not requested"}
