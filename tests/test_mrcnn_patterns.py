"""Ways in which public scripts use mrcnn, one test each, in the scripts' own shape."""

# ruff: noqa: PTH118, PTH123, RUF059
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mrcnn_fakes import Discs, ShapesConfig, faked  # noqa: F401  (a fixture)
from PIL import Image

import mrcnn.model as modellib
from maskwright.geometry import polygons
from maskwright.types import RleMasks
from mrcnn import utils
from mrcnn.config import Config
from mrcnn.model import log

pytestmark = pytest.mark.usefixtures("faked")

XS, YS = [10, 40, 40, 10], [8, 8, 30, 30]
REGION = {"shape_attributes": {"name": "polygon", "all_points_x": XS, "all_points_y": YS}, "region_attributes": {}}


def filled(xs: list[float], ys: list[float], height: int, width: int) -> np.ndarray:
    """What scripts take skimage.draw.polygon for."""
    runs = polygons.fill([[np.stack([xs, ys], axis=1).astype(float)]], (height, width))
    return RleMasks((height, width), *runs).dense()[0]


def image(folder: Path, name: str = "a.jpg") -> Path:
    Image.new("RGB", (64, 48), (9, 99, 9)).save(folder / name)
    return folder / name


def checked(dataset: utils.Dataset, config: Config, objects: int) -> tuple[np.ndarray, ...]:
    """A batch can be made of it; the first image with its objects."""
    dataset.prepare()
    inputs, _ = next(modellib.data_generator(dataset, config, batch_size=config.BATCH_SIZE))
    assert (inputs[4] != 0).sum() == objects
    return modellib.load_image_gt(dataset, config, dataset.image_ids[0], use_mini_mask=False)


# --- 1, 2: VIA 1.x (regions by number) and 2.x (a list) ---------------------------------------------
@pytest.mark.parametrize("regions", [{"0": REGION, "1": REGION}, [REGION, REGION]], ids=["VIA 1", "VIA 2"])
def test_via_annotations(tmp_path, regions):
    image(tmp_path)
    via = {
        "a.jpg1": {"filename": "a.jpg", "regions": regions, "size": 1},
        "b.jpg2": {"filename": "b.jpg", "regions": {}},
    }
    (tmp_path / "via_region_data.json").write_text(json.dumps(via))

    class CustomDataset(utils.Dataset):
        def load_custom(self, dataset_dir: str) -> None:
            self.add_class("damage", 1, "damage")
            with open(os.path.join(dataset_dir, "via_region_data.json")) as file:
                annotations = json.load(file)
            annotations = [a for a in annotations.values() if a["regions"]]
            for a in annotations:
                if type(a["regions"]) is dict:
                    polygons = [r["shape_attributes"] for r in a["regions"].values()]
                else:
                    polygons = [r["shape_attributes"] for r in a["regions"]]
                image_path = os.path.join(dataset_dir, a["filename"])
                self.add_image(
                    "damage", image_id=a["filename"], path=image_path, width=64, height=48, polygons=polygons
                )

        def load_mask(self, image_id: int) -> Any:
            image_info = self.image_info[image_id]
            if image_info["source"] != "damage":
                return super(self.__class__, self).load_mask(image_id)
            info = self.image_info[image_id]
            mask = np.zeros([info["height"], info["width"], len(info["polygons"])], dtype=np.uint8)
            for i, p in enumerate(info["polygons"]):
                mask[:, :, i] = filled(p["all_points_x"], p["all_points_y"], 48, 64)
            return mask.astype(bool), np.ones([mask.shape[-1]], dtype=np.int32)

        def image_reference(self, image_id: int) -> Any:
            return self.image_info[image_id]["path"]

    dataset = CustomDataset()
    dataset.load_custom(str(tmp_path))
    pil_image, _, class_ids, boxes, masks = checked(dataset, ShapesConfig(), 2)
    assert class_ids.tolist() == [1, 1] and pil_image.shape == (64, 64, 3)
    assert boxes[0].tolist() == [16, 10, 38, 40]
    assert dataset.image_reference(0).endswith("a.jpg")


# --- 3: COCO ----------------------------------------------------------------------------------------
def test_coco_annotations(tmp_path):
    from mrcnn.samples.coco import CocoConfig, CocoDataset

    (tmp_path / "val2017").mkdir()
    (tmp_path / "annotations").mkdir()
    image(tmp_path / "val2017", "000000000007.jpg")
    square = [8.0, 8, 30, 8, 30, 30, 8, 30]
    common = {"image_id": 7, "bbox": [8, 8, 22, 22], "area": 484}
    crowd = {"size": [48, 64], "counts": [0, 100, 48 * 64 - 100]}
    coco = {
        "images": [{"id": 7, "file_name": "000000000007.jpg", "height": 48, "width": 64}],
        "categories": [{"id": 18, "name": "dog"}, {"id": 44, "name": "bottle"}],
        "annotations": [
            {"id": 1, "category_id": 44, "segmentation": [square], "iscrowd": 0, **common},
            {"id": 2, "category_id": 18, "segmentation": crowd, "iscrowd": 1, **common},
        ],
    }
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(coco))
    dataset = CocoDataset()
    found = dataset.load_coco(tmp_path, "val", year="2017", return_coco=True)
    dataset.prepare()
    masks, class_ids = dataset.load_mask(0)
    assert dataset.class_names == ["BG", "dog", "bottle"] and CocoConfig().NUM_CLASSES == 81
    assert sorted(class_ids.tolist()) == [-1, 2] and sorted(masks.sum((0, 1)).tolist()) == [100, 484]
    assert dataset.get_source_class_id(2, "coco") == 44 and dataset.image_reference(0).endswith("id=7")
    assert list(found.getImgIds()) == [7]


