"""Parameters in and out: safetensors; other people's .pth only as plain tensors. No pickle is ever executed."""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from maskwright import files
from maskwright.errors import WeightsError


def save(tensors: dict[str, Tensor], path: Path, half: bool = False) -> None:
    """Write tensors atomically; with `half` in 16 bits, all but norms and biases, which are few and weigh on all."""

    def pack(tensor: Tensor) -> Tensor:
        tensor = tensor.detach().cpu().contiguous()
        return tensor.half() if half and tensor.is_floating_point() and tensor.ndim > 1 else tensor

    with files.writing(path) as temporary:
        write(temporary, {name: pack(tensor) for name, tensor in tensors.items()})


def write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """safetensors' own writer, whose errors (a full disk) are none of Python's; here they are OSErrors."""
    try:
        save_file(tensors, path, metadata)
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        raise OSError(int(code[1]) if code else 0, str(error)) from error


def load(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors, .pth or .pt file; 16-bit ones come back as float32."""
    path = Path(path)
    if not path.is_file():
        raise WeightsError("no such file of weights", file=path)
    tensors = _load_safetensors(path) if _is_safetensors(path) else _load_torch(path)
    return {
        name: tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
        for name, tensor in tensors.items()
    }


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or (len(head) == 9 and head[8:9] == b"{")


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            "the weights cannot be read",
            file=path,
            wanted="a whole safetensors file",
            got=error,
            fix="copy the file again; a stopped download or a full disk cuts files short",
        ) from error


def _what_it_is(error: Exception) -> str:
    """In our words: torch's own advise people to run whatever is in the file."""
    asked = re.search(r"GLOBAL (\S+)", str(error))
    if asked is not None:
        return f"a pickle that asks for {asked[1]}"
    if isinstance(error, pickle.UnpicklingError):
        return "a pickle that needs more than tensors"
    if "zip archive" in str(error):
        return "a file of torch.save's that was cut off or changed"
    return "a file that torch.save did not write"


def _load_torch(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of strange pickles, of which the error says enough
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # foreign bytes make the reader raise anything: struct.error, AssertionError, EOFError()
        raise WeightsError(
            "these weights are not plain tensors, and nothing else is ever executed",
            file=path,
            wanted="a state dict saved by torch.save, or safetensors",
            got=_what_it_is(error),
            fix="copy the file again where it was cut off; else save it again as torch.save(model.state_dict(), path)",
        ) from error
    for key in ("model", "state_dict", "model_state_dict"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if (
        not isinstance(loaded, dict)
        or not loaded
        or not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items())
    ):
        raise WeightsError(
            "this file holds no state dict", file=path, wanted="names and tensors", got=type(loaded).__name__
        )
    return loaded
