"""What a .h5 file may name: datasets of its own, no larger than it is, of finite numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskwright.errors import WeightsError
from maskwright.weights.matterport_h5 import read_h5

h5py = pytest.importorskip("h5py")


def layer(path: Path, put: Any, names: tuple[bytes, ...] = (b"w",), root: str = "/") -> Path:
    """A file of one layer `a`; `put` lays its weights into its group."""
    with h5py.File(path, "w") as file:
        top = file.require_group(root)
        top.attrs["layer_names"] = np.array([b"a"])
        group = top.create_group("a")
        put(group)
        group.attrs["weight_names"] = np.array(names)
    return path


def test_a_plain_data_set_is_read_also_under_a_nested_name(tmp_path):
    def put(group):
        group["b/w:0"] = np.arange(4, dtype="f4")

    read = read_h5(layer(tmp_path / "w.h5", put, (b"b/w:0",)))
    assert read.layers["a"][0][1].tolist() == [0, 1, 2, 3]


def elsewhere(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["k"] = np.arange(5, dtype="f4")
        file.create_group("g")["w"] = np.arange(5, dtype="f4")
    (tmp_path / "secret.txt").write_bytes(bytes(400))
    return tmp_path


def virtual(group):
    layout = h5py.VirtualLayout((5,), "f4")
    layout[:] = h5py.VirtualSource("secret.h5", "k", (5,))
    group.create_virtual_dataset("w", layout)


@pytest.mark.parametrize(
    ("put", "names", "got"),
    [
        (lambda group: group.__setitem__("w", h5py.ExternalLink("secret.h5", "/k")), (b"w",), "a link to another file"),
        (lambda group: group.__setitem__("g", h5py.ExternalLink("secret.h5", "/g")), (b"g/w",), "a link to another"),
        (lambda group: group.__setitem__("w", h5py.SoftLink("/a/w")), (b"w",), "a link"),
        (lambda group: group.create_dataset("w", (9,), "f4", external=[("secret.txt", 0, 36)]), (b"w",), "other files"),
        (virtual, (b"w",), "other files"),
    ],
    ids=["link", "linked group", "soft link", "storage", "virtual"],
)  # fmt: skip
def test_what_lies_in_other_files_is_never_read(tmp_path, monkeypatch, put, names, got):
    monkeypatch.chdir(elsewhere(tmp_path))
    with pytest.raises(WeightsError, match="refers to data outside of it") as caught:
        read_h5(layer(tmp_path / "w.h5", put, names))
    assert got in caught.value.parts["got"]


def test_a_linked_layer_and_a_linked_model_are_refused_too(tmp_path):
    elsewhere(tmp_path)
    with h5py.File(tmp_path / "layer.h5", "w") as file:
        file.attrs["layer_names"] = np.array([b"a"])
        file["a"] = h5py.ExternalLink("secret.h5", "/g")
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file["model_weights"] = h5py.ExternalLink("layer.h5", "/")
    for name in ("layer", "model"):
        with pytest.raises(WeightsError, match="refers to data outside of it"):
            read_h5(tmp_path / f"{name}.h5")


def test_the_size_counts_each_time_a_data_set_is_named(tmp_path):
    def put(group):
        group["w"] = np.random.default_rng(0).random(10_000).astype("f4")

    assert len(read_h5(layer(tmp_path / "few.h5", put, (b"w",) * 3)).layers["a"]) == 3
    with pytest.raises(WeightsError, match="claims to contain far more than it can"):
        read_h5(layer(tmp_path / "many.h5", put, (b"w",) * 1000))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, 1e300])
def test_what_is_no_number_is_refused_with_its_weight(tmp_path, value):
    def put(group):
        group["w"] = np.array([1, value, 2], "f8")

    with pytest.raises(WeightsError, match="not all finite") as caught:
        read_h5(layer(tmp_path / "w.h5", put))
    assert caught.value.parts["record"] == "a/w" and caught.value.parts["expected"] == "finite numbers"


def of_any_length(path: Path) -> bytearray:
    """A file whose names are texts of any length, which HDF5 keeps in a collection of their own."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array(["a"], dtype=h5py.string_dtype())
        file.create_group("a")["w"] = np.zeros(3, "f4")
        file["a"].attrs["weight_names"] = np.array(["w"], dtype=h5py.string_dtype())
    assert list(read_h5(path).layers) == ["a"]
    return bytearray(path.read_bytes())


@pytest.mark.parametrize(
    ("number", "size"), [(0, 0), (0, 2**63), (1, 2**64 - 16), (1, 2**64 - 1), (1, 5000)], ids=str
)  # fmt: skip
def test_texts_that_have_no_end_are_refused_and_not_waited_for(tmp_path, number, size):
    """HDF5 adds the size to where it stands: with 0, and with what wraps around to 0, it stays there for ever."""
    data = of_any_length(tmp_path / "w.h5")
    first = data.index(b"GCOL") + 16
    data[first : first + 2], data[first + 8 : first + 16] = number.to_bytes(2, "little"), size.to_bytes(8, "little")
    (tmp_path / "w.h5").write_bytes(data)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_h5(tmp_path / "w.h5")


def test_numbers_that_look_like_a_collection_of_texts_are_numbers(tmp_path):
    def put(group):
        group["w"] = np.frombuffer(b"GCOL\x01\0\0\0" + bytes(8) + b"GCOL" + bytes(4), "f4")

    assert read_h5(layer(tmp_path / "w.h5", put)).layers["a"][0][1].shape == (6,)
