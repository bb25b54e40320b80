"""Convert a finished run to a bundled model: half precision, card, and model card page.

    python recipes/bundle.py RUN src/maskwright/weights/bundled/balloons --evaluate DATA --page recipes/balloons.md

The metrics of DATA (images the run never saw) go into the card, in full precision and as stored: a difference of more
than 0.002 AP is an error.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import msgspec
import torch

from maskwright.api.evaluate import evaluate
from maskwright.evaluation.detection_metrics import DetectionMetrics
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.weights import checkpoint
from maskwright.weights.card import WEIGHTS, Card, read_card, write_card
from maskwright.weights.model_tensors import backbone_tensors
from maskwright.weights.packages import PACKAGED

MOST_BYTES = 20_000_000
CLOSE = 0.002


def metrics(model: Path, data: Path) -> DetectionMetrics:
    return evaluate(load(model, InferenceOptions(precision="fp32")), data, split="all").metrics


def store(run: Path, target: Path, card: Card) -> None:
    """A backbone that is still the package's is left out."""
    tensors = checkpoint.load(run / "best" / WEIGHTS)
    entry = PACKAGED.get(("imagenet", card.backbone))
    packaged = backbone_tensors(entry) if entry else {}
    if entry and all(torch.equal(tensors[name], value) for name, value in packaged.items()):
        tensors = {name: value for name, value in tensors.items() if name not in packaged}
        card = msgspec.structs.replace(card, backbone_package=entry.requirement)
    checkpoint.save(tensors, target / WEIGHTS, stored="float16")
    write_card(card, target)


def metric_facts(evaluated: DetectionMetrics) -> dict[str, object]:
    """{"mask_AP": 0.5, "mask_AP_interval": [0.4, 0.6], ...}"""
    facts: dict[str, object] = {"images": evaluated.images, "objects": evaluated.ground_truths}
    for kind in (evaluated.mask, evaluated.box):
        for name in ("AP", "AP50") if kind else ():
            facts[f"{kind.kind}_{name}"] = round(getattr(kind, name), 4)  # type: ignore[union-attr]
            low, high = kind.intervals[name] or (None, None)  # type: ignore[union-attr]
            facts[f"{kind.kind}_{name}_interval"] = [round(low, 3), round(high, 3)] if low is not None else None  # type: ignore[union-attr]
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--evaluate", type=Path, required=True)
    parser.add_argument("--trained-on", default="")
    parser.add_argument("--page", type=Path)
    chosen = parser.parse_args()
    card = msgspec.structs.replace(
        read_card(chosen.run / "best"),
        license="Apache-2.0",
        trained_on=chosen.trained_on,
        started_from="none",
        metrics={},
    )
    with tempfile.TemporaryDirectory() as scratch:
        store(chosen.run, Path(scratch), card)
        full, half = metrics(chosen.run / "best", chosen.evaluate), metrics(Path(scratch), chosen.evaluate)
    for kind in ("box", "mask"):
        one, two = full.kind(kind), half.kind(kind)
        if one and two and one.AP is not None and two.AP is not None:
            print(f"{kind} AP {one.AP:.4f} full, {two.AP:.4f} as stored")
            assert abs(one.AP - two.AP) <= CLOSE, "half precision changes the answers"
    store(chosen.run, chosen.target, msgspec.structs.replace(card, metrics={chosen.evaluate.name: metric_facts(half)}))
    if chosen.page:
        (chosen.target / "MODEL_CARD.md").write_text(chosen.page.read_text(encoding="utf-8"), encoding="utf-8")
    size = sum(file.stat().st_size for file in chosen.target.parent.rglob("*") if file.is_file())
    print(f"{chosen.target}: bundled models take {size / 1e6:.1f} MB in all")
    assert size <= MOST_BYTES, "more than 20 MB"


if __name__ == "__main__":
    main()