# --- 4: a file a mask -------------------------------------------------------------------------------
def test_a_folder_of_mask_files(tmp_path):
    from mrcnn.samples.nucleus import NucleusDataset

    folder = tmp_path / "stage1_test" / "x1"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    image(folder / "images", "x1.png")
    for i in range(2):
        mask = np.zeros((48, 64), np.uint8)
        mask[10 * i : 10 * i + 8, 5:20] = 255
        Image.fromarray(mask).save(folder / "masks" / f"{i}.png")
    dataset = NucleusDataset()
    dataset.load_nucleus(str(tmp_path), "stage1_test")
    _, _, class_ids, boxes, _ = checked(dataset, ShapesConfig(), 2)
    assert class_ids.tolist() == [1, 1] and boxes.tolist() == [[8, 5, 16, 20], [18, 5, 26, 20]]


# --- 5: ellipses ------------------------------------------------------------------------------------
def test_elliptic_masks():
    class Cells(utils.Dataset):
        def load_image(self, image_id: int) -> np.ndarray:
            return np.zeros((48, 64, 3), np.uint8)

        def load_mask(self, image_id: int) -> Any:
            cy, cx, ry, rx = self.image_info[image_id]["ellipse"]
            rows, columns = np.ogrid[:48, :64]
            mask = ((rows - cy) / ry) ** 2 + ((columns - cx) / rx) ** 2 <= 1
            return mask[:, :, np.newaxis], np.array([1])

    dataset = Cells()
    dataset.add_class("cells", 1, "cell")
    dataset.add_image("cells", image_id=0, path=None, ellipse=(20, 30, 10, 16))
    _, _, _, boxes, _ = checked(dataset, ShapesConfig(), 1)
    assert boxes.tolist() == [[18, 14, 39, 47]]


# --- 6: stages of training --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("layers", "trained"),
    [
        ("heads", {"fpn_p2", "rpn_conv_shared", "rpn_class_raw", "mrcnn_class_logits", "mrcnn_mask"}),
        ("4+", {"res4a_branch2a", "fpn_p2", "rpn_conv_shared", "rpn_class_raw", "mrcnn_class_logits", "mrcnn_mask"}),
        (r"conv1|mrcnn\_.*", {"conv1", "mrcnn_class_logits", "mrcnn_mask"}),
    ],
)
def test_layers_by_name_and_by_pattern(tmp_path, layers, trained):
    model = modellib.MaskRCNN(mode="training", config=ShapesConfig(), model_dir=str(tmp_path))
    data = Discs().load(3)
    model.train(data, data, learning_rate=model.config.LEARNING_RATE, epochs=1, layers=layers)
    assert model.keras_model.network.trained == trained


