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
        metrics={"mask AP": 41.5},
    )
    write_card(card, tmp_path)
    assert read_card(tmp_path) == card


@given(
    st.lists(st.text(max_size=8), min_size=1, max_size=4, unique=True).map(tuple),
    st.floats(0, 1),
    st.none() | st.tuples(st.floats(-9, 0), st.floats(1, 9)),
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
    folder = changed(tmp_path, threshold=None, metrics=None, license=None)
    assert read_card(folder) == PLAIN


@pytest.mark.parametrize("version", [0, 2, "1", None, [], 1e300])
def test_a_card_of_another_version_says_so(tmp_path, version):
    with pytest.raises(WeightsError, match="this model was written by another version of maskwright") as caught:
        read_card(changed(tmp_path, version=version))
    assert caught.value.parts["field"] == "version" and caught.value.parts["expected"] == "1"


@pytest.mark.parametrize(
    "fields", [{"size": "big"}, {"classes": None}, {"color": "red"}, {"mean": [1, 2]}, {"model": 3}]
)
def test_a_card_of_other_fields_is_refused_by_name(tmp_path, fields):
    with pytest.raises(WeightsError, match="the card cannot be read") as caught:
        read_card(changed(tmp_path, **fields))
    assert next(iter(fields)) in caught.value.parts["got"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("size", value) for value in (-1, 0, 31, 8193, 20000, 10**6)),
        *(("threshold", value) for value in (-0.1, 1.1, 2, 1e300)),
        *(("tile", value) for value in (-64, 1, 63, 65537)),
        *(("temperature", value) for value in (-1, 0, 1e-9, 1e9)),
        *(("window", value) for value in ([5, 5], [6, 5], [-1e300, 5], [0, 1e300])),
        *(("std", value) for value in ([0, 0, 0], [1, 1, 0], [-1, 1, 1], [1e300, 1, 1])),
        *(("mean", value) for value in ([-1, 0, 0], [0, 0, 256])),
        *(("classes", value) for value in ([], ["a", "a"], [str(number) for number in range(30_001)])),
        ("task", "panoptic"),
        ("task", ""),
        ("operating_points", [{"name": "balloon", "threshold": 0.5}]),
        *(("training_images", value) for value in ("short", "nine char", "ümläutss", "12345678\n")),
        ("validation_images", "a/b+c==="),
    ],
)  # fmt: skip
def test_a_card_with_a_value_out_of_range_is_refused_by_the_fields_name(tmp_path, field, value):
    with pytest.raises(WeightsError, match="a value of the card is out of range") as caught:
        read_card(changed(tmp_path, **{field: value}))
    assert caught.value.parts["field"] == field and caught.value.parts["file"] == str(tmp_path / CARD)


@pytest.mark.parametrize(
    ("field", "value"),
    [("size", 32), ("size", 8192), ("threshold", 0), ("threshold", 1), ("tile", 0), ("tile", 64), ("window", [-5, 5]),
     ("std", [1, 1, 1]), ("mean", [0, 0, 0]), ("training_images", "aB3_-xyz" * 2)],
)  # fmt: skip
def test_the_ends_of_the_ranges_are_read(tmp_path, field, value):
    read = getattr(read_card(changed(tmp_path, **{field: value})), field)
    assert (list(read) if isinstance(value, list) else read) == value


@pytest.mark.parametrize("point", [{"name": "cake", "threshold": 0.5}, {"name": "balloon", "threshold": 2}])
def test_an_operating_point_of_no_class_or_no_score_is_refused(tmp_path, point):
    with pytest.raises(WeightsError, match="out of range") as caught:
        read_card(changed(tmp_path, task="classify", operating_points=[point]))
    assert caught.value.parts["field"].startswith("operating_points[0]")


def test_a_classifier_looks_at_no_tiles(tmp_path):
    with pytest.raises(WeightsError) as caught:
        read_card(changed(tmp_path, task="classify", tile=512))
    assert caught.value.parts["field"] == "tile" and caught.value.parts["expected"] == "0"


def test_a_card_of_many_megabytes_is_not_read(tmp_path):
    (tmp_path / CARD).write_bytes(b" " * 16_000_001)
    with pytest.raises(WeightsError, match="this is not a model card"):
        read_card(tmp_path)


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
        with pytest.raises(WeightsError, match="this is not a model folder") as caught:
            read_card(folder)
        assert caught.value.parts["got"] == got
