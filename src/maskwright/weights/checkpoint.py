"""Reads and writes parameters: safetensors, and .pth files with plain tensors only. No pickle is ever executed.

Only tensors that a network can have are accepted: dense, real, finite, and not larger than the file can contain.
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
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from maskwright import files
from maskwright.errors import WeightsError
from maskwright.weights.card import MAX_WEIGHT

MAX_EXPANSION = 8  # of a file when unpacked: int8 and float16 become float32, and tensors can share memory
SCALE = ".int8_scale"  # behind the name of an int8 tensor: the name of its scale


def save(
    tensors: dict[str, Tensor], path: Path, stored: Literal["as they are", "float16", "int8"] = "as they are"
) -> None:
    """Write tensors atomically as safetensors.

    stored  float16: half of the bytes; int8: a quarter, symmetric around zero with a scale of its own for each row of
            the first dimension. Norms and biases (one-dimensional) and integers stay as they are.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        if stored == "as they are" or not tensor.is_floating_point() or tensor.ndim < 2:
            packed[name] = tensor
        elif stored == "float16":
            packed[name] = tensor.half()
        else:
            packed[name], packed[name + SCALE] = _to_int8(tensor.float())
    with files.writing(path) as temporary:
        write(temporary, packed)


def _to_int8(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers from -127 to 127, and the float32 scale of each row (1 where a row is zero)."""
    largest = tensor.abs().amax(dim=tuple(range(1, tensor.ndim)), keepdim=True)
    scale = torch.where(largest > 0, largest / 127, torch.ones_like(largest))
    return (tensor / scale).round().to(torch.int8), scale


def _from_int8(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """float32 in place of each pair of int8 and its scale."""
    scales = {name for name in tensors if name.endswith(SCALE) and _is_int8(tensors, name.removesuffix(SCALE))}
    restored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name in scales:
            continue
        if name + SCALE in scales:
            scale = tensors[name + SCALE]
            if scale.shape != (len(tensor), *[1] * (tensor.ndim - 1)) or not scale.is_floating_point():
                raise WeightsError(
                    "the scale of this int8 tensor does not fit it",
                    file=path, record=name + SCALE, expected=f"one number for each of {len(tensor)} rows",
                    got=f"{scale.dtype} of shape {tuple(scale.shape)}",
                )  # fmt: skip
            tensor = tensor * scale
        restored[name] = tensor
    return restored


def _is_int8(tensors: dict[str, Tensor], name: str) -> bool:
    return name in tensors and tensors[name].dtype == torch.int8 and tensors[name].ndim > 1


def write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write safetensors; its I/O errors, such as a full disk, are raised as OSError."""
    try:
        save_file(tensors, path, metadata)
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        raise OSError(int(code[1]) if code else 0, str(error)) from error


def load(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors, .pth or .pt file. Shorter floating-point tensors become float32, and so do int8
    tensors that `save` has written with their scales.

    WeightsError if the file is missing, unreadable, or has anything but plain finite tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError("the weights file does not exist", file=path)
    check_fetched(path)
    tensors = _load_safetensors(path) if _is_safetensors(path) else _load_torch(path)
    for name, tensor in tensors.items():
        if kind := _not_plain(tensor):
            raise WeightsError(
                "these weights have a tensor that is not plain",
                file=path, record=name, expected="a dense tensor of real numbers", got=kind,
                fix="save it again as torch.save(model.state_dict(), path)",
            )  # fmt: skip
    _check_size(sum(_bytes_of(tensor) for tensor in tensors.values()), path)
    whole = _from_int8(tensors, path)
    as_float32 = {name: tensor.float() if _is_short(tensor) else tensor for name, tensor in whole.items()}
    check_finite(as_float32, path)
    return as_float32


def check_fetched(path: Path) -> None:
    """Raise for a Git LFS pointer in place of the weights."""
    if files.is_lfs_pointer(path):
        raise WeightsError("this is a Git LFS pointer, not the weights", file=path,
                           fix="fetch the content: git lfs pull")  # fmt: skip


def check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise for NaN, infinity, and numbers above MAX_WEIGHT: with them a network would silently detect nothing."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        low, high = (float(value) for value in torch.aminmax(tensor))  # NaN where there is one
        if not -MAX_WEIGHT <= low <= high <= MAX_WEIGHT:
            raise WeightsError(
                "the weights are not all finite",
                file=path,
                record=name,
                expected="finite numbers",
                got="nan" if math.isnan(low) else f"{low:g} to {high:g}",
                fix="copy the file again from an intact one, or train again",
            )


def _not_plain(tensor: Tensor) -> str | None:
    """What the tensor is if it is not plain, else None; checked before anything is computed with it."""
    if tensor.layout != torch.strided or tensor.is_nested:
        return f"a {str(tensor.layout).removeprefix('torch.')} tensor"
    if tensor.device.type != "cpu":
        return f"a tensor on the device {tensor.device.type}, without values"
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
    if unpacked > MAX_EXPANSION * size + 2**20:
        raise WeightsError(
            "the file claims to contain far more than it can", file=path, expected=f"{size} bytes", got=unpacked
        )


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or (len(head) == 9 and head[8:9] == b"{")


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # depending on the damage, an exception of safetensors, torch or Python
        raise WeightsError(
            "the weights cannot be read",
            file=path,
            expected="a complete safetensors file",
            got=error,
            fix="copy the file again: an interrupted download or a full disk truncates files",
        ) from error


def _describe(error: Exception) -> str:
    """What the file is; torch's own message would suggest executing it."""
    requested = re.search(r"GLOBAL (\S+)", str(error))
    if requested is not None:
        return f"a pickle that asks for {requested[1]}"
    if isinstance(error, pickle.UnpicklingError):
        return "a pickle of more than tensors"
    if "zip archive" in str(error):
        return "a truncated or modified file of torch.save"
    return "a file that torch.save did not write"


def _check_zip(path: Path) -> None:
    """Raise for a zip bomb: torch.save does not compress, but a zip of zeros could unpack to a thousandfold."""
    with (
        contextlib.suppress(zipfile.BadZipFile, OSError, ValueError, NotImplementedError),
        zipfile.ZipFile(path) as file,
    ):
        _check_size(sum(entry.file_size for entry in file.infolist()), path)


def _load_torch(path: Path) -> dict[str, Tensor]:
    _check_zip(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about unusual pickles: the error says enough
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unexpected bytes raise anything: struct.error, AssertionError, EOFError()
        raise WeightsError(
            "these weights are not plain tensors; other pickles are never executed",
            file=path,
            expected="a state dict saved by torch.save, or safetensors",
            got=_describe(error),
            fix="copy the file again if it is truncated, else save it again: torch.save(model.state_dict(), path)",
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
            "this file has no state dict", file=path, expected="names and tensors", got=type(loaded).__name__
        )
    return loaded
