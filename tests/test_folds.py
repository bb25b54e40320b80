"""k-fold cross-validation: every photo is judged once, by a model that did not learn from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_runs import TINY, party

from maskwright import formats
from maskwright.errors import DatasetError
from maskwright.jobs.folds import folds
from maskwright.training.run_folder import RunFolder


@pytest.mark.slow
def test_every_photo_is_judged_once_by_a_model_that_never_saw_it(tmp_path: Path):
    party(tmp_path / "party", 6)
    data = formats.read(tmp_path / "party")
    done = folds(tmp_path / "party", k=2, bootstrap=20, out=tmp_path / "runs", recipe=TINY)
    assert sorted(done.pooled.photo_names) == sorted(record.photo.name for record in data)
    assert done.pooled.truths == data.instance_count == sum(figures.truths for figures in done.each)
    for folder, figures in zip(done.folders, done.each, strict=True):
        taught = {Path(name).name for name in RunFolder(folder).facts()["photos"]["train"]}
        assert taught and not taught & set(figures.photo_names)


def test_more_folds_than_photos_are_refused(tmp_path: Path):
    party(tmp_path / "party", 3)
    with pytest.raises(DatasetError):
        folds(tmp_path / "party", k=9, out=tmp_path / "runs", recipe=TINY)
    assert not (tmp_path / "runs").exists()
