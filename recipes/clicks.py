"""Train the decoder that turns a box or clicks into a mask; the backbone stays as ImageNet left it.

    python recipes/render.py build/scenes --count 500 --backgrounds ../shared/data/pretrain
    python recipes/clicks.py ../shared/data/pretrain ../shared/data/pretrain2 build/scenes/train --minutes 60 \
        --out src/maskwright/weights/bundled/clicks

A folder holds one COCO annotation file, or one folder a set. Every object with an outline is taken by itself, whatever
its class. An iteration draws objects, cuts each out with its surroundings, simulates a box or a click, and one to three
further clicks where the mask is most wrong.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageEnhance
from torch import Tensor
from torch.nn import functional as F

from maskwright import formats
from maskwright.geometry import polygons
from maskwright.models.interactive.network import InteractiveNetwork
from maskwright.transforms.prompts import MEAN_COLOR, SHAPES, encode, nearest_shape
from maskwright.weights import checkpoint
from maskwright.weights.card import WEIGHTS
from maskwright.weights.model_tensors import backbone_tensors
from maskwright.weights.packages import EFFICIENTNET_LITE0

# Sets of grades A and B (docs/data-and-licenses.md) whose outlines follow what is seen, with their share of the drawn
# objects. Not taken: rough outlines, regions that are no objects.
SETS = {
    "coco": 3.0, "animals": 3.0, "clothing": 1.5, "nuclei": 0.6, "road_objects": 0.5, "facades": 0.7, "potholes": 0.3,
    "small_things": 0.5, "streets": 0.7, "strawberry": 0.5, "wagons": 0.4, "mushrooms": 0.4,
    "coco_people": 3.0, "coco_mini": 3.0, "coco_tiny": 3.0, "coco_tiny2": 1.0, "coco_debug": 0.4, "animals2": 2.0,
    "clothing2": 1.2, "davis": 1.5, "litter": 2.0, "granular": 0.5, "screws": 1.0, "bolts": 0.5, "screw_ruler": 0.5,
    "boards2": 0.7, "laptops": 0.5, "carts": 0.4, "snack_packs": 0.7, "cotton": 0.5, "wafers": 0.5, "blocks": 0.4,
    "pot_plants": 0.3, "plants": 0.5, "maggots": 0.3, "nano_shapes": 0.3, "ball_screws": 0.2,
    "train": 4.0,
}  # fmt: skip
SMALL = ((96, 192), (128, 160), (128, 128), (160, 128), (192, 96))  # for the first part
SMALL_PART = 0.65  # of the training
SMALLEST = 18  # pixels of the longer side: below, an enlarged outline says nothing about the edge


@dataclass(frozen=True, eq=False)
class Thing:
    """An object to cut out.

    rings   outlines in image pixels, each with whether it is a hole in what came before
    box     x1 y1 x2 y2
    """

    image: bytes
    rings: list[tuple[np.ndarray, bool]]
    box: np.ndarray
    weight: float

    @property
    def shape(self) -> int:
        x1, y1, x2, y2 = self.box
        return SHAPES.index(nearest_shape(y2 - y1, x2 - x1))


def things(folders: list[Path], skip: int) -> list[Thing]:
    """All objects; of each set every eighth image is left out, or only these are taken (skip 0 or 1)."""
    found = []
    for folder in folders:
        files = [folder] if (folder / "annotations.json").is_file() else sorted(folder.iterdir())
        for one in files:
            if one.name in SETS and (one / "annotations.json").is_file():
                taken = list(_of_set(one, skip))
                each = SETS[one.name] / max(len(taken), 1)
                found += [Thing(image, rings, box, each) for image, rings, box in taken]
    return found


def _of_set(folder: Path, skip: int) -> Iterator[tuple[bytes, list[tuple[np.ndarray, bool]], np.ndarray]]:
    """Image file, rings with whether they are holes, and box of every object."""
    for index, record in enumerate(formats.read(folder / "annotations.json")):
        objects = record.instances
        if (index % 8 == 0) == (skip == 0) or objects is None or objects.masks is None:
            continue
        data = record.image.read_bytes()
        traced = polygons.trace(objects.masks.counts, objects.masks.offsets, objects.masks.size)
        for row, drawn in enumerate(objects.outlines()):
            if objects.crowd is not None and objects.crowd[row]:
                continue
            rings = [(np.asarray(ring), False) for ring in drawn or ()] or [(ring, hole) for ring, hole in traced[row]]
            corners = np.concatenate([ring for ring, _ in rings]) if rings else np.zeros((1, 2))
            box = np.concatenate([corners.min(0), corners.max(0)])
            if max(box[2:] - box[:2]) >= SMALLEST and min(box[2:] - box[:2]) >= 5:
                yield data, rings, box


# --- one sample -------------------------------------------------------------------------------------------------------
def sample(
    thing: Thing, shape: tuple[int, int], random: np.random.Generator, plain: bool
) -> tuple[np.ndarray, np.ndarray, bool]:
    """The cut H×W×3 uint8, the share of each cell of 2 pixels that the object covers, and whether a box is given."""
    x1, y1, x2, y2 = thing.box
    boxed = plain or random.random() < 0.5
    margin = 1.4 if plain else float(np.exp(random.uniform(np.log(1.12), np.log(1.9 if boxed else 4.0))))
    scale = min(shape[0] / max(y2 - y1, 1), shape[1] / max(x2 - x1, 1)) / margin
    free = np.array([shape[1] - (x2 - x1) * scale, shape[0] - (y2 - y1) * scale]) / 2
    shift = np.zeros(2) if plain else free * random.uniform(-0.6, 0.6, 2)
    center = np.array([(x1 + x2) / 2, (y1 + y2) / 2]) + shift / scale
    turn = 0.0 if plain or random.random() < 0.6 else random.uniform(-0.35, 0.35)
    stretch = 1.0 if plain else float(np.exp(random.uniform(-0.15, 0.15)))
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale
    linear[0] *= stretch
    if not plain and random.random() < 0.5:
        linear[0] *= -1
    if not plain and random.random() < 0.12:
        linear[1] *= -1
    middle = np.array([shape[1], shape[0]]) / 2
    inverse = np.linalg.inv(linear)
    back = np.column_stack([inverse, center - inverse @ middle])
    with Image.open(io.BytesIO(thing.image)) as opened:
        opened.load()
        image = opened.convert("RGB")
    cut = image.transform(
        (shape[1], shape[0]),
        Image.Transform.AFFINE,
        tuple(back.reshape(-1)),
        Image.Resampling.BILINEAR,
        fillcolor=MEAN_COLOR,
    )
    if not plain:
        cut = _colors(cut, random)
    mask = Image.new("L", (shape[1] * 2, shape[0] * 2))
    draw = ImageDraw.Draw(mask)
    for ring, hole in thing.rings:
        points = ((ring - center) @ linear.T + middle) * 2 - 0.5
        draw.polygon([tuple(point) for point in points.tolist()], fill=0 if hole else 255)
    share = np.asarray(mask.reduce(4), np.float32) / 255
    return np.asarray(cut), share, boxed


def _colors(image: Image.Image, random: np.random.Generator) -> Image.Image:
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        if random.random() < 0.5:
            image = kind(image).enhance(float(random.uniform(0.65, 1.4)))
    return image.convert("L").convert("RGB") if random.random() < 0.05 else image


def jittered(share: np.ndarray, random: np.random.Generator, plain: bool) -> np.ndarray:
    """The box of the object on its cut (network input pixels), drawn as people draw it."""
    y, x = np.nonzero(share > 0.5)
    if not len(x):
        y, x = np.nonzero(share >= share.max())
    box = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float64) * 2
    if plain:
        return box
    sides = np.tile(box[2:] - box[:2], 2)
    amount = 0.0 if random.random() < 0.3 else random.choice([0.02, 0.04, 0.08])
    return box + random.normal(0, 1, 4).clip(-2, 2) * sides * amount


def deepest(wrong: Tensor, random: np.random.Generator, plain: bool) -> list[tuple[float, float] | None]:
    """Of each B×h×w map of 0 and 1 a point in the middle of its thickest part (x, y in network input pixels)."""
    left = (F.avg_pool2d(wrong[:, None], 2)[:, 0] > 0.6).float()
    depth = torch.zeros_like(left)
    for _ in range(32):
        if not left.any():
            break
        depth += left
        left = 1 - F.max_pool2d(F.pad(1 - left, (1, 1, 1, 1), value=1.0)[:, None], 3, 1)[:, 0]
    points: list[tuple[float, float] | None] = []
    for each, fine in zip(depth.numpy(), wrong.numpy(), strict=True):
        most = each.max()
        if most >= 1:
            rows, columns = np.nonzero(each >= (most if plain else max(1.0, random.uniform(0.4, 1.0) * most)))
            chosen = int(random.integers(len(rows)))
            points.append((columns[chosen] * 4 + 2.0, rows[chosen] * 4 + 2.0))
        elif fine.any() and not plain:
            rows, columns = np.nonzero(fine)
            chosen = int(random.integers(len(rows)))
            points.append((columns[chosen] * 2 + 1.0, rows[chosen] * 2 + 1.0))
        else:
            points.append(None)
    return points


class Batch:
    """Objects of one shape with their prompts so far."""

    def __init__(self, chosen: list[Thing], shape: tuple[int, int], random: np.random.Generator, plain: bool) -> None:
        made = [sample(thing, shape, random, plain) for thing in chosen]
        self.shape, self.random, self.plain = shape, random, plain
        self.images = torch.from_numpy(np.stack([image for image, _, _ in made])).permute(0, 3, 1, 2).float()
        self.targets = torch.from_numpy(np.stack([share for _, share, _ in made]))
        self.boxes = [jittered(share, random, plain) if boxed else None for _, share, boxed in made]
        self.clicks: list[tuple[list, list]] = [([], []) for _ in made]
        first = deepest((self.targets > 0.5).float(), random, plain)
        for index, point in enumerate(first):
            if point is not None and (self.boxes[index] is None or (not plain and random.random() < 0.2)):
                self.clicks[index][0].append(point)

    def prompts(self, previous: Tensor | None) -> Tensor:
        rows = [
            encode(
                self.shape,
                box,
                np.array(positive),
                np.array(negative),
                None if previous is None else previous[index].numpy(),
            )
            for index, (box, (positive, negative)) in enumerate(zip(self.boxes, self.clicks, strict=True))
        ]
        return torch.from_numpy(np.stack(rows))

    def correct(self, probs: Tensor) -> None:
        """One more click where the mask is most wrong."""
        found, wanted = probs > 0.5, self.targets > 0.5
        points = deepest((found != wanted).float(), self.random, self.plain)
        for index, point in enumerate(points):
            if point is not None:
                inside = bool(wanted[index, int(point[1]) // 2, int(point[0]) // 2])
                self.clicks[index][0 if inside else 1].append(point)


# --- training ---------------------------------------------------------------------------------------------------------
def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy weighted toward the edge and the object's size, and soft IoU."""
    probs = logits.sigmoid()
    area = targets.sum((1, 2)).clamp(min=16.0)
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    focal = entropy * (probs.detach() - targets).abs().add(0.15)
    overlap = (probs * targets).sum((1, 2))
    iou = (overlap + 1) / (probs.sum((1, 2)) + targets.sum((1, 2)) - overlap + 1)
    return ((focal.sum((1, 2)) / area).clamp(max=8) + 1 - iou).mean()


