"""The parity card beside an exported model: parity.json, and parity.md to read."""

from __future__ import annotations

import json
from pathlib import Path

from maskwright import files
from maskwright.exporting.accuracy_cost import AccuracyCost
from maskwright.exporting.parity import BOUNDS, Parity
from maskwright.weights.card import Card

LABELS = {
    "unmatched": ("detections without a counterpart", "{:.2%}"),
    "box": ("difference of boxes, pixels of the network input (95 % of corners)", "{:.3f}"),
    "score": ("difference of scores (95 %)", "{:.5f}"),
    "mask_iou": ("IoU of masks, mean", "{:.4f}"),
    "ap": ("AP lost, with the original's detections as ground truth", "{:.4f}"),
}


def write_parity_card(
    parity: Parity, card: Card, runtime: str, images: str, cost: AccuracyCost | None, folder: Path
) -> None:
    """images  which they are, as text;  cost  of a lower precision, where it was measured"""
    facts = {"engine": runtime, "model": card.model, "image_source": images, **parity.facts()}
    if cost is not None:
        facts["accuracy"] = cost.facts()
    files.write_text(folder / "parity.json", json.dumps(facts, indent=2) + "\n")
    files.write_text(folder / "parity.md", markdown(parity, card, runtime, images, cost))


def markdown(parity: Parity, card: Card, runtime: str, images: str, cost: AccuracyCost | None) -> str:
    lines = [
        f"# {card.model} in {runtime}, {parity.precision}",
        "",
        f"Compared with the original in torch, fp32, on {parity.images} images ({images}), from the same bytes.",
        f"Detections of the original: {parity.detections}, of this model: {parity.exported}; "
        f"images on which the original detects nothing: {parity.empty}.",
        "",
        "| | value | bound |",
        "|---|---|---|",
    ]
    for name, (label, form) in LABELS.items():
        value, bound = getattr(parity, name), getattr(BOUNDS[parity.precision], name)
        limit = "-" if bound is None else f"{'at least' if name == 'mask_iou' else 'at most'} {form.format(bound)}"
        lines.append(f"| {label} | {'-' if value is None else form.format(value)} | {limit} |")
    if parity.batch is not None:
        differences = [(label, form, getattr(parity.batch, name)) for name, (label, form) in LABELS.items()]
        texts = [f"{label} {form.format(value)}" for label, form, value in differences if value is not None]
        lines += ["", f"{parity.batch.images} images in one batch, against each of them alone: {'; '.join(texts)}."]
    if cost is not None:
        lines += ["", f"Accuracy: {cost.sentence()}."]
    return "\n".join([*lines, "", f"License of the model: {card.license}", ""])
