"""Large JSON read one record at a time is the same as read at once."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.errors import AnnotationError
from maskwright.formats.json_records import Records, read_records
from maskwright.formats.reading import read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.sampled_from('a":{},\\ '), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def test_an_empty_list_has_no_records(tmp_path):
    (tmp_path / "a.json").write_text('{"images": [], "annotations": []}')
    found = read_records(tmp_path / "a.json", "annotations")
    assert found["images"] == [] and len(found["annotations"]) == 0 and [*found["annotations"]] == []
    assert found["annotations"].column("id") == []


@given(st.lists(VALUES, max_size=4), VALUES, st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]))
def test_records_are_what_the_file_holds(tmp_path_factory, rows, other, separators):
    path = tmp_path_factory.mktemp("records") / "a.json"
    path.write_text(json.dumps({"other": other, "rows": rows}, separators=separators))
    found = read_records(path, "rows")
    assert found["other"] == other and isinstance(found["rows"], Records)
    assert [*found["rows"]] == rows == read_json(path)["rows"]
    assert found["rows"].column("a") == [row.get("a") if isinstance(row, dict) else None for row in rows]


@pytest.mark.parametrize("text", ["[1, 2]", '{"rows": 3}', '{"other": 1}', "7"])
def test_other_documents_are_read_as_they_are(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    assert read_records(tmp_path / "a.json", "rows") == json.loads(text)


@pytest.mark.parametrize(
    "text",
    ['{"rows": [{"a": 1, "a": 2}]}', '{"rows": [1], "rows": [2]}', '{"other": {"a": 1, "a": 2}, "rows": []}'],
)
def test_one_key_with_two_values_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(AnnotationError, match="one key stands twice"):
        [*read_records(tmp_path / "a.json", "rows")["rows"]]


@pytest.mark.parametrize("text", ['{"rows": [{"a": NaN}]}', '{"rows": [{"a": 1}', '{"rows": [{"a": 1]}]}'])
def test_broken_files_are_refused_as_a_whole(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(AnnotationError):
        [*read_records(tmp_path / "a.json", "rows")["rows"]]