def ious(probs: Tensor, targets: Tensor) -> Tensor:
    found, wanted = probs > 0.5, targets > 0.5
    return (found & wanted).sum((1, 2)) / (found | wanted).sum((1, 2)).clamp(min=1)


def features_of(network: InteractiveNetwork, batch: Batch) -> list[Tensor]:
    with torch.autocast("cpu", torch.bfloat16):
        return network.features(batch.images.contiguous(memory_format=torch.channels_last))


def logits_of(network: InteractiveNetwork, features: list[Tensor], prompts: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return network.logits(features, prompts).float()


@torch.no_grad()
def validate(network: InteractiveNetwork, held_out: list[Thing], count: int) -> list[float]:
    """Mean IoU from a box, with one and with two further clicks."""
    network.eval()
    random = np.random.default_rng(5)
    weights = np.array([thing.weight for thing in held_out])
    drawn = random.choice(len(held_out), min(count, len(held_out)), p=weights / weights.sum(), replace=False)
    rows = []
    for shape_index, shape in enumerate(SHAPES):
        group = [held_out[index] for index in drawn if held_out[index].shape == shape_index]
        for start in range(0, len(group), 16):
            batch, previous, row = Batch(group[start : start + 16], shape, random, plain=True), None, []
            features = features_of(network, batch)
            for _ in range(3):
                previous = logits_of(network, features, batch.prompts(previous)).sigmoid()
                row.append(ious(previous, batch.targets))
                batch.correct(previous)
            rows.append(torch.stack(row))
    return [round(float(row.mean()), 3) for row in torch.cat(rows, 1)]


class Drawing:
    """Draws batches: objects of one shape, each set with its share."""

    def __init__(self, data: list[Thing], batch_size: int, seed: int) -> None:
        self.data, self.batch_size, self.random = data, batch_size, np.random.default_rng(seed)
        self.shapes = np.array([thing.shape for thing in data])
        self.weights = np.array([thing.weight for thing in data])

    def batch(self, small: bool) -> Batch:
        shape = self.shapes[self.random.choice(len(self.data), p=self.weights / self.weights.sum())]
        own = np.flatnonzero(self.shapes == shape)
        count = self.batch_size * 3 // 2 if small else self.batch_size
        drawn = self.random.choice(own, count, p=self.weights[own] / self.weights[own].sum())
        return Batch(
            [self.data[index] for index in drawn], (SMALL if small else SHAPES)[shape], self.random, plain=False
        )


def step(network: InteractiveNetwork, batch: Batch, rounds: int) -> list[tuple[float, float]]:
    """Gradients of the masks of a batch, each after one click more; their losses and IoU."""
    features, previous, reached = features_of(network, batch), None, []
    for _ in range(rounds):
        if previous is not None:
            batch.correct(previous)
        logits = logits_of(network, features, batch.prompts(previous))
        loss = loss_of(logits, batch.targets)
        (loss / rounds).backward()
        previous = logits.detach().sigmoid()
        reached.append((float(loss.detach()), float(ious(previous, batch.targets).mean())))
    torch.nn.utils.clip_grad_norm_(network.decoder.parameters(), 2.0)
    return reached


def train(network: InteractiveNetwork, drawing: Drawing, seconds: float, limit: float, lr: float, out: Path) -> None:
    """Until `seconds` of processor time are spent, or `limit` by the clock; the decoder becomes the mean of its way."""
    decoder = network.train().decoder
    mean = {name: value.clone() for name, value in decoder.state_dict().items()}
    optimizer = torch.optim.AdamW(decoder.parameters(), lr, weight_decay=1e-4)
    began, started, steps, recent, reported = time.process_time(), time.monotonic(), 0, [], 0.0
    while (done := max((time.process_time() - began) / seconds, (time.monotonic() - started) / limit)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, (steps + 1) / 20) * max(0.5 * (1 + np.cos(np.pi * done)), 0.01)
        optimizer.zero_grad()
        rounds = 2 + int(drawing.random.choice(3, p=(0.5, 0.3, 0.2)))
        recent.append(step(network, drawing.batch(small=done < SMALL_PART), rounds)[:2])
        optimizer.step()
        steps += 1
        decay = min(0.998, (steps + 1) / (steps + 10))
        for name, value in decoder.state_dict().items():
            mean[name] = mean[name] * decay + value * (1 - decay) if value.is_floating_point() else value.clone()
        if done - reported > 1 / 40:
            shown = np.mean(recent, 0).round(3).tolist()
            print(f"{100 * done:3.0f} %  step {steps}  loss, IoU of the first and the second mask {shown}", flush=True)
            recent, reported = [], done
            save(mean, out)
    decoder.load_state_dict(mean)
    save(mean, out)


def save(decoder: dict[str, Tensor], out: Path) -> None:
    checkpoint.save({f"decoder.{name}": value for name, value in decoder.items()}, out / WEIGHTS, stored="float16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=60, help="of processor time")
    parser.add_argument("--limit", type=float, default=600, help="minutes by the clock, at most")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights of an earlier training to go on from")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    data, held_out = things(chosen.folders, 0), things(chosen.folders, 1)
    print(f"{len(data)} objects to train on, {len(held_out)} held out", flush=True)
    chosen.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(chosen.seed)
    network = InteractiveNetwork()
    stored = checkpoint.load(chosen.start) if chosen.start else {}
    network.load_state_dict(backbone_tensors(EFFICIENTNET_LITE0) | stored, strict=False)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    drawing = Drawing(data, chosen.batch, chosen.seed)
    train(network, drawing, chosen.minutes * 60, chosen.limit * 60, chosen.lr, chosen.out)
    print("held-out objects: IoU from a box, one click more, two", validate(network, held_out, 240), flush=True)
    print(f"{chosen.out / WEIGHTS}: {(chosen.out / WEIGHTS).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
