"""Parameters in and out: safetensors; other people's .pth only as plain tensors. No pickle is ever executed.

What comes in is numbers a network can have: dense, real, finite, and no more of them than the file can hold.
"""

from __future__ import annotations

import contextlib
import math
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from maskwright import files
from maskwright.errors import WeightsError
from maskwright.weights.card import LARGEST_NUMBER

SWELLING = 8  # a file unpacks to at most so many times its size: halves become floats, two tensors share their memory


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
    """All tensors of a .safetensors, .pth or .pt file; floating ones of less than 32 bits come back as float32."""
    path = Path(path)
    if not path.is_file():
        raise WeightsError("no such file of weights", file=path)
    check_fetched(path)
    tensors = _load_safetensors(path) if _is_safetensors(path) else _load_torch(path)
    for name, tensor in tensors.items():
        if fault := _not_plain(tensor):
            raise WeightsError(
                "a tensor of these weights is none that a network holds",
                file=path, record=name, expected="a dense tensor of real numbers", got=fault,
                fix="save it again as torch.save(model.state_dict(), path)",
            )  # fmt: skip
    _check_size(sum(_bytes_of(tensor) for tensor in tensors.values()), path)
    whole = {name: tensor.float() if _is_short(tensor) else tensor for name, tensor in tensors.items()}
    check_finite(whole, path)
    return whole


def check_fetched(path: Path) -> None:
    """Refuse what Git LFS leaves in place of weights: nothing is wrong with the model, its file was not fetched."""
    if files.is_lfs_pointer(path):
        raise WeightsError("a Git LFS pointer, not the weights themselves", file=path,
                           fix="fetch the content: git lfs pull")  # fmt: skip


def check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse NaN, infinities, and numbers of a size that comes from a damaged disk only: a network that holds them
    finds nothing, and does so without a word."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        low, high = (float(value) for value in torch.aminmax(tensor))  # NaN where there is one
        if not -LARGEST_NUMBER <= low <= high <= LARGEST_NUMBER:
            raise WeightsError(
                "the weights are not all numbers",
                file=path,
                record=name,
                expected="finite numbers",
                got="nan" if math.isnan(low) else f"{low:g} to {high:g}",
                fix="copy the file again from where it is whole, or train again",
            )


def _not_plain(tensor: Tensor) -> str | None:
    """What is wrong with it: nothing may be computed with it before that is known."""
    if tensor.layout != torch.strided or tensor.is_nested:
        return f"a {str(tensor.layout).removeprefix('torch.')} tensor"
    if tensor.device.type != "cpu":
        return f"a tensor on the device {tensor.device.type}, without its numbers"
    if tensor.is_quantized or tensor.is_complex():
        return f"a tensor of {str(tensor.dtype).removeprefix('torch.')}"
    stored = tensor.untyped_storage().nbytes()
    if tensor.numel() * tensor.element_size() > stored:
        return f"{stored} bytes repeated to a tensor of shape {tuple(tensor.shape)}"
    return None


def _is_short(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.element_size() < 4


def _bytes_of(tensor: Tensor) -> int:
    return tensor.numel() * (4 if _is_short(tensor) else tensor.element_size())


def _check_size(unpacked: int, path: Path) -> None:
    size = path.stat().st_size
    if unpacked > SWELLING * size + 2**20:
        raise WeightsError(
            "the file says it holds far more than it can", file=path, expected=f"{size} bytes", got=unpacked
        )


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or (len(head) == 9 and head[8:9] == b"{")


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # of its own kind, torch's or Python's, by what is wrong with the header
        raise WeightsError(
            "the weights cannot be read",
            file=path,
            expected="a whole safetensors file",
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


def _check_zip(path: Path) -> None:
    """torch.save compresses nothing; a zip of zeros that somebody made would unpack to a thousand times its size."""
    with (
        contextlib.suppress(zipfile.BadZipFile, OSError, ValueError, NotImplementedError),
        zipfile.ZipFile(path) as file,
    ):
        _check_size(sum(entry.file_size for entry in file.infolist()), path)


def _load_torch(path: Path) -> dict[str, Tensor]:
    _check_zip(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of strange pickles, of which the error says enough
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # foreign bytes make the reader raise anything: struct.error, AssertionError, EOFError()
        raise WeightsError(
            "these weights are not plain tensors, and nothing else is ever executed",
            file=path,
            expected="a state dict saved by torch.save, or safetensors",
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
            "this file holds no state dict", file=path, expected="names and tensors", got=type(loaded).__name__
        )
    return loaded
