"""Metrics of boxes and masks: agreement with pycocotools, the bootstrap, and everything that has nothing to measure."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from maskwright.errors import DatasetError
from maskwright.evaluation import coco, resampling
from maskwright.evaluation.detection import difference, evaluate
from maskwright.evaluation.detection_metrics import COCO_METRICS
from maskwright.types import Instances, RleMasks

SIZE = (60, 80)
NAMES = ("cat", "dog", "eel")


def objects(boxes, classes, scores=None, masks=True, names=NAMES, crowd=None, size=SIZE) -> Instances:
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    numbers = np.array(classes, np.int64)
    filled = RleMasks.from_boxes(boxes, size) if masks else None
    return Instances(boxes, numbers, None if scores is None else np.array(scores), filled, names, crowd)


def random_images(seed: int, images: int, most: int, size=(200, 240), names=NAMES, crowds: bool = False):
    """Targets and, mostly near it, finds; some images empty, many equal scores."""
    random = np.random.default_rng(seed)
    ground_truth, detections = [], []
    for _ in range(images):
        n = int(random.integers(0, most + 1))
        corner = random.integers(0, 150, (n, 2))
        boxes = np.concatenate([corner, corner + random.integers(4, 110, (n, 2))], axis=1).clip(0, 200)
        classes = random.integers(0, len(names), n)
        crowd = random.random(n) < 0.25 if crowds else None
        ground_truth.append(objects(boxes, classes, names=names, crowd=crowd, size=size))
        near = np.repeat(boxes, 2, axis=0) + random.integers(-5, 6, (2 * n, 4))
        far = random.integers(0, 100, (3, 4)) + np.array([0, 0, 50, 50])
        moved = np.concatenate([near, far]).clip(0, 200)
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        said = np.concatenate([np.repeat(classes, 2), random.integers(0, len(names), 3)])
        said = np.where(random.random(len(said)) < 0.15, random.integers(0, len(names), len(said)), said)
        scores = np.round(random.random(len(said)), 1)
        detections.append(objects(moved, said, scores, names=names, size=size))
    return ground_truth, detections, [size] * images


def with_pycocotools(ground_truth, detections, sizes, kind) -> dict[str, float | None]:
    """The twelve by the reference implementation, fed by hand."""
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def sides(box):
        return [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])]

    reference = COCO()
    annotations, results = [], []
    for image, (there, here) in enumerate(zip(ground_truth, detections, strict=True)):
        crowd = np.zeros(len(there), bool) if there.crowd is None else there.crowd
        for row, outline in enumerate(there.masks.to_coco()):
            annotations.append({"id": len(annotations) + 1, "image_id": image, "category_id": int(there.classes[row]),
                                "bbox": sides(there.boxes[row]), "area": float(there.masks.area[row]),
                                "iscrowd": int(crowd[row]), "segmentation": outline})  # fmt: skip
        for row, outline in enumerate(here.masks.to_coco()):
            one = {"image_id": image, "category_id": int(here.classes[row]), "score": float(here.scores[row])}
            results.append(
                {**one, **({"bbox": sides(here.boxes[row])} if kind == "box" else {"segmentation": outline})}
            )
    reference.dataset = {"images": [{"id": i, "height": h, "width": w} for i, (h, w) in enumerate(sizes)],
                         "categories": [{"id": k, "name": name} for k, name in enumerate(ground_truth[0].names)],
                         "annotations": annotations, "info": {}}  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        reference.createIndex()
        evaluator = COCOeval(reference, reference.loadRes(results), "bbox" if kind == "box" else "segm")
        evaluator.evaluate(), evaluator.accumulate(), evaluator.summarize()
    return {
        name: None if value == -1 else float(value) for name, value in zip(COCO_METRICS, evaluator.stats, strict=True)
    }


# --- nothing to measure -------------------------------------------------------------------------
def test_no_images_give_no_metrics():
    metrics = evaluate([], [], [])
    assert (metrics.images, metrics.ground_truths, metrics.detections) == (0, 0, 0)
    assert metrics.box is not None and metrics.box.AP is None and metrics.box.classes == ()


def test_nothing_there_and_nothing_found_is_not_zero_but_nothing():
    nothing = Instances.empty(NAMES, SIZE)
    metrics = evaluate([nothing], [Instances.empty(NAMES, SIZE, scored=True)], [SIZE], bootstrap=10)
    for kind in (metrics.box, metrics.mask):
        assert kind is not None
        assert [getattr(kind, name) for name in COCO_METRICS] == [None] * 12
        assert set(kind.intervals.values()) == {None}
        assert [per_class.AP for per_class in kind.classes] == [None] * 3
    assert all(line.endswith("= n/a") for line in metrics.coco_lines())
    assert metrics.worst_images()[0][1].f1 == 1.0


def test_nothing_found_of_something_is_zero():
    metrics = evaluate([objects([0, 0, 9, 9], [1])], [Instances.empty(NAMES, SIZE)], [SIZE])
    assert metrics.box is not None and metrics.mask is not None
    assert metrics.mask.AP == metrics.mask.AR100 == metrics.box.AP == 0.0
    assert [per_class.AP for per_class in metrics.mask.classes] == [None, 0.0, None]
    assert metrics.mask.classes[1].threshold is None


def test_all_found_exactly_is_one_and_never_minus_one():
    there = objects([[0, 0, 9, 9], [20, 20, 60, 60]], [0, 1])
    metrics = evaluate([there], [replace(there, scores=np.array([0.9, 0.8]))], [SIZE])
    assert metrics.mask is not None
    assert (metrics.mask.AP, metrics.mask.APs, metrics.mask.APl) == (1, 1, None)
    assert "-1" not in json.dumps(metrics.facts())
    lines = metrics.coco_lines("box")
    assert lines[0] == " Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000"
    assert lines[5] == " Average Precision  (AP) @[ IoU=0.50:0.95 | area= large | maxDets=100 ] = n/a"


def test_without_masks_on_either_side_only_boxes_are_evaluated():
    there, seen = objects([0, 0, 9, 9], [0]), objects([0, 0, 9, 9], [0], [0.5])
    bare = replace(seen, masks=None)
    metrics = evaluate([there], [bare], [SIZE])
    assert metrics.mask is None and metrics.box is not None and metrics.box.AP50 == 1
    assert metrics.reasons == {"mask": "the detections have boxes only in 1 of 1 images"}
    metrics = evaluate([replace(there, masks=None)], [seen], [SIZE], kinds=("mask",))
    assert metrics.box is None and metrics.best_kind is None and metrics.coco_lines() == []
    assert metrics.reasons == {"box": "not requested", "mask": "the ground truth has boxes only in 1 of 1 images"}


# --- agreement with the reference ---------------------------------------------------------------
@pytest.mark.parametrize("crowds", [False, True], ids=["plain", "crowds"])
@pytest.mark.parametrize("kind", ["box", "mask"])
@pytest.mark.parametrize("seed", range(6))
def test_the_twelve_are_those_of_pycocotools(seed, kind, crowds):
    images = random_images(seed, images=12, most=8, crowds=crowds)
    evaluated = evaluate(*images, kinds=(kind,)).kind(kind)
    reference = with_pycocotools(*images, kind)
    assert reference["APs"] is not None and 0 < reference["AP"] < 1
    for name, value in reference.items():
        assert getattr(evaluated, name) == pytest.approx(value, abs=1e-6), name


def test_more_than_a_hundred_finds_in_an_image_are_cut_as_coco_does():
    there = objects([[0, 0, 20, 20]], [0])
    many = objects([[30, 30, 50, 50]] * 120 + [[0, 0, 20, 20]], [0] * 121, np.linspace(1, 0.5, 121))
    metrics = evaluate([there], [many], [SIZE])
    assert metrics.mask is not None and metrics.mask.AP == 0 and metrics.mask.classes[0].detections == 121


# --- the bootstrap ------------------------------------------------------------------------------
@pytest.mark.parametrize("crowds", [False, True], ids=["plain", "crowds"])
@pytest.mark.parametrize("seed", range(6))
def test_weights_of_one_give_the_evaluators_metric(seed, crowds):
    ground_truth, detections, sizes = random_images(seed, images=10, most=8, crowds=crowds)
    for kind in ("box", "mask"):
        evaluated = coco.evaluate(ground_truth, detections, sizes, NAMES, kind)
        precision, recall = resampling.accumulate(evaluated.matches, np.ones((2, 10), np.int64))
        theirs = evaluated.precision[:, :, :, coco.ALL, coco.HUNDRED].mean(axis=1).T
        there = theirs > -1
        assert np.isnan(precision[0][~there]).all()
        np.testing.assert_allclose(precision[1][there], theirs[there], atol=1e-6)
        np.testing.assert_allclose(recall[0][there], evaluated.recall[:, :, coco.ALL, coco.HUNDRED].T[there], atol=1e-6)


def test_a_resample_counts_as_if_its_images_were_copied():
    """Evaluating the copies with the evaluator gives what the weights give."""
    ground_truth, detections, sizes = random_images(5, images=7, most=6)
    detections = [
        replace(detection, scores=np.random.default_rng(i).random(len(detection)))
        for i, detection in enumerate(detections)
    ]
    weights = np.array([2, 0, 1, 3, 0, 1, 1])
    copies = np.repeat(np.arange(7), weights)
    evaluated = evaluate(
        [ground_truth[i] for i in copies], [detections[i] for i in copies], [sizes[i] for i in copies]
    ).mask
    by_weight = resampling.metrics_of(
        coco.evaluate(ground_truth, detections, sizes, NAMES, "mask").matches, weights[None]
    )
    assert evaluated is not None
    for name in ("AP", "AP50", "AP75", "AR100"):
        assert by_weight[name][0] == pytest.approx(getattr(evaluated, name), abs=1e-6)
    for per_class in evaluated.classes:
        assert by_weight[f"AP_{per_class.name}"][0] == pytest.approx(per_class.AP, abs=1e-6)


def test_intervals_hold_the_metric_and_narrow_with_more_images():
    few, many = (evaluate(*random_images(3, images=n, most=5), bootstrap=300).mask for n in (8, 60))
    assert few is not None and many is not None
    (low, high), (low_many, high_many) = few.intervals["AP"], many.intervals["AP"]
    assert low < few.AP < high and high_many - low_many < high - low
    assert set(few.intervals) == {"AP", "AP50", "AP75", "AR100", *(f"{a}_{b}" for a in ("AP", "AP50") for b in NAMES)}
    again = evaluate(*random_images(3, images=8, most=5), bootstrap=300).mask
    assert again is not None and again.intervals == few.intervals
    assert "intervals" in json.dumps(few.facts())


def test_one_image_has_metrics_but_no_interval():
    there = objects([0, 0, 9, 9], [0])
    metrics = evaluate([there], [replace(there, scores=np.array([0.9]))], [SIZE], bootstrap=50)
    assert metrics.mask is not None and metrics.mask.intervals["AP"] is None and metrics.mask.AP50 == 1


def test_a_model_does_not_differ_from_itself_and_a_worse_one_is_worse():
    ground_truth, detections, sizes = random_images(2, images=30, most=6)
    good = evaluate(ground_truth, [replace(item, scores=np.ones(len(item))) for item in ground_truth], sizes)
    bad = evaluate(ground_truth, detections, sizes)
    same, worse = difference(bad, bad, n=100), difference(good, bad, n=100)
    assert (
        same is not None and (same.value, same.low, same.high, same.fraction) == (0, 0, 0, 0.5) and not same.significant
    )
    assert worse is not None and worse.high < 0 and worse.fraction == 0 and worse.significant
    assert good.mask is not None and bad.mask is not None and bad.mask.AP is not None
    assert worse.value == pytest.approx(bad.mask.AP - 1)
    with pytest.raises(DatasetError, match="same images"):
        difference(bad, evaluate(ground_truth[:3], detections[:3], sizes[:3]))


def test_a_difference_between_models_is_as_uncertain_as_the_groups_of_images_are_few():
    ground_truth, detections, sizes = random_images(2, images=30, most=6)
    good = [replace(item, scores=np.ones(len(item))) for item in ground_truth]
    alone = difference(evaluate(ground_truth, good, sizes), evaluate(ground_truth, detections, sizes), n=200)
    few = [f"series {index % 3}" for index in range(30)]
    one = evaluate(ground_truth, good, sizes, groups=few)
    grouped = difference(one, evaluate(ground_truth, detections, sizes, groups=few), n=200)
    assert alone is not None and grouped is not None and grouped.value == alone.value
    assert (grouped.low, grouped.high) != (alone.low, alone.high)
    with pytest.raises(DatasetError, match="same images"):
        difference(one, evaluate(ground_truth, detections, sizes))


# --- thresholds, images, confusion ----------------------------------------------------------------
def scene():
    """Two images. First: a cat found, a dog called cat, a false eel. Second: a dog missed, one found twice."""
    ground_truth = [
        objects([[0, 0, 20, 20], [40, 0, 60, 20]], [0, 1]),
        objects([[0, 0, 20, 20], [40, 40, 60, 60]], [1, 1]),
    ]
    detections = [
        objects([[0, 0, 20, 20], [40, 0, 60, 20], [0, 40, 10, 50]], [0, 0, 2], [0.9, 0.6, 0.4]),
        objects([[0, 0, 20, 20], [0, 0, 20, 18]], [1, 1], [0.8, 0.7]),
    ]
    return evaluate(ground_truth, detections, [SIZE, SIZE], image_names=["a.jpg", "b.jpg"])


def test_images_say_what_was_hit_wrong_and_missed():
    worst = scene().worst_images(threshold=0.0)
    assert [name for name, _ in worst] == ["a.jpg", "b.jpg"]
    first, second = worst[0][1], worst[1][1]
    assert (first.true_positives, first.false_positives, first.false_negatives, first.f1) == (
        ((0, 0),),
        (1, 2),
        (1,),
        2 / 5,
    )
    assert (second.true_positives, second.false_positives, second.false_negatives, second.f1) == (
        ((0, 0),),
        (1,),
        (1,),
        1 / 2,
    )
    assert scene().worst_images(1, threshold=0.0, best=True)[0][0] == "b.jpg"


def test_the_best_threshold_drops_what_only_does_harm():
    mask = scene().mask
    assert mask is not None
    thresholds = mask.thresholds()
    assert thresholds["cat"] == pytest.approx(0.9) and thresholds["dog"] == pytest.approx(0.8)
    assert thresholds["eel"] is None
    assert [per_class.f1 for per_class in mask.classes] == [1.0, pytest.approx(0.5), None]


def test_the_curve_has_a_point_for_each_score():
    mask = scene().mask
    assert mask is not None
    curve = mask.matches.curve(0)
    np.testing.assert_allclose(curve.scores, [0.9, 0.6], atol=1e-6)
    np.testing.assert_allclose(curve.precision, [1, 0.5])
    np.testing.assert_allclose(curve.recall, [1, 1])
    assert len(mask.matches.curve(2).scores) == 0  # no eel to find


@pytest.mark.parametrize("kind", ["box", "mask"])
def test_confusion_counts_hits_mix_ups_misses_and_false_finds(kind):
    evaluated = scene().kind(kind)
    assert evaluated is not None
    names, matrix = evaluated.confusion(threshold=0.0)
    assert names == ("cat", "dog", "eel", "background")
    assert matrix.tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 1],  # one dog was called a cat, one found, one missed
        [0, 0, 0, 0],
        [0, 1, 1, 0],  # the second find of one dog, the eel
    ]


def test_a_find_inside_a_crowd_is_neither_right_nor_wrong():
    crowd = objects([0, 0, 40, 40], [0], crowd=np.array([True]))
    metrics = evaluate([crowd], [objects([5, 5, 15, 15], [0], [0.9])], [SIZE])
    assert metrics.mask is not None and metrics.ground_truths == 0
    score = metrics.mask.matches.image_scores(0.0)[0]
    assert (score.true_positives, score.false_positives, score.false_negatives) == ((), (), ())
    assert metrics.mask.confusion(0.0)[1].sum() == 0


# --- names and mistakes -------------------------------------------------------------------------
def test_classes_are_compared_by_name_and_unknown_classes_are_counted():
    there = objects([0, 0, 9, 9], [0], names=("dog",))
    seen = objects([[0, 0, 9, 9], [20, 20, 30, 30]], [1, 0], [0.9, 0.8], names=("zebra", "dog"))
    metrics = evaluate([there], [seen], [SIZE])
    assert metrics.names == ("dog",) and metrics.unknown_classes == 1 and metrics.detections == 1
    assert metrics.mask is not None and metrics.mask.AP50 == 1


def test_rows_of_the_table_end_with_all():
    mask = scene().mask
    assert mask is not None
    rows = mask.rows()
    assert [row["class"] for row in rows] == ["cat", "dog", "eel", "all"]
    assert [row["ground_truths"] for row in rows] == [1, 3, 0, 4] and rows[-1]["AP"] == mask.AP


@pytest.mark.parametrize(
    ("ground_truth", "detections", "words"),
    [
        ([], [objects([], [])], "ground truth, detections and sizes must be of the same images"),
        ([objects([0, 0, 9, 9], [0])], [objects([0, 0, 9, 9], [0])], "detections need scores"),
        ([objects([0, 0, 9, 9], [0])], [objects([0, 0, 9, 9], [0], [np.nan])], "a box or score is not a number"),
        ([objects([0, 0, 9, 9], [0], size=(9, 9))], [objects([], [], [])], "the masks have not the size of the image"),
    ],
)
def test_mistakes_are_named(ground_truth, detections, words):
    with pytest.raises(DatasetError, match=words):
        evaluate(ground_truth, detections, [SIZE])


def test_a_ground_truth_of_a_class_that_is_not_evaluated_is_a_mistake():
    with pytest.raises(DatasetError, match='has the class "eel"'):
        evaluate([objects([0, 0, 9, 9], [2])], [objects([], [], [])], [SIZE], names=("cat", "dog"))


def test_importing_the_room_leaves_the_evaluator_alone():
    code = "import sys, maskwright.evaluation.detection; sys.exit('hotcoco' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
