"""The card beside the weights: written and read again, and what is said of one that cannot be used."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import WeightsError
from maskwright.weights.card import CARD, Card, read_card, write_card

PLAIN = Card("small", "mobilenet_v3_large", "segment", ("balloon",), 512)


def changed(folder, **fields):
    """A folder whose card has these fields changed, or (None) left out."""
    write_card(PLAIN, folder)
    facts = {**json.loads((folder / CARD).read_text("utf-8")), **fields}
    (folder / CARD).write_text(json.dumps({name: value for name, value in facts.items() if value is not None}), "utf-8")
    return folder


def test_a_card_is_read_as_it_was_written(tmp_path):
    card = Card(
        "small",
        "mobilenet_v2",
        "detect",
        ("rust", "Größe 2"),
        640,
        0.3,
        window=(10.0, 900.0),
        figures={"mask AP": 41.5},
    )
    write_card(card, tmp_path)
    assert read_card(tmp_path) == card


@given(
    st.lists(st.text(max_size=8), max_size=4).map(tuple),
    st.floats(0, 1),
    st.none() | st.tuples(*[st.floats(-9, 9)] * 2),
)
def test_names_and_numbers_of_any_kind_come_back(tmp_path_factory, classes, threshold, window):
    folder = tmp_path_factory.mktemp("card")
    card = Card("small", "mobilenet_v2", "segment", classes, 64, threshold, window=window)
    write_card(card, folder)
    assert read_card(folder) == card


def test_a_card_is_written_for_people_too(tmp_path):
    write_card(PLAIN, tmp_path)
    assert '\n  "model": "small",\n' in (tmp_path / CARD).read_text("utf-8")


def test_only_what_has_no_default_must_stand_in_a_card(tmp_path):
    folder = changed(tmp_path, threshold=None, figures=None, licence=None)
    assert read_card(folder) == PLAIN


@pytest.mark.parametrize("version", [0, 2, "1", None, [], 1e300])
def test_a_card_of_another_version_says_so(tmp_path, version):
    with pytest.raises(WeightsError, match="this model was written by another version of maskwright") as caught:
        read_card(changed(tmp_path, version=version))
    assert caught.value.parts["field"] == "version" and caught.value.parts["wanted"] == "1"


@pytest.mark.parametrize(
    "fields", [{"size": "big"}, {"classes": None}, {"colour": "red"}, {"mean": [1, 2]}, {"model": 3}]
)
def test_a_card_of_other_fields_is_refused_by_name(tmp_path, fields):
    with pytest.raises(WeightsError, match="the card cannot be read") as caught:
        read_card(changed(tmp_path, **fields))
    assert next(iter(fields)) in caught.value.parts["got"]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"3", b'"card"', b"null", b"\xff\xfe\x00", b'{"version": 1', b"[" * 100_000],
    ids=["empty", "open", "list", "number", "text", "null", "bytes", "cut", "deep"],
)  # fmt: skip
def test_what_is_no_card_is_said(tmp_path, data):
    (tmp_path / CARD).write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        read_card(tmp_path)
    assert caught.value.parts["file"] == str(tmp_path / CARD)


def test_a_folder_without_a_card_is_no_model(tmp_path):
    for folder, got in ((tmp_path, "no card.json in it"), (tmp_path / "none", "no such folder")):
        with pytest.raises(WeightsError, match="no model here") as caught:
            read_card(folder)
        assert caught.value.parts["got"] == got
