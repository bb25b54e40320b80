"""The page of a run has curves and training images, whether or not images were held back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from reported import Lines
from tiny_runs import TINY, party

from maskwright.api.train import train


@pytest.mark.parametrize(("group", "validate"), [("W0001", True), (None, False)])
def test_a_page_has_a_curve_and_training_images(tmp_path: Path, group: str | None, validate: bool) -> None:
    """Also where all images are of one series, so that none can be held back."""
    data = party(tmp_path / "party")
    data = replace(data, records=tuple(replace(record, group=group, split=None) for record in data))
    told = Lines()
    done = train(data, recipe=TINY, out=tmp_path / "runs", validate=validate, log=told)
    page = (done.folder / "report.html").read_text(encoding="utf-8")
    held_back = validate and group is None
    assert "Nothing to show yet" not in page
    assert "Loss" in page and "Training images" in page and page.count("data:image/jpeg") > 0
    assert ("Validation images" in page) == held_back
    assert f"<h1>Training of {done.folder.name} on " in page and "epoch" in page.partition("</header>")[0]
    assert "`" not in page.partition("</style>")[2].rpartition("<script>")[0]
    assert any("nothing is validated" in line for line in told) == (validate and group is not None)
