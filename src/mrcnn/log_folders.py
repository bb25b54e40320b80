"""Names of log folders and checkpoints: `logs/balloon20261120T0930/mask_rcnn_balloon_0001.h5`."""

from __future__ import annotations

import datetime
import errno
import os
import re
from collections.abc import Iterator
from typing import Any

_CHECKPOINT = re.compile(r".*[/\\][\w-]+(\d{8}T\d{4})[/\\]mask_rcnn_[\w-]+(\d{4})\.h5")
_STAMP = "%Y%m%dT%H%M"


class LastCheckpoint(str):
    """The path of a checkpoint. The first versions gave (folder, path): `[0]`, `[1]` and unpacking still do."""

    def __getitem__(self, key: Any) -> str:
        return (os.path.dirname(self), str(self))[key] if isinstance(key, int) else str(self)[key]

    def __iter__(self) -> Iterator[str]:
        return iter((os.path.dirname(self), str(self)))


def find_last(model_dir: str, name: str) -> LastCheckpoint:
    """The last checkpoint in the last log folder of models with this name."""
    model_dir = os.fspath(model_dir)
    folders = sorted(each for each in _folders(model_dir) if each.startswith(name.lower()))
    if not folders:
        raise FileNotFoundError(errno.ENOENT, f"Could not find model directory under {model_dir}")
    folder = os.path.join(model_dir, folders[-1])
    files = sorted(each for each in os.listdir(folder) if each.startswith("mask_rcnn"))
    if not files:
        raise FileNotFoundError(errno.ENOENT, f"Could not find weight files in {folder}")
    return LastCheckpoint(os.path.join(folder, files[-1]))


def _folders(model_dir: str) -> list[str]:
    if not os.path.isdir(model_dir):
        return []
    return [each for each in os.listdir(model_dir) if os.path.isdir(os.path.join(model_dir, each))]


def log_folder(model_dir: str, name: str, model_path: str | None) -> tuple[str, str, int]:
    """(log_dir, checkpoint_path, epoch): those of the checkpoint at `model_path`, or new ones.

    checkpoint_path holds "{epoch:04d}".
    """
    moment, epoch = datetime.datetime.now(), 0
    found = _CHECKPOINT.match(os.fspath(model_path)) if model_path else None
    if found:
        try:
            moment, epoch = datetime.datetime.strptime(found[1], _STAMP), int(found[2])
        except ValueError:  # digits that are not a date: another folder
            found = None
    log_dir = os.path.join(os.fspath(model_dir), f"{name.lower()}{moment.strftime(_STAMP)}")
    return log_dir, os.path.join(log_dir, f"mask_rcnn_{name.lower()}_{{epoch:04d}}.h5"), epoch
