"""Writes an exported folder: graphs, card and manifest, then the parity card; all of it or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwright import __version__, files
from maskwright.engines.conversion_cache import converted
from maskwright.engines.graph_engine import GraphEngine
from maskwright.engines.manifest import Manifest, hashes, sha256, weights_file, write_manifest
from maskwright.engines.network_kinds import NetworkKind
from maskwright.engines.protocol import engine_class, open_engine
from maskwright.errors import RecipeError, UnknownName, WeightsError
from maskwright.exporting.accuracy_cost import AccuracyCost, Quantizer
from maskwright.exporting.parity import Parity, compare, rendered
from maskwright.exporting.parity_card import write_parity_card
from maskwright.issues import Issue, Kind
from maskwright.prediction.detector import Detector
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress, silent
from maskwright.weights.card import CARD, EXPORT, read_card, write_card

RUNTIMES = {"onnx": "onnx", "openvino": "openvino", "torch": "torch_export"}  # name -> its engine
PARITY_WITHOUT_DETECTIONS = Kind(
    "parity_without_detections", "warning",
    "the model detects nothing on the {count} images that were compared, so the comparison shows little ({fix})",
    fix="compare on images of yours: --images FOLDER",
)  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """What was written: the folder, its manifest and how far it is from the original; of int8 also what it costs."""

    folder: Path
    manifest: Manifest
    parity: Parity
    megabytes: float
    cost: AccuracyCost | None = None
    issues: tuple[Issue, ...] = ()

    def facts(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "engine": self.manifest.runtime,
            "precision": self.manifest.precision,
            "megabytes": round(self.megabytes, 1),
            "parity": self.parity.facts(),
            **({} if self.cost is None else {"accuracy": self.cost.facts()}),
        }


def write_export(
    model: Path,
    to: str,
    out: Path,
    precision: str,
    images: list[bytes] | None,
    quantizer: Quantizer | None = None,
    progress: Progress = silent,
    names: Sequence[str] | None = None,
) -> Exported:
    """Convert a model folder (or a published file, or a .h5 of matterport's), compare it, and leave it at `out`.

    images     encoded images to compare on; None: 32 rendered ones
    quantizer  of precision int8
    names      the classes of a .h5 file
    """
    _check_exportable(model, to)
    files.refuse_filled(out)
    kind = engine_class(RUNTIMES[to])
    assert issubclass(kind, GraphEngine)
    chosen = kind.choose_precision(precision)
    with files.writing_folder(out) as folder:
        network, source = (
            _write_programs(model, names, folder) if to == "torch" else _write_graphs(model, names, to, folder)
        )
        card = read_card(folder)

        def write(precision: str) -> Manifest:
            manifest = Manifest(to, precision, network, hashes(folder), source, __version__)
            write_manifest(manifest, folder)
            return manifest

        if quantizer is not None:
            write("fp32")
            quantizer.quantize(folder, network, progress)
        write(chosen)
        reference = InferenceOptions(device="cpu", precision="fp32", names=names)
        original, exported = load(model, reference, engine="torch"), load(folder)
        cost = None if quantizer is None else quantizer.measure(original, exported, progress)
        if cost is not None:
            cost.check(out)
        compared, origin = _compared(images, quantizer)
        parity = _compare(original, exported, chosen, compared, progress)
        parity.check(out)
        write_parity_card(parity, card, to, origin, cost, folder)
        manifest = write(chosen)
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        del exported  # its graphs may hold files of the folder open
    issues = () if parity.detections else (PARITY_WITHOUT_DETECTIONS(count=parity.images),)
    return Exported(out, manifest, parity, size, cost, issues)


def _check_exportable(model: Path, to: str) -> None:
    if to not in RUNTIMES:
        raise UnknownName("engine to export for", to, RUNTIMES)
    if (model / EXPORT).is_file():
        raise RecipeError("this model is exported already", file=model, field="MODEL", expected="a model in torch",
                          got="an exported folder")  # fmt: skip


def _compared(images: list[bytes] | None, quantizer: Quantizer | None) -> tuple[list[bytes], str]:
    """The images of the comparison, and which they are, in words."""
    if images is not None:
        return images, f"{len(images)} of the user's"
    if quantizer is not None:
        measured = quantizer.images()
        return measured, f"{len(measured)} of the user's, not calibrated on"
    made = list(rendered())
    return made, f"{len(made)} rendered"


def _compare(
    original: Predictor[Any], exported: Predictor[Any], precision: str, images: list[bytes], progress: Progress
) -> Parity:
    """Of a detector all detections, however low their scores: the thresholds decide which must have a counterpart."""
    card = original.card
    if card.kind.objects:
        original, exported = (Detector(one.engine, 0.0, one.size, tile=0) for one in (original, exported))
    limits = [card.thresholds.get(name, card.threshold) for name in card.classes]
    return compare(original, exported, images, precision, limits, card.size, progress)


def _write_graphs(model: Path, names: Sequence[str] | None, to: str, folder: Path) -> tuple[NetworkKind, str]:
    """Graphs and card; the kind of network and the hash of the weights that they came from."""
    graphs, manifest = converted(model, names)
    for name in manifest.network.graphs:
        _write_graph(graphs / f"{name}.onnx", to, folder)
    write_card(read_card(model if (model / CARD).is_file() else graphs), folder)
    return manifest.network, manifest.source


def _write_programs(model: Path, names: Sequence[str] | None, folder: Path) -> tuple[NetworkKind, str]:
    """The same as programs of torch.export."""
    from maskwright.engines.conversion import convert
    from maskwright.engines.torch_export_engine import write_program
    from maskwright.models.external.detectors import OneStage

    engine: Any = open_engine(model, "torch", "cpu", "fp32", names)
    if isinstance(engine.network, OneStage):
        raise WeightsError(
            f"{engine.card.model} cannot be a program of torch.export, which takes no maps of one cell",
            file=model, field="to", expected="onnx or openvino", got="torch", fix="--to onnx",
        )  # fmt: skip
    write_card(engine.card, folder)
    return convert(engine.network, engine.card, folder, write_program), sha256(weights_file(model))


def _write_graph(file: Path, to: str, folder: Path) -> None:
    if to == "onnx":
        shutil.copyfile(file, folder / file.name)
        return
    import openvino

    from maskwright.engines.openvino_engine import core

    # Without compression: to float16 weights, which save_model makes of them otherwise, is another model.
    openvino.save_model(core().read_model(file), folder / f"{file.stem}.xml", compress_to_fp16=False)
