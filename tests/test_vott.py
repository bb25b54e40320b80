"""VoTT exports: JSON of a project or of one image, and CSV."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from attacks.annotations import image, written
from hypothesis import given
from hypothesis import strategies as st
from reported import put_aside, sentences

from maskwright import formats
from maskwright.errors import AnnotationError, MaskwrightError
from maskwright.types import Dataset, Instances

BOX = {"left": 2, "top": 3, "width": 10, "height": 6}
CORNERS = [{"x": x, "y": y} for x, y in ((2, 3), (12, 3), (12, 9), (2, 9))]


def region(*tags: str, kind: str = "RECTANGLE", **more: Any) -> dict[str, Any]:
    return {"id": "r", "type": kind, "tags": list(tags or ("rust",)), "boundingBox": BOX, "points": CORNERS} | more


def asset(*regions: Any, name: str = "a.png", state: int = 2) -> dict[str, Any]:
    size = {"width": 40, "height": 30}
    return {"asset": {"name": name, "path": f"file:/x/{name}", "size": size, "state": state}, "regions": [*regions]}


def export(folder: Path, *assets: dict[str, Any]) -> Path:
    image(folder / "a.png")
    listed = {str(number): item for number, item in enumerate(assets)}
    tags = [{"name": "rust"}, {"name": "dent"}]
    return written(folder / "party-export.json", {"name": "party", "tags": tags, "assets": listed})


def objects(data: Dataset) -> Instances:
    assert data.records[0].instances is not None
    return data.records[0].instances


def test_an_image_that_was_visited_is_empty_and_another_one_unlabeled(tmp_path):
    image(tmp_path / "b.png")
    data = formats.read(export(tmp_path, asset(state=1), asset(name="b.png", state=0)))
    assert [record.state for record in data] == ["empty", "unlabeled"]


def test_a_rectangle_is_a_box_and_a_polygon_an_outline(tmp_path):
    data = formats.read(export(tmp_path, asset(region("dent"), region(kind="POLYGON"))))
    found = objects(data)
    assert data.names == ("rust", "dent") and found.labels == ["dent", "rust"]
    assert found.boxes.tolist() == [[2, 3, 12, 9]] * 2 and found.masks is not None and found.masks.area[1] == 60


def test_a_region_of_two_tags_is_an_object_for_each_and_reported(tmp_path):
    data = formats.read(export(tmp_path, asset(region("rust", "dent"))))
    assert objects(data).labels == ["rust", "dent"] and "1 region has several tags" in sentences(data)[0]


def test_one_file_an_image_is_read_too(tmp_path):
    for name in ("a", "b"):
        image(tmp_path / f"{name}.png")
        written(tmp_path / f"{name}-asset.json", asset(region(), name=f"{name}.png"))
    assert formats.read(tmp_path).instance_count == 2


def test_a_table_has_a_row_for_each_box(tmp_path):
    image(tmp_path / "a.png")
    rows = '"image","xmin","ymin","xmax","ymax","label"\n"a.png",2.0,3,12,9,"rust"\n"a.png",1,1,3,3,"dent"\n'
    (tmp_path / "party.csv").write_text(rows, "utf-8")
    assert objects(formats.read(tmp_path)).boxes.tolist() == [[2, 3, 12, 9], [1, 1, 3, 3]]


def test_points_and_lines_are_counted(tmp_path):
    data = formats.read(export(tmp_path, asset(region(kind="POINT"), region(kind="POLYLINE"))))
    assert [record.state for record in data] == ["unlabeled"] and len(sentences(data)) == 3


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (region(tags=[]), "tags"),
        (region(tags=[3]), "tags"),
        (region(boundingBox=None), "boundingBox"),
        (region(boundingBox=BOX | {"left": "2"}), "boundingBox"),
        (region(boundingBox=BOX | {"width": 0}), "box"),
        (region(kind="POLYGON", points=[{"x": 1}, {"x": 2, "y": 3}, 4]), "points"),
    ],
)  # fmt: skip
def test_a_broken_region_is_put_aside_by_name(tmp_path, bad, field):
    data = formats.read(export(tmp_path, asset(region(), bad)), allow_faulty=True)
    (issue,) = put_aside(data)
    assert (issue.subject, issue.values["field"]) == ('image "a.png", region 1', field) and data.instance_count == 1


def test_a_cell_that_is_no_number_is_put_aside(tmp_path):
    image(tmp_path / "a.png")
    (tmp_path / "party.csv").write_text("image,xmin,ymin,xmax,ymax,label\na.png,2,x,12,9,rust\n", "utf-8")
    assert put_aside(formats.read(tmp_path, allow_faulty=True))[0].values["field"] == "box"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["assets", "asset", "name", "size", "regions", "type", "tags", "boundingBox", "points", "x",
                        "left"]), JSON)  # fmt: skip
def test_any_value_in_any_field_gives_a_data_set_or_our_error(tmp_path_factory, name, value):
    path = export(tmp_path_factory.mktemp("vott"), asset(region(), region(kind="POLYGON")))

    def replaced(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: value if key == name else replaced(inside) for key, inside in part.items()}
        return [replaced(inside) for inside in part] if isinstance(part, list) else part

    written(path, replaced(json.loads(path.read_text("utf-8"))))
    with contextlib.suppress(MaskwrightError):
        formats.read(path, allow_faulty=True)


def test_real_regions_outside_of_their_images_are_named(shared):
    case = shared / "data/zoo/vott_json_tiny"
    with pytest.raises(AnnotationError, match="5 of 5 regions are faulty"):
        formats.read(case)
    data = formats.read(case, allow_faulty=True)
    fields = [issue.values["field"] for issue in put_aside(data)]
    assert len(data) == 3 and fields == ["points", "points", "tags", "points"]
