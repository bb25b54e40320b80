"""MaskRCNN: the model that scripts create, load, train and run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.errors import UnknownName
from mrcnn import finders, graph, log_folders, molding, training
from mrcnn.anchors import generate_pyramid_anchors
from mrcnn.augmentation import SAFE_FOR_MASKS as MASK_AUGMENTERS
from mrcnn.boxes import norm_boxes
from mrcnn.detections import unmold_detections
from mrcnn.download import imagenet_weights
from mrcnn.generator import data_generator, load_image_gt
from mrcnn.keras_model import KerasModel, Layer
from mrcnn.molding import compose_image_meta, compute_backbone_shapes, mold_image, parse_image_meta, unmold_image
from mrcnn.printing import log
from mrcnn.targets import build_detection_targets, build_rpn_targets, generate_random_rois

__all__ = [
    "MASK_AUGMENTERS",
    "MaskRCNN",
    "build_detection_targets",
    "build_rpn_targets",
    "compose_image_meta",
    "compute_backbone_shapes",
    "data_generator",
    "generate_random_rois",
    "load_image_gt",
    "log",
    "mold_image",
    "parse_image_meta",
    "parse_image_meta_graph",
    "unmold_image",
]

parse_image_meta_graph = parse_image_meta
"""There is no graph here; arrays go in and come out."""


class MaskRCNN:
    """A Mask R-CNN by matterport's names.

    >>> model = MaskRCNN(mode="inference", config=InferenceConfig(), model_dir="logs")
    >>> model.load_weights("mask_rcnn_coco.h5", by_name=True)
    >>> r = model.detect([image], verbose=1)[0]
    >>> r["rois"].shape, r["class_ids"].shape, r["scores"].shape, r["masks"].shape
    ((7, 4), (7,), (7,), (480, 640, 7))
    """

    def __init__(self, mode: str, config: Any, model_dir: Any) -> None:
        """mode is "training" or "inference"; log folders are made in model_dir."""
        assert mode in ("training", "inference"), f'mode is "training" or "inference", not {mode!r}'
        finders.name_other_copies()
        self.mode, self.config, self.model_dir = mode, config, model_dir
        self.epoch = 0
        self._anchor_cache: dict[tuple[int, ...], np.ndarray] = {}
        self.set_log_dir()
        self.keras_model = self.build(mode=mode, config=config)

    def build(self, mode: str, config: Any) -> KerasModel:
        """The network, with random weights."""
        height, width = (int(side) for side in config.IMAGE_SHAPE[:2])
        if height % 64 or width % 64:
            raise ValueError(
                f"IMAGE_SHAPE is {height} x {width}: both must be divisible by 64, as the image is halved six times"
            )
        from maskwright.engines.hardware import choose_device
        from maskwright.models.matterport.model import MatterportMaskRCNN, Settings

        network = MatterportMaskRCNN(Settings.from_config(config), "training" if mode == "training" else "inference")
        network.to(choose_device())
        return KerasModel(network, config.LEARNING_RATE)

    # --- weights ------------------------------------------------------------------------------------------------------
    def load_weights(self, filepath: Any, by_name: bool = False, exclude: Sequence[str] | None = None) -> None:
        """Weights from an .h5 file. A checkpoint of a log folder is gone on with: same folder, next epoch.

        exclude  layers to leave as they are, where the number of classes differs:
                 ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]
        """
        from maskwright.weights.matterport_h5 import load_into, read_h5

        weights = read_h5(os.fspath(filepath))
        own = {layer.name for layer in self.keras_model.network.layers()}
        chosen = [name for name in exclude or () if name in own or name in weights.layers]
        for name in exclude or ():
            if name not in chosen:
                print(f"load_weights: there is no layer {name} to exclude")
        report = load_into(self.keras_model.network, weights, by_name=by_name or bool(exclude), exclude=chosen)
        if report.missing and weights.mode != "backbone":
            print(f"load_weights: not in the file, so left as they are: {', '.join(report.missing)}")
        self.set_log_dir(str(filepath))

    def get_imagenet_weights(self) -> str:
        """The path of ResNet-50's ImageNet weights, downloaded where they are not here yet."""
        if self.config.BACKBONE == "resnet101":
            print("The ImageNet weights are of ResNet-50: the layers of ResNet-101 that it lacks stay random.")
        return imagenet_weights()

    def find_last(self) -> log_folders.LastCheckpoint:
        """The path of the last checkpoint of the last training with this config's NAME."""
        return log_folders.find_last(self.model_dir, self.config.NAME)

    def set_log_dir(self, model_path: Any = None) -> None:
        """Sets log_dir, checkpoint_path and epoch: new ones, or those of a checkpoint to go on with."""
        path = None if model_path is None else str(model_path)
        name = str(self.config.NAME)
        self.log_dir, self.checkpoint_path, self.epoch = log_folders.log_folder(self.model_dir, name, path)
        if self.epoch:
            print(f"Re-starting from epoch {self.epoch}")

    # --- training -----------------------------------------------------------------------------------------------------
    def train(
        self,
        train_dataset: Any,
        val_dataset: Any,
        learning_rate: float,
        epochs: int,
        layers: str,
        augmentation: Any = None,
        custom_callbacks: Sequence[Any] | None = None,
        no_augmentation_sources: Sequence[str] | None = None,
    ) -> None:
        """Trains up to and including epoch `epochs`, counted from the first training of this model on.

        layers                   "heads", "3+", "4+", "5+", "all", or a regular expression of whole layer names
        augmentation             an imgaug augmenter, or a callable (image, masks) -> (image, masks)
        custom_callbacks         objects with Keras' methods (on_epoch_end(epoch, logs) ...)
        no_augmentation_sources  sources of the dataset whose images are left as they are
        """
        assert self.mode == "training", "make the model with mode='training' to train it"
        config = self.config
        # Proposals from outside: the original's inputs want as many, but its train() makes none, and Keras stops there.
        random_rois = 0 if config.USE_RPN_ROIS else config.POST_NMS_ROIS_TRAINING
        train = data_generator(
            train_dataset,
            config,
            shuffle=True,
            augmentation=augmentation,
            random_rois=random_rois,
            batch_size=config.BATCH_SIZE,
            no_augmentation_sources=no_augmentation_sources,
        )
        val = None
        if val_dataset is not None and config.VALIDATION_STEPS:
            val = data_generator(
                val_dataset, config, shuffle=True, random_rois=random_rois, batch_size=config.BATCH_SIZE
            )
        os.makedirs(self.log_dir, exist_ok=True)
        print(f"\nStarting at epoch {self.epoch}. LR={learning_rate}\n")
        print(f"Checkpoint Path: {self.checkpoint_path}")
        self.set_trainable(layers)
        self.keras_model.optimizer.lr = learning_rate
        training.fit(
            self.keras_model,
            train,
            val,
            epochs=range(self.epoch, epochs),
            steps=config.STEPS_PER_EPOCH,
            val_steps=config.VALIDATION_STEPS,
            callbacks=[
                training.EventFile(self.log_dir),
                training.Checkpoint(self.checkpoint_path),
                *(custom_callbacks or ()),
            ],
        )
        self.epoch = max(self.epoch, epochs)

    def set_trainable(self, layer_regex: str, keras_model: Any = None, indent: int = 0, verbose: int = 1) -> None:
        """Selects the layers that are trained, and prints them if verbose."""
        chosen = set(self.keras_model.network.select_layers(layer_regex))
        if not chosen:
            raise UnknownName("layer that fits the pattern", layer_regex, ["heads", "3+", "4+", "5+", "all"])
        if not verbose:
            return
        print("Selecting layers to train")
        for layer in self.keras_model.layers:
            if layer.layers:
                print("In model: ", layer.name)
            for each in layer.layers or [layer]:
                if each.weights and each.name in chosen:
                    print(f"{' ' * (indent + 4 * bool(layer.layers))}{each.name:20}   ({each.kind})")

    def get_trainable_layers(self) -> list[Layer]:
        """The layers that have weights, those inside `rpn_model` in its place."""
        every = [inner for layer in self.keras_model.layers for inner in (layer.layers or [layer])]
        return [layer for layer in every if layer.weights]

    def find_trainable_layer(self, layer: Any) -> Any:
        """The layer that has the weights; nothing is wrapped here, so the layer itself."""
        return layer

    # --- detection ----------------------------------------------------------------------------------------------------
    def mold_inputs(self, images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images -> (molded images, image metas, windows)."""
        return molding.mold_inputs(images, self.config)

    def unmold_detections(
        self,
        detections: np.ndarray,
        mrcnn_mask: np.ndarray,
        original_image_shape: Sequence[int],
        image_shape: Sequence[int],
        window: Sequence[int],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One image's detections -> (boxes, class_ids, scores, masks) on its image."""
        return unmold_detections(detections, mrcnn_mask, original_image_shape, image_shape, window)

    def detect(self, images: Sequence[np.ndarray], verbose: int = 0) -> list[dict[str, np.ndarray]]:
        """The objects of BATCH_SIZE images (H×W×3, RGB).

        For each image rois n×4 int32 (y1 x1 y2 x2), class_ids n, scores n, masks H×W×n bool.
        """
        self._check(images, "images")
        if verbose:
            log(f"Processing {len(images)} images")
            for image in images:
                log("image", image)
        molded, metas, windows = self.mold_inputs(images)
        return self._found(molded, metas, [image.shape for image in images], windows, verbose)

    def detect_molded(
        self, molded_images: np.ndarray, image_metas: np.ndarray, verbose: int = 0
    ) -> list[dict[str, np.ndarray]]:
        """The same for images that are molded already; boxes and masks are of the whole molded image."""
        self._check(molded_images, "images")
        if verbose:
            log(f"Processing {len(molded_images)} images")
            for image in molded_images:
                log("image", image)
        shapes = [image.shape for image in molded_images]
        windows = [(0, 0, *shape[:2]) for shape in shapes]
        return self._found(np.asarray(molded_images), np.asarray(image_metas), shapes, windows, verbose)

    def _check(self, images: Sequence[np.ndarray] | np.ndarray, what: str) -> None:
        assert self.mode == "inference", "make the model with mode='inference' to detect"
        assert len(images) == self.config.BATCH_SIZE, (
            f"{len(images)} {what} where BATCH_SIZE (GPU_COUNT * IMAGES_PER_GPU) is {self.config.BATCH_SIZE}"
        )

    def _found(
        self, molded: np.ndarray, metas: np.ndarray, shapes: Sequence[Any], windows: Any, verbose: int
    ) -> list[dict[str, np.ndarray]]:
        anchors = self._batch_anchors(molded)
        if verbose:
            log("molded_images", molded)
            log("image_metas", metas)
            log("anchors", anchors)
        names = ["mrcnn_detection", "mrcnn_mask"]
        found = self.keras_model.network.run(molded.astype(np.float32), metas, anchors, names)
        results = []
        for i, shape in enumerate(shapes):
            parts = unmold_detections(found[names[0]][i], found[names[1]][i], shape, molded[i].shape, windows[i])
            results.append(dict(zip(("rois", "class_ids", "scores", "masks"), parts, strict=True)))
        return results

    def get_anchors(self, image_shape: Sequence[int]) -> np.ndarray:
        """The anchors of an image of this shape, 0..1: L×4 float32. `self.anchors` has them in pixels."""
        key = tuple(int(side) for side in image_shape)
        if key not in self._anchor_cache:
            config = self.config
            self._pixel_anchors = generate_pyramid_anchors(
                config.RPN_ANCHOR_SCALES,
                config.RPN_ANCHOR_RATIOS,
                compute_backbone_shapes(config, key),
                config.BACKBONE_STRIDES,
                config.RPN_ANCHOR_STRIDE,
            )
            self._anchor_cache[key] = norm_boxes(self._pixel_anchors, key[:2])
        return self._anchor_cache[key]

    @property
    def anchors(self) -> np.ndarray:
        """The anchors in pixels, of the last image shape that was asked for."""
        if not self._anchor_cache:
            self.get_anchors(self.config.IMAGE_SHAPE)
        return self._pixel_anchors

    def _batch_anchors(self, molded: np.ndarray) -> np.ndarray:
        anchors = self.get_anchors(molded[0].shape)
        return np.broadcast_to(anchors, (len(molded), *anchors.shape))

    # --- looking inside -----------------------------------------------------------------------------------------------
    def ancestor(self, tensor: Any, name: str, checked: Any = None) -> graph.Output | None:
        """The value of that name on the way to `tensor`, for run_graph; None where there is none."""
        return graph.ancestor(name)

    def run_graph(
        self, images: Any, outputs: Sequence[tuple[str, Any]], image_metas: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Values on the way through the network, by the names given; prints what each is like.

        images   images, or with image_metas molded images
        outputs  [(name, model.keras_model.get_layer("fpn_p2").output), ...]
        """
        tokens = dict(outputs)
        lacking = [name for name, token in tokens.items() if not isinstance(token, graph.Output)]
        if lacking:
            raise UnknownName("output to compute", lacking[0], [], "get_layer(name).output or ancestor(...) gives one")
        molded, metas = (images, image_metas) if image_metas is not None else self.mold_inputs(images)[:2]
        molded = np.asarray(molded, np.float32)
        metas, anchors = np.asarray(metas), self._batch_anchors(molded)
        given = {"input_image": molded, "input_image_meta": metas, "input_anchors": anchors}
        expected = {token.layer for token in tokens.values()}
        steps = expected & set(graph.PROPOSAL_STEPS)
        layers = (expected - steps - set(given)) | ({"rpn_class", "rpn_bbox", "ROI"} if steps else set())
        found = self.keras_model.network.run(molded, metas, anchors, sorted(layers)) if layers else {}
        found = {**given, **found}
        if steps:
            found.update(graph.proposal_steps(steps, found, anchors, self.config))
        values = {name: found[token.layer] for name, token in tokens.items()}
        for name, value in values.items():
            log(name, value)
        return values


_GRAPH_PARTS = (
    *("BatchNorm", "ProposalLayer", "PyramidROIAlign", "DetectionTargetLayer", "DetectionLayer"),
    *("resnet_graph", "rpn_graph", "build_rpn_model", "fpn_classifier_graph", "build_fpn_mask_graph"),
)


def __getattr__(name: str) -> Any:
    if name in _GRAPH_PARTS:
        raise AttributeError(
            f"mrcnn.model.{name} builds a piece of a TensorFlow graph, and there is none here: "
            "the network is maskwright.models.matterport"
        )
    raise AttributeError(f"module 'mrcnn.model' has no attribute {name!r}")
