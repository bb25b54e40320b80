"""mrcnn with the real network: trained, written, read again, asked. Minutes on a slow machine, so it is marked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mrcnn_fakes import Discs, ShapesConfig

from mrcnn.model import MaskRCNN

pytestmark = pytest.mark.slow


class Tiny(ShapesConfig):
    TOP_DOWN_PYRAMID_SIZE = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 32
    POST_NMS_ROIS_TRAINING = POST_NMS_ROIS_INFERENCE = 20
    TRAIN_ROIS_PER_IMAGE = 8
    DETECTION_MIN_CONFIDENCE = 0
    STEPS_PER_EPOCH = 2


def test_train_resume_detect_and_look_inside(tmp_path: Path):
    data = Discs().load(4)
    heard: list[float] = []
    ear = SimpleNamespace(on_epoch_end=lambda epoch, logs: heard.append(logs["val_loss"]))
    model = MaskRCNN(mode="training", config=Tiny(), model_dir=str(tmp_path))
    before = model.keras_model.get_layer("conv1").get_weights()[0].copy()
    model.train(data, data, learning_rate=1e-4, epochs=1, layers="heads", custom_callbacks=[ear])
    assert len(heard) == 1 and np.isfinite(heard[0])
    assert (model.keras_model.get_layer("conv1").get_weights()[0] == before).all()

    again = MaskRCNN(mode="training", config=Tiny(), model_dir=str(tmp_path))
    again.load_weights(again.find_last(), by_name=True)
    assert again.epoch == 1
    for ours, theirs in zip(model.keras_model.weights, again.keras_model.weights, strict=True):
        assert ours.name == theirs.name and (ours.numpy() == theirs.numpy()).all()
    again.train(data, data, learning_rate=1e-4, epochs=2, layers="all")

    asked = MaskRCNN(mode="inference", config=Tiny(), model_dir=str(tmp_path))
    asked.load_weights(asked.find_last(), by_name=True)
    image = data.load_image(0)
    r = asked.detect([image], verbose=1)[0]
    count = len(r["rois"])
    assert r["masks"].shape == (48, 64, count) and r["class_ids"].shape == r["scores"].shape == (count,)
    layer = asked.keras_model.get_layer
    values = asked.run_graph(
        [image],
        [
            ("fpn_p2", layer("fpn_p2").output),
            ("res4f_out", layer("res4f_out").output),
            ("proposals", layer("ROI").output),
            ("kept", asked.ancestor(layer("ROI").output, "ROI/rpn_non_max_suppression:0")),
            ("clipped", asked.ancestor(layer("ROI").output, "ROI/refined_anchors_clipped:0")),
        ],
    )
    assert values["fpn_p2"].shape == (1, 16, 16, 16)
    np.testing.assert_allclose(
        values["clipped"][0][values["kept"]], values["proposals"][0][: len(values["kept"])], atol=1e-5
    )
    predicted = asked.keras_model.predict([*asked.mold_inputs([image])[:2], asked.get_anchors((64, 64, 3))[None]])
    assert [array.ndim for array in predicted] == [3, 3, 4, 5, 3, 3, 3]
