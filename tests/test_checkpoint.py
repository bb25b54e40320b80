"""Parameters in files: what was saved comes back, and nothing that is loaded is ever executed."""

from __future__ import annotations

import pickle
import zipfile

import pytest
import torch
from attacks import weights as attacks
from safetensors.torch import save_file

from maskwright.errors import OutputError, WeightsError
from maskwright.weights import checkpoint
from maskwright.weights.matterport_h5 import read_h5


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) and a[name].dtype == b[name].dtype for name in a)


TENSORS = {
    "layer.weight": torch.randn(3, 4),
    "layer.bias": torch.randn(3),
    "seen": torch.tensor(7),
    "none": torch.zeros(0),
}


# --- there and back -------------------------------------------------------------------------------
def test_no_tensors_make_an_empty_file(tmp_path):
    checkpoint.save({}, tmp_path / "w.safetensors")
    assert checkpoint.load(tmp_path / "w.safetensors") == {}


def test_what_was_saved_comes_back(tmp_path):
    checkpoint.save(TENSORS, tmp_path / "new" / "w.safetensors")
    assert same(checkpoint.load(tmp_path / "new" / "w.safetensors"), TENSORS)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["w.safetensors"]


def test_halves_take_half_the_room_and_come_back_as_float32(tmp_path):
    weight = {"weight": torch.randn(50, 100), "bias": torch.randn(50), "seen": torch.tensor(7)}
    checkpoint.save(weight, tmp_path / "half.safetensors", stored="float16")
    checkpoint.save(weight, tmp_path / "full.safetensors")
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * (tmp_path / "full.safetensors").stat().st_size
    again = checkpoint.load(tmp_path / "half.safetensors")
    assert again["weight"].dtype == torch.float32 and again["seen"].dtype == torch.int64
    assert torch.equal(again["weight"], weight["weight"].half().float())
    assert torch.equal(again["bias"], weight["bias"]), "norms and biases are stored whole"


def test_int8_takes_a_quarter_of_the_room_and_errs_by_half_a_step_at_most(tmp_path):
    weight = {"weight": torch.randn(50, 20, 3, 3) * torch.logspace(-3, 3, 50)[:, None, None, None],
              "zeros": torch.zeros(4, 5), "bias": torch.randn(50), "seen": torch.tensor(7)}  # fmt: skip
    checkpoint.save(weight, tmp_path / "int8.safetensors", stored="int8")
    checkpoint.save(weight, tmp_path / "full.safetensors")
    assert (tmp_path / "int8.safetensors").stat().st_size < 0.3 * (tmp_path / "full.safetensors").stat().st_size
    again = checkpoint.load(tmp_path / "int8.safetensors")
    assert again.keys() == weight.keys() and again["weight"].dtype == torch.float32
    step = weight["weight"].abs().amax((1, 2, 3), keepdim=True) / 127
    assert ((again["weight"] - weight["weight"]).abs() <= 0.501 * step).all(), "each row has a scale of its own"
    assert torch.equal(again["zeros"], weight["zeros"]) and torch.equal(again["bias"], weight["bias"])


def test_a_scale_that_does_not_fit_its_int8_tensor_is_refused(tmp_path):
    file = tmp_path / "w.safetensors"
    checkpoint.write(file, {"w": torch.ones(2, 3, dtype=torch.int8), "w" + checkpoint.SCALE: torch.ones(3, 1)})
    with pytest.raises(WeightsError, match="does not fit it"):
        checkpoint.load(file)


def test_tensors_of_any_layout_and_with_gradients_are_saved(tmp_path):
    weight = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    checkpoint.save({"weight": weight, "turned": weight.detach().transpose(0, 1)}, tmp_path / "w.safetensors")
    again = checkpoint.load(tmp_path / "w.safetensors")
    assert torch.equal(again["weight"], weight) and torch.equal(again["turned"], weight.transpose(0, 1))


def test_where_nothing_can_be_written_it_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        checkpoint.save(TENSORS, tmp_path / "file" / "w.safetensors")


# --- other people's files -------------------------------------------------------------------------
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("key", [None, "model", "state_dict", "model_state_dict"])
def test_a_state_dict_of_torch_save_is_read_wherever_it_lies(tmp_path, legacy, key):
    state = TENSORS if key is None else {key: TENSORS, "epoch": 3}
    torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    assert same(checkpoint.load(tmp_path / "w.pth"), TENSORS)


def test_the_first_bytes_say_what_a_file_is_not_its_ending(tmp_path):
    save_file(TENSORS, tmp_path / "w.pth")
    assert same(checkpoint.load(tmp_path / "w.pth"), TENSORS)


# --- attacks --------------------------------------------------------------------------------------
def test_hostile_and_broken_files_are_refused_and_not_executed(tmp_path):
    for path in attacks.all_refused(tmp_path):
        with pytest.raises(WeightsError) as caught:
            checkpoint.load(path)
        assert caught.value.parts["file"] == str(path) and caught.value.parts["got"]
    assert not attacks.target(tmp_path).exists()


def test_a_payload_that_is_executed_would_be_noticed(tmp_path):
    pickle.loads(attacks.bare_pickle(tmp_path).read_bytes())
    assert attacks.target(tmp_path).exists()


def test_the_refusal_says_what_to_do(tmp_path):
    with pytest.raises(WeightsError) as caught:
        checkpoint.load(attacks.payload_in_a_checkpoint(tmp_path))
    assert "these weights are not plain tensors; other pickles are never executed" in str(caught.value)
    assert "save it again: torch.save(model.state_dict(), path)" in str(caught.value)
    assert "a pickle that asks for " in caught.value.parts["got"]


