"""A standard recipe for small image sets, trained in three ways: CPU seconds on one thread, in one run.

    python benchmarks/classify.py                          three sides; the slow two for 2 of the 30 epochs
    python benchmarks/classify.py --measured 30            all 30 epochs of each (about half an hour)
    python benchmarks/classify.py --keras /path/to/site    where `pip install --target /path/to/site keras` put it
    python benchmarks/classify.py --real IMAGES WEIGHTS    what keeping features costs in accuracy: MobileNetV2's
                                                           ImageNet weights, five folds, kept looks against new ones

The recipe: VGG16 at 150 x 150 whose convolutions stand still, 256 dense units and dropout on top, RMSprop at 2e-5,
batches of 32, 30 epochs over 150 images (120 to learn from, 30 to validate by after each epoch), turned, shifted,
sheared, zoomed and mirrored. Random weights, the same on all sides, in float32: they make the work, not the accuracy.
The images are rendered: metal with rust, and the same metal without.

    ours    `maskwright train --task classify --model vgg16`: four looks an image, what the convolutions make of each is
            kept. Everything is in the figure: reading images, saving weights, validation, the report. Once with the
            precision that `train` picks on this machine, and in float32
    plain   the loop one writes: new looks every epoch, convolutions in every step (without gradients), head, RMSprop.
            Our network, our looks, the same torch
    keras   Keras 3 on the same torch: ImageDataGenerator with the same looks, Sequential with a frozen VGG16, compile,
            fit. Images lie in memory before the clock starts

What a slow side takes for 30 epochs is its mean epoch, the first one left out where there are more, times 30.
Where Keras is absent that side is left out, with a word.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIDE, BATCH, EPOCHS, RATE = 150, 32, 30, 2e-5
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def images(folder: Path, count: int) -> Path:
    """`count` images in train/rust ... val/norust, a fifth of them in val: each place with rust, and without."""
    from PIL import Image

    from maskwright.synth import render

    for number in range(count):
        kind = "rust" if number % 2 else "norust"
        part = "val" if number % 10 in (4, 5) else "train"
        (folder / part / kind).mkdir(parents=True, exist_ok=True)
        scene = render("rust", number // 2, (SIDE, SIDE), empty=kind == "norust")
        Image.fromarray(scene.image).save(folder / part / kind / f"{number}.png")
    return folder


# --- ours ---------------------------------------------------------------------------------------------
def ours(data: Path, folder: Path, views: int, precision: str = "fp32") -> dict:
    import maskwright
    from maskwright.training.callbacks import OnEpochEnd

    began, rows, at = time.process_time(), [], []

    def after(row: dict) -> None:
        rows.append(row)
        at.append(time.process_time() - began)

    maskwright.train(
        data, task="classify", model="vgg16", weights="none", layers="heads", lr=RATE, epochs=EPOCHS, size=SIDE,
        batch=BATCH, cached_views=views, device="cpu", precision=precision, workers=0, patience=0, out=folder,
        callbacks=[OnEpochEnd(after)],
    )  # fmt: skip
    late = at[views:] or at
    return {
        "whole": time.process_time() - began,
        "epoch": (late[-1] - late[0]) / max(len(late) - 1, 1),
        "accuracy": [row["accuracy"] for row in rows],
        "loss": [row["val_loss"] for row in rows],
    }


# --- the plain loop -----------------------------------------------------------------------------------
def network():  # type: ignore[no-untyped-def]
    """The network as a run of seed 0 builds it."""
    import torch

    from maskwright.models import registry

    torch.manual_seed(0)
    return registry.build("classify", "vgg16", "vgg16", 2, SIDE, False)


def plain(data: Path, measured: int) -> dict:
    import torch
    from torch.nn import functional as F

    from maskwright import formats
    from maskwright.tasks.registry import find_task
    from maskwright.training.defaults import CLASSIFICATION_AUGMENT
    from maskwright.training.loader import Loader, ViewOptions

    parts = find_task("classify").prepare(formats.read(data)).usable().splits()
    loader = Loader(parts["train"], ViewOptions(SIDE, CLASSIFICATION_AUGMENT), BATCH)
    held = list(Loader(parts["val"], ViewOptions(SIDE), BATCH).epoch(0))
    model = network()
    mean, std = (torch.tensor(item).view(1, 3, 1, 1) for item in (MEAN, STD))

    def prepared(batch):  # type: ignore[no-untyped-def]
        shown = (torch.as_tensor(batch.network_inputs).permute(0, 3, 1, 2).float() - mean) / std
        return shown, torch.tensor([int(ground_truth.classes[0]) for ground_truth in batch.targets])

    learning = torch.optim.RMSprop(model.head.parameters(), RATE, alpha=0.9, eps=1e-7)
    generator = torch.Generator().manual_seed(0)
    took, accuracy, losses = [], [], []
    for epoch in range(measured):
        began = time.process_time()
        model.train()
        for batch in loader.epoch(epoch):
            shown, expected = prepared(batch)
            with torch.no_grad():
                maps = model.backbone(shown)
            loss = F.cross_entropy(model.head(maps, generator), expected)
            learning.zero_grad()
            loss.backward()
            learning.step()
        model.eval()
        with torch.no_grad():
            outputs = [(model.head(model.backbone(shown)), expected) for shown, expected in map(prepared, held)]
        logits, expected = (torch.cat(item) for item in zip(*outputs, strict=True))
        accuracy.append(float((logits.argmax(1) == expected).float().mean()))
        losses.append(float(F.cross_entropy(logits, expected)))
        took.append(time.process_time() - began)
    return {"took": took, "accuracy": accuracy, "loss": losses}


# --- Keras --------------------------------------------------------------------------------------------
def keras_side(file: Path, measured: int) -> dict:
    """In a process of its own: no line of maskwright is imported here."""
    import keras
    import torch
    from keras import layers

    try:
        from keras.src.legacy.preprocessing.image import ImageDataGenerator
    except ImportError:  # where older versions had it
        from keras.preprocessing.image import ImageDataGenerator  # type: ignore[no-redef]

    torch.set_num_threads(1)
    given = np.load(file)
    base = keras.applications.VGG16(weights=None, include_top=False, input_shape=(SIDE, SIDE, 3))
    convolutions = [layer for layer in base.layers if isinstance(layer, layers.Conv2D)]
    for number, layer in enumerate(convolutions):
        layer.set_weights([given[f"weight{number}"].transpose(2, 3, 1, 0), given[f"bias{number}"]])
    base.trainable = False
    model = keras.Sequential(
        [base, layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dropout(0.5), layers.Dense(1, "sigmoid")]
    )
    model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.RMSprop(RATE), metrics=["accuracy"])

    def normalized(image: np.ndarray) -> np.ndarray:
        return (image - np.float32(MEAN)) / np.float32(STD)

    looks = ImageDataGenerator(
        rotation_range=20, width_shift_range=0.1, height_shift_range=0.1, shear_range=8, zoom_range=(0.77, 1.25),
        horizontal_flip=True, preprocessing_function=normalized,
    )  # fmt: skip
    held = normalized(given["val"].astype(np.float32)), given["val_expected"]
    took, accuracy, losses = [], [], []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):  # type: ignore[no-untyped-def]
            self.began = time.process_time()

        def on_epoch_end(self, epoch, logs=None):  # type: ignore[no-untyped-def]
            took.append(time.process_time() - self.began)
            accuracy.append(float(logs["val_accuracy"]))
            losses.append(float(logs["val_loss"]))

    flow = looks.flow(given["train"].astype(np.float32), given["train_expected"], batch_size=BATCH, seed=0)
    model.fit(flow, epochs=measured, validation_data=held, callbacks=[Clock()], verbose=0)
    return {"took": took, "accuracy": accuracy, "loss": losses, "version": keras.__version__}


def keras(data: Path, folder: Path, measured: int, site: str | None) -> dict | str:
    """The measurements of the other process, or why there are none."""
    from PIL import Image
    from torch import nn

    paths = {part: sorted((data / part).rglob("*.png")) for part in ("train", "val")}
    held = {part: np.stack([np.asarray(Image.open(path)) for path in several]) for part, several in paths.items()}
    expected = {f"{part}_expected": np.array([path.parent.name == "rust" for path in several], np.float32)
              for part, several in paths.items()}  # fmt: skip
    convolutions = [layer for layer in network().backbone.features if isinstance(layer, nn.Conv2d)]
    weights = {f"weight{n}": layer.weight.detach().numpy() for n, layer in enumerate(convolutions)}
    weights |= {f"bias{n}": layer.bias.detach().numpy() for n, layer in enumerate(convolutions)}
    np.savez(folder / "given.npz", **held, **expected, **weights)  # type: ignore[arg-type]
    call = [sys.executable, __file__, "--keras-side", str(folder / "given.npz"), "--measured", str(measured)]
    path = os.pathsep.join(item for item in (os.environ.get("PYTHONPATH"), site) if item)
    done = subprocess.run(
        call, capture_output=True, text=True, check=False,
        env={**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
    )  # fmt: skip
    if done.returncode:
        missing = "No module named 'keras'" in done.stderr
        return "not installed (pip install keras, or --keras)" if missing else done.stderr.strip().splitlines()[-1]
    return json.loads(done.stdout.splitlines()[-1])


# --- the same accuracy --------------------------------------------------------------------------------
def real(data: str, weights: str) -> None:
    """Five folds of the head on ImageNet weights: four cached views per image against a new view every epoch."""
    import maskwright

    for views in (4, 0):
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            folded = maskwright.cross_validate(
                data,
                k=5,
                task="classify",
                model="mobilenet_v2",
                weights=weights,
                cached_views=views,
                workers=0,
                out=folder,
            )
        metrics, spent = folded.pooled, time.process_time() - began
        shown = "  ".join(
            f"{name} {value:.3f} ({metrics.intervals[name][0]:.3f} to {metrics.intervals[name][1]:.3f})"
            for name, value in (("accuracy", metrics.accuracy), ("AUC", metrics.auc))
        )
        print(f"{f'{views} kept looks' if views else 'new looks':<16}{shown}  {spent:.0f} processor seconds")


# --- the table ----------------------------------------------------------------------------------------
def whole(side: dict) -> float:
    took = side["took"][1:] or side["took"]
    return EPOCHS * sum(took) / len(took)


def main() -> None:
    reading = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reading.add_argument("--images", type=int, default=150)
    reading.add_argument("--measured", type=int, default=2, help="epochs of the slow sides")
    reading.add_argument("--keras", metavar="FOLDER", help="a folder of packages with Keras in it")
    reading.add_argument("--keras-side", type=Path, help=argparse.SUPPRESS)
    reading.add_argument("--real", nargs=2, metavar=("IMAGES", "WEIGHTS"), help="accuracy with and without keeping")
    asked = reading.parse_args()
    if asked.real:
        real(*asked.real)
        return
    if asked.keras_side:
        print(json.dumps(keras_side(asked.keras_side, asked.measured)))
        return
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = images(folder / "images", asked.images)
        print(f"{asked.images} images of {SIDE} x {SIDE}, {EPOCHS} epochs, one thread, torch {torch.__version__}")
        sides = ((4, "auto"), (4, "fp32"), (2, "fp32"), (1, "fp32"))
        quick = {f"{views} looks, {kind}": ours(data, folder / "runs", views, kind) for views, kind in sides}
        loop = plain(data, asked.measured)
        other = keras(data, folder, asked.measured, asked.keras)
    last = asked.measured - 1
    print(f"\n{'':<28}{'30 epochs':>11}{'an epoch':>11}   validation accuracy, loss")
    for asked_for, side in quick.items():
        print(f"{f'ours, {asked_for}':<28}{side['whole']:>9.1f} s{side['epoch']:>9.2f} s   "
              f"epoch {asked.measured}: {side['accuracy'][last]:.3f}, {side['loss'][last]:.3f};  "
              f"epoch {EPOCHS}: {side['accuracy'][-1]:.3f}, {side['loss'][-1]:.3f}")  # fmt: skip
    for name, side in (("plain", loop), ("keras", other)):
        if isinstance(side, str):
            print(f"{name:<28}{side}")
            continue
        label = f"{name} {side.get('version', '')}".strip()
        print(f"{label:<28}{whole(side):>9.1f} s{whole(side) / EPOCHS:>9.2f} s   "
              f"epoch {asked.measured}: {side['accuracy'][-1]:.3f}, {side['loss'][-1]:.3f}")  # fmt: skip
        for asked_for, quickly in quick.items():
            print(f"{'':<28}ours is {whole(side) / quickly['whole']:.1f} times as fast with {asked_for}, "
                  f"{whole(side) / EPOCHS / quickly['epoch']:.0f} times an epoch once they are kept")  # fmt: skip
    print(f"\nan epoch of ours: once the looks are kept. plain and keras: {asked.measured} epochs measured")


if __name__ == "__main__":
    main()
