"""Functions take a path or a Dataset; options of reading are for a path."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_runs import party

import maskwright
from maskwright.api.reading import ReadOptions, dataset_of
from maskwright.errors import RecipeError
from maskwright.issues import Issues
from maskwright.types import Dataset

GIVEN = {
    "class_attribute": "kind", "connected_components": True, "annotations": "via.json",
    "follow_links": True,
}  # fmt: skip
EMPTY = Dataset("party", ("balloon",), ())


def test_a_dataset_without_options_is_taken_as_it_is():
    assert dataset_of(EMPTY) is EMPTY
    assert dataset_of(EMPTY, class_attribute=None) is EMPTY, "as an option nobody gave"
    assert dataset_of(EMPTY, allow_faulty=True) is EMPTY, "it says more than how to read"


@pytest.mark.parametrize("option", GIVEN)
def test_an_option_of_reading_together_with_a_dataset_is_an_error(option):
    with pytest.raises(RecipeError) as caught:
        dataset_of(EMPTY, **{option: GIVEN[option]})
    assert caught.value.parts["field"] == option
    assert caught.value.parts["fix"] == f"read them with it: maskwright.read(PATH, {option}={GIVEN[option]!r})"


def test_every_option_of_reading_is_tested():
    assert {"allow_faulty", *GIVEN} == set(ReadOptions.__annotations__)


@pytest.mark.parametrize("call", ["show", "check", "split"])
def test_no_function_ignores_an_option_of_a_dataset(call):
    with pytest.raises(RecipeError, match="already read"):
        getattr(maskwright, call)(EMPTY, follow_links=True)
    with pytest.raises(RecipeError, match="already read"):
        maskwright.convert(EMPTY, "none.json", "coco", follow_links=True)


# --- the functions --------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "party"
    party(folder)
    return folder


def test_without_a_folder_split_writes_nothing(data: Path):
    before = sorted(data.parent.rglob("*"))
    result = maskwright.split(data, val=0.25, log=Issues())
    assert result.out is None and set(result.parts) == {"train", "val"}
    assert sum(map(len, result.parts.values())) == len(result.dataset) == 8
    assert sorted(data.parent.rglob("*")) == before


def test_without_a_file_show_draws_no_sheet(data: Path, tmp_path: Path):
    assert maskwright.show(data).sheet is None
    assert maskwright.show(data, out=tmp_path / "none.png", count=0).sheet is None
    assert maskwright.show(EMPTY, out=tmp_path / "none.png").sheet is None
    assert not (tmp_path / "none.png").exists()
    assert maskwright.show(data, out=tmp_path / "sheet.png", count=2).sheet == tmp_path / "sheet.png"


def test_a_format_nobody_writes_is_an_error_that_names_those_there_are(data: Path, tmp_path: Path):
    with pytest.raises(maskwright.MaskwrightError, match='Did you mean "coco"'):
        maskwright.convert(data, tmp_path / "out", "cocoo")  # type: ignore[arg-type]
