"""Malicious and corrupted weights and cards: each function writes one and returns its path."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


class Payload:
    """Unpickling it writes a file: a harmless substitute for arbitrary code."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.write_text, (self.target, "executed"))


def target(folder: Path) -> Path:
    """The file that exists once a payload was executed."""
    return folder / "executed.txt"


def bare_pickle(folder: Path, name: str = "pickle.pth") -> Path:
    path = folder / name
    path.write_bytes(pickle.dumps({"weight": Payload(target(folder))}))
    return path


def payload_in_a_checkpoint(folder: Path, legacy: bool = False) -> Path:
    """A complete torch.save file with tensors and a payload."""
    path = folder / f"checkpoint{legacy:d}.pth"
    state = {"weight": torch.ones(2), "extra": Payload(target(folder))}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    return path


def cut(path: Path, length: int) -> Path:
    """Only the first bytes of it."""
    shorter = path.with_name(f"cut_{length}_{path.name}")
    shorter.write_bytes(path.read_bytes()[:length])
    return shorter


def turned(path: Path, place: int) -> Path:
    """One byte of it changed."""
    data = bytearray(path.read_bytes())
    data[place] ^= 0x55
    other = path.with_name(f"turned_{place}_{path.name}")
    other.write_bytes(data)
    return other


def truncated(folder: Path) -> Path:
    save_file({"weight": torch.ones(1000)}, folder / "whole.safetensors")
    return cut(folder / "whole.safetensors", 600)


def boasting(folder: Path) -> Path:
    """A safetensors header that claims a length of 2^60 bytes."""
    path = folder / "boasting.safetensors"
    path.write_bytes((2**60).to_bytes(8, "little") + b"{" + bytes(100))
    return path


def reaching_out(folder: Path) -> Path:
    """A tensor whose data are past the end of the file."""
    header = json.dumps({"weight": {"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}}).encode()
    path = folder / "reaching.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(40))
    return path


def not_tensors(folder: Path, state: Any) -> Path:
    path = folder / "state.pth"
    torch.save(state, path)
    return path


def text(folder: Path, name: str = "notes.pth") -> Path:
    path = folder / name
    path.write_text("Dear colleague,\nthe weights are on the other disk.\n", "utf-8")
    return path


def empty(folder: Path, name: str = "empty.pth") -> Path:
    path = folder / name
    path.write_bytes(b"")
    return path


def all_refused(folder: Path) -> list[Path]:
    """The files that must raise a WeightsError."""
    return [
        bare_pickle(folder), bare_pickle(folder, "pickle.safetensors"), bare_pickle(folder, "pickle"),
        payload_in_a_checkpoint(folder), payload_in_a_checkpoint(folder, legacy=True),
        truncated(folder), boasting(folder), reaching_out(folder),
        text(folder), text(folder, "notes.safetensors"), empty(folder), empty(folder, "empty.safetensors"),
    ]  # fmt: skip


def model(folder: Path, state: dict[str, torch.Tensor], **card: Any) -> Path:
    """A model folder with these weights, and a card of the small network for two classes, changed as told."""
    facts = {"model": "small", "backbone": "mobilenet_v3_large", "task": "segment", "classes": ["rust", "dent"]}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(json.dumps({**facts, "size": 64, "version": 1, **card}), "utf-8")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / "weights.safetensors")
    return folder
