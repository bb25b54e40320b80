"""Large JSON read block by block: the same records, whatever the blocks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import AnnotationError
from maskwright.formats import json_records
from maskwright.formats.json_records import Records, read_records
from maskwright.formats.reading import count_keys

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.sampled_from('a":{},[]\\ '), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " : ")])


def rows_of(records: Records) -> list[Any]:
    return [row for block in records.blocks() for row in json.loads(block)]


def test_an_empty_list_has_no_records(tmp_path):
    (tmp_path / "a.json").write_text('{"images": [], "annotations": [ ]}')
    found = read_records(tmp_path / "a.json", "annotations", "id")
    assert found is not None and found["images"] == [] and not found["annotations"]
    assert rows_of(found["annotations"]) == [] and found["annotations"].first is None


@given(st.lists(OBJECTS, max_size=6), VALUES, SEPARATORS, st.booleans(), st.integers(1, 60))
def test_records_are_what_the_file_holds_whatever_the_blocks(tmp_path_factory, rows, other, separators, last, size):
    path = tmp_path_factory.mktemp("records") / "a.json"
    document = {"rows": rows, "other": other} if last else {"other": other, "rows": rows}
    path.write_text(json.dumps(document, separators=separators))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "BLOCK_BYTES", size)
        found = read_records(path, "rows", "a")
        if found is None:  # a cut that cannot be proven: then it is read as a whole
            return
        assert found["other"] == other and rows_of(found["rows"]) == rows
        assert found["rows"].first == (rows[0] if rows else None)
        hashable = [row.get("a") for row in rows if not isinstance(row.get("a"), list | dict)]
        assert found["rows"].counts == {value: hashable.count(value) for value in hashable}


def test_ordinary_records_are_read_in_many_blocks(tmp_path, monkeypatch):
    """The twin of the property above: that it is not always the whole file that is read."""
    monkeypatch.setattr(json_records, "BLOCK_BYTES", 300)
    rows = [{"id": number, "segmentation": [[1.5, number]], "runs": {"size": [1, 2]}} for number in range(200)]
    (tmp_path / "a.json").write_text(json.dumps({"rows": rows}))
    found = read_records(tmp_path / "a.json", "rows", "id")
    assert found is not None and len([*found["rows"].blocks()]) > 20 and rows_of(found["rows"]) == rows


@pytest.mark.parametrize(
    "text",
    ["[1, 2]", '{"rows": 3}', '{"other": 1}', "7", '{"rows": [1, 2]}', '\ufeff{"rows": [{"a": 1}]}',
     '{"rows": [{"a": NaN}]}', '{"rows": [{"a": 1}', '{"rows": [{"a": 1]}]}', '{"rows": [], "rows": [{"a": 1}]}',
     '{"inner": {"rows": [{"a": 1}]}}', '{"inner": {"rows": [{"a": 1}]}, "rows": []}',
     '{"other": {"a": 1, "a": 2}, "rows": []}'],
)  # fmt: skip
def test_other_documents_are_left_to_be_read_as_a_whole(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    assert read_records(tmp_path / "a.json", "rows", "a") is None


def test_one_key_with_two_values_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"rows": [{"a": 1, "a": 2}]}')
    found = read_records(tmp_path / "a.json", "rows", "a")
    assert found is not None
    (block,) = found["rows"].blocks()
    with pytest.raises(AnnotationError, match="one key stands twice"):
        found["rows"].refuse_duplicates(block, count_keys(json.loads(block)))


def test_a_list_is_found_far_down_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(json_records, "BLOCK_BYTES", 1000)
    (tmp_path / "a.json").write_text('{"other": "' + "x" * 100_000 + '", "rows": [{"a": 1}]}')
    found = read_records(tmp_path / "a.json", "rows", "a")
    assert found is not None and rows_of(found["rows"]) == [{"a": 1}]