# --- 7: coco, last or imagenet, with the class layers left out --------------------------------------
def test_weights_of_other_classes(tmp_path):
    config = ShapesConfig()
    coco = modellib.MaskRCNN(mode="training", config=config, model_dir=str(tmp_path))
    coco.keras_model.get_layer("fpn_p2").set_weights([np.full((1, 1, 2, 2), 3.0)])
    coco.keras_model.network.weights["mrcnn_mask/kernel:0"] += 7
    weights_path = str(tmp_path / "mask_rcnn_coco.h5")
    coco.keras_model.save_weights(weights_path)
    model = modellib.MaskRCNN(mode="training", config=config, model_dir=str(tmp_path))
    model.load_weights(
        weights_path, by_name=True, exclude=["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]
    )
    assert (model.keras_model.get_layer("fpn_p2").get_weights()[0] == 3).all()
    assert (model.keras_model.get_layer("mrcnn_mask").get_weights()[0] == 0).all()


def test_last_of_old_scripts(tmp_path):
    config = ShapesConfig()
    model = modellib.MaskRCNN(mode="training", config=config, model_dir=str(tmp_path))
    data = Discs().load(3)
    model.train(data, data, learning_rate=config.LEARNING_RATE, epochs=1, layers="heads")
    again = modellib.MaskRCNN(mode="training", config=config, model_dir=str(tmp_path))
    again.load_weights(again.find_last()[1], by_name=True)
    assert again.epoch == 1


# --- 8: mAP over images -----------------------------------------------------------------------------
def test_a_loop_of_compute_ap(tmp_path):
    class InferenceConfig(ShapesConfig):
        GPU_COUNT = 1
        IMAGES_PER_GPU = 1

    inference_config = InferenceConfig()
    model = modellib.MaskRCNN(mode="inference", config=inference_config, model_dir=str(tmp_path))
    dataset_val = Discs().load(4)
    APs = []
    for image_id in np.random.choice(dataset_val.image_ids, 4):
        image, image_meta, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(
            dataset_val, inference_config, image_id, use_mini_mask=False
        )
        molded_images = np.expand_dims(modellib.mold_image(image, inference_config), 0)
        assert molded_images.shape == (1, 64, 64, 3) and image_meta.shape == (15,)
        results = model.detect([image], verbose=0)
        r = results[0]
        AP, precisions, recalls, overlaps = utils.compute_ap(
            gt_bbox, gt_class_id, gt_mask, r["rois"], r["class_ids"], r["scores"], r["masks"]
        )
        assert overlaps.shape == (1, 1)
        APs.append(AP)
    assert 0 <= np.mean(APs) <= 1


# --- 9: display -------------------------------------------------------------------------------------
def test_display_of_detections(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    from mrcnn import visualize

    model = modellib.MaskRCNN(mode="inference", config=ShapesConfig(), model_dir=str(tmp_path))
    dataset = Discs().load(1)
    image = dataset.load_image(0)
    r = model.detect([image], verbose=1)[0]
    _, ax = plt.subplots(1, figsize=(8, 8))
    visualize.display_instances(
        image, r["rois"], r["masks"], r["class_ids"], dataset.class_names, r["scores"], ax=ax, title="Predictions",
        show_mask=False, colors=[(0.0, 1.0, 0.0)], captions=["here"],
    )  # fmt: skip
    assert [text.get_text() for text in ax.texts] == ["here"] and r["masks"].shape[-1] == 1
    plt.close("all")


# --- 10: the inspection notebooks -------------------------------------------------------------------
def test_inspection_of_training_data_and_of_the_graph(tmp_path):
    config, dataset = ShapesConfig(), Discs().load(2)
    image, image_meta, class_ids, bbox, mask = modellib.load_image_gt(dataset, config, 0, use_mini_mask=False)
    for name, array in (("image", image), ("image_meta", image_meta), ("mask", mask)):
        log(name, array)
    backbone_shapes = modellib.compute_backbone_shapes(config, config.IMAGE_SHAPE)
    anchors = utils.generate_pyramid_anchors(
        config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, backbone_shapes, config.BACKBONE_STRIDES,
        config.RPN_ANCHOR_STRIDE,
    )  # fmt: skip
    target_rpn_match, target_rpn_bbox = modellib.build_rpn_targets(image.shape, anchors, class_ids, bbox, config)
    positive = np.where(target_rpn_match == 1)[0]
    refined = utils.apply_box_deltas(anchors[positive], target_rpn_bbox[: len(positive)] * config.RPN_BBOX_STD_DEV)
    np.testing.assert_allclose(refined, np.repeat(bbox, len(positive), axis=0), atol=0.01)

    model = modellib.MaskRCNN(mode="inference", config=config, model_dir=str(tmp_path))
    pillar = model.keras_model.get_layer("ROI").output
    nms_node = model.ancestor(pillar, "ROI/rpn_non_max_suppression:0")
    rpn = model.run_graph(
        [image],
        [
            ("rpn_class", model.keras_model.get_layer("rpn_class").output),
            ("refined_anchors", model.ancestor(pillar, "ROI/refined_anchors:0")),
            ("post_nms_anchor_ix", nms_node),
            ("proposals", model.keras_model.get_layer("ROI").output),
        ],
    )
    boxes = utils.denorm_boxes(rpn["refined_anchors"][0, rpn["post_nms_anchor_ix"]], image.shape[:2])
    assert boxes.shape == (5, 4) and rpn["proposals"].shape == (1, 5, 4)


# --- 11: several images at once ---------------------------------------------------------------------
def test_batches_of_video_frames(tmp_path):
    config = type("VideoConfig", (ShapesConfig,), {"IMAGES_PER_GPU": 3})()
    model = modellib.MaskRCNN(mode="inference", config=config, model_dir=str(tmp_path))
    frames = [np.zeros((48, 64, 3), np.uint8)] * 3
    results = model.detect(frames, verbose=0)
    assert [r["masks"].shape for r in results] == [(48, 64, 1)] * 3


# --- 12: several GPUs -------------------------------------------------------------------------------
def test_a_parallel_model_is_passed_through(tmp_path, capsys):
    from mrcnn.parallel_model import ParallelModel

    model = modellib.MaskRCNN(mode="training", config=ShapesConfig(), model_dir=str(tmp_path))
    parallel = ParallelModel(model.keras_model, 2)
    assert parallel.get_layer("conv1").name == "conv1"
    assert "instead of 2 GPUs" in capsys.readouterr().out
