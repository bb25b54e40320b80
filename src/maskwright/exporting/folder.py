"""Writes an exported folder: graphs, card and manifest, then the parity card; all of it or nothing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwright import __version__, files
from maskwright.engines.conversion_cache import converted
from maskwright.engines.graph_engine import GraphEngine
from maskwright.engines.manifest import Manifest, hashes, write_manifest
from maskwright.engines.protocol import engine_class
from maskwright.errors import RecipeError, UnknownName, WeightsError
from maskwright.exporting.parity import Parity, compare, rendered
from maskwright.exporting.parity_card import write_parity_card
from maskwright.issues import Issue, Kind
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.progress import Progress, silent
from maskwright.weights.card import CARD, EXPORT, read_card, write_card

RUNTIMES = ("onnx", "openvino")
PARITY_WITHOUT_DETECTIONS = Kind(
    "parity_without_detections", "warning",
    "the model detects nothing on the {count} images that were compared, so the comparison shows little ({fix})",
    fix="compare on images of yours: --images FOLDER",
)  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """What was written: the folder, its manifest and how far it is from the original."""

    folder: Path
    manifest: Manifest
    parity: Parity
    megabytes: float
    issues: tuple[Issue, ...] = ()

    def facts(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "engine": self.manifest.runtime,
            "precision": self.manifest.precision,
            "megabytes": round(self.megabytes, 1),
            "parity": self.parity.facts(),
        }


def write_export(
    model: Path, to: str, out: Path, precision: str, images: list[bytes] | None, progress: Progress = silent
) -> Exported:
    """Convert a model folder (or a published file), compare it, and leave it at `out`.

    images  encoded images to compare on; None: 32 rendered ones
    """
    if to not in RUNTIMES:
        raise UnknownName("engine to export for", to, RUNTIMES)
    if (model / EXPORT).is_file():
        raise RecipeError("this model is exported already", file=model, field="MODEL", expected="a model in torch",
                          got="an exported folder")  # fmt: skip
    if model.suffix.lower() in (".h5", ".hdf5"):
        raise WeightsError("matterport's weight files cannot be exported", file=model, fix="they run in torch only")
    files.refuse_filled(out)
    kind = engine_class(to)
    assert issubclass(kind, GraphEngine)
    chosen = kind.choose_precision(precision)
    graphs, source = converted(model)
    with files.writing_folder(out) as folder:
        for name in source.network.graphs:
            _write_graph(graphs / f"{name}.onnx", to, folder)
        card = read_card(model if (model / CARD).is_file() else graphs)
        write_card(card, folder)
        manifest = Manifest(to, chosen, source.network, hashes(folder), source.source, __version__)
        write_manifest(manifest, folder)
        compared = list(rendered()) if images is None else images
        parity = _compare(model, folder, chosen, compared, progress)
        parity.check(out)
        origin = f"{len(compared)} rendered" if images is None else f"{len(compared)} of the user's"
        write_parity_card(parity, card, to, origin, folder)
        manifest = Manifest(to, chosen, source.network, hashes(folder), source.source, __version__)
        write_manifest(manifest, folder)
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    issues = () if parity.detections else (PARITY_WITHOUT_DETECTIONS(count=parity.images),)
    return Exported(out, manifest, parity, size, issues)


def _compare(model: Path, folder: Path, precision: str, images: list[bytes], progress: Progress) -> Parity:
    """Of a detector all detections, however low their scores: the thresholds decide which must have a counterpart."""
    card = read_card(folder)
    lowest = InferenceOptions(threshold=0.0 if card.kind.objects else None, tile=0 if card.kind.objects else None)
    reference = InferenceOptions(threshold=lowest.threshold, tile=lowest.tile, device="cpu", precision="fp32")
    original, exported = load(model, reference, engine="torch"), load(folder, lowest)
    limits = [card.thresholds.get(name, card.threshold) for name in card.classes]
    return compare(original.look, exported.look, images, precision, limits, card.size, progress)


def _write_graph(file: Path, to: str, folder: Path) -> None:
    if to == "onnx":
        shutil.copyfile(file, folder / file.name)
        return
    import openvino

    from maskwright.engines.openvino_engine import core

    # Without compression: to float16 weights, which save_model makes of them otherwise, is another model.
    openvino.save_model(core().read_model(file), folder / f"{file.stem}.xml", compress_to_fp16=False)