def test_nobody_is_ever_advised_to_run_what_is_in_a_file(tmp_path, recwarn):
    """torch's own words do just that, and warn of pickle protocols besides."""
    for path in attacks.all_refused(tmp_path):
        with pytest.raises(WeightsError) as caught:
            checkpoint.load(path)
        assert "weights_only" not in str(caught.value)
    assert not list(recwarn)


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.h5"])
def test_what_git_lfs_left_in_place_of_weights_is_told_so(tmp_path, name):
    path = tmp_path / name
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n")
    with pytest.raises(WeightsError, match="Git LFS pointer") as caught:
        read_h5(path) if path.suffix == ".h5" else checkpoint.load(path)
    assert caught.value.parts["fix"] == "fetch the content: git lfs pull"


def test_a_file_that_is_not_there_is_said(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(WeightsError, match="the weights file does not exist"):
            checkpoint.load(path)


@pytest.mark.parametrize(
    "state", [{}, [], torch.ones(3), {"a": 1}, {"a": torch.ones(1), "b": "c"}, {0: torch.ones(1)}, {"model": {}}, None]
)
def test_what_is_no_state_dict_is_said(tmp_path, state):
    with pytest.raises(WeightsError, match="this file has no state dict"):
        checkpoint.load(attacks.not_tensors(tmp_path, state))


def one(value: float) -> torch.Tensor:
    tensor = torch.ones(3, 4)
    tensor[1, 2] = value
    return tensor


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("tensor", "got"),
    [
        (torch.zeros(1, dtype=torch.float16).expand(1_500_000_000), "2 bytes repeated"),
        (torch.zeros(1, dtype=torch.float16).expand(10**13), "2 bytes repeated"),
        (torch.zeros(3).expand(2, 3), "12 bytes repeated"),
        (torch.empty(2, 3, device="meta"), "device meta"),
        (torch.eye(3).to_sparse(), "sparse_coo"),
        (torch.zeros(3, dtype=torch.complex64), "complex64"),
    ],
    ids=["half", "more", "few", "meta", "sparse", "complex"],
)
def test_a_tensor_that_no_network_holds_is_refused_before_anything_is_computed(tmp_path, tensor, got, legacy):
    torch.save({"whole": torch.ones(3), "a": tensor}, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError) as caught:
        checkpoint.load(tmp_path / "w.pth")
    if not (legacy and "meta" in got):  # which the old format cannot hold
        assert caught.value.parts["record"] == "a" and got in caught.value.parts["got"]


def test_one_storage_under_very_many_names_is_refused_and_under_two_is_read(tmp_path):
    tied = torch.ones(1000, 1000)
    torch.save({"a": tied, "b": tied}, tmp_path / "two.pth")
    assert same(checkpoint.load(tmp_path / "two.pth"), {"a": tied, "b": tied})
    torch.save({f"name{number}": tied for number in range(100)}, tmp_path / "many.pth")
    with pytest.raises(WeightsError, match="claims to contain far more than it can"):
        checkpoint.load(tmp_path / "many.pth")


def test_a_checkpoint_packed_to_a_thousandth_is_refused(tmp_path):
    torch.save({"a": torch.zeros(4_000_000)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as plain, zipfile.ZipFile(tmp_path / "zip.pth", "w", 8) as packed:
        for entry in plain.namelist():
            packed.writestr(entry, plain.read(entry))
    with pytest.raises(WeightsError, match="claims to contain far more than it can"):
        checkpoint.load(tmp_path / "zip.pth")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30], ids=str)
@pytest.mark.parametrize("ending", ["safetensors", "pth"])
def test_what_is_no_number_is_refused_with_its_tensor(tmp_path, ending, value, dtype):
    tensors = {"good": torch.ones(2), "bad": one(value).to(dtype)}
    (save_file if ending == "safetensors" else torch.save)(tensors, tmp_path / f"w.{ending}")  # type: ignore[operator]
    with pytest.raises(WeightsError, match="the weights are not all finite") as caught:
        checkpoint.load(tmp_path / f"w.{ending}")
    assert caught.value.parts["record"] == "bad" and caught.value.parts["expected"] == "finite numbers"


def test_large_and_small_numbers_and_empty_tensors_are_read(tmp_path):
    tensors = {"a": torch.tensor([-1e19, 1e-40, 0, 1e19]), "b": torch.zeros(0, 3), "c": torch.tensor([2**62])}
    save_file(tensors, tmp_path / "w.safetensors")
    assert same(checkpoint.load(tmp_path / "w.safetensors"), tensors)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_a_damaged_file_ends_in_our_error_or_loads(tmp_path, kind):
    """Cut anywhere it is refused; with a byte turned it is refused, or the byte was one of a number."""
    whole = tmp_path / "w"
    if kind == "safetensors":
        save_file({"a.b": torch.arange(6.0)}, whole)
    else:
        torch.save({"a.b": torch.arange(6.0)}, whole, _use_new_zipfile_serialization=kind == "zip")
    length = whole.stat().st_size
    for index in range(0, length, max(length // 150, 1)):
        with pytest.raises(WeightsError):
            checkpoint.load(attacks.cut(whole, index))
        try:
            checkpoint.load(attacks.turned(whole, index))
        except WeightsError as error:
            assert error.parts["got"]
