"""`export.json`: what a folder of graphs holds, and the hashes of its files. Read and written without torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from maskwright import files
from maskwright.engines.network_kinds import NetworkKind
from maskwright.errors import WeightsError
from maskwright.weights.card import CARD, EXPORT, WEIGHTS

VERSION = 1  # of the graphs and their records; part of the key under which conversions are cached
AGAIN = "export the model again: maskwright export MODEL --to onnx --out DIR"
MAX_BYTES = 1_000_000  # of an export.json


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is in a folder of graphs.

    runtime    which engine runs them: onnx, openvino or torch
    precision  of the arithmetic: fp32, bf16 or int8
    network    the kind of network, with its numbers
    files      name -> SHA-256 of every other file
    source     SHA-256 of the weights that were converted
    """

    runtime: str
    precision: str
    network: NetworkKind
    files: dict[str, str]
    source: str
    maskwright: str
    version: int = VERSION


def sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def weights_file(model: Path) -> Path:
    """Of a model folder; a published file is that itself."""
    return model / WEIGHTS if (model / CARD).is_file() else model


def hashes(folder: Path) -> dict[str, str]:
    """The hash of every file of a folder but the manifest itself."""
    return {file.name: sha256(file) for file in sorted(folder.iterdir()) if file.name != EXPORT}


def write_manifest(manifest: Manifest, folder: Path) -> None:
    files.write_text(folder / EXPORT, msgspec.json.format(msgspec.json.encode(manifest), indent=2).decode() + "\n")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder; WeightsError where it is none of this version. `verify` looks at the other files."""
    file = Path(folder) / EXPORT
    try:
        if file.stat().st_size > MAX_BYTES:
            raise WeightsError("this is no manifest of an export", file=file, expected=f"at most {MAX_BYTES:,} bytes")
        data = file.read_bytes()
        version = msgspec.json.decode(data).get("version")
        if version != VERSION:
            raise WeightsError(
                "this model was exported by another version of maskwright",
                file=file,
                field="version",
                expected=VERSION,
                got="none" if version is None else version,
                fix=AGAIN,
            )
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, AttributeError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise WeightsError(
            "the manifest cannot be read", file=file, expected="JSON as maskwright writes it", got=error, fix=AGAIN
        ) from error


def verify(manifest: Manifest, folder: Path) -> None:
    """WeightsError where a file of the folder is missing or not as the manifest says."""
    for name, expected in manifest.files.items():
        path = files.contained(Path(folder), name)
        if path is None or not path.is_file():
            raise WeightsError("a file of this export is missing", file=folder, field=name, got="no such file",
                               fix=AGAIN)  # fmt: skip
        if (got := sha256(path)) != expected:
            raise WeightsError(
                "a file of this export was changed",
                file=path,
                expected=f"SHA-256 {expected[:16]}...",
                got=f"SHA-256 {got[:16]}...",
                fix="copy the folder again, or " + AGAIN,
            )
