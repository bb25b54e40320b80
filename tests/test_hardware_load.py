"""The estimate of a training says when the machine is busy."""

from __future__ import annotations

import os

import pytest

from maskwright.engines import hardware


@pytest.mark.parametrize(
    ("load", "cores", "told"),
    [
        (0.0, 2, ""),
        (2.9, 2, ""),
        (8.24, 2, "the machine is busy (load 8.2 on 2 cores), so it may take longer"),
        (3.0, 1, "the machine is busy (load 3.0 on 1 core), so it may take longer"),
        (8.0, 64, ""),
    ],
)
def test_a_machine_with_more_work_than_cores_is_called_busy(monkeypatch, load, cores, told):
    monkeypatch.setattr(hardware, "_load", lambda: load)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert hardware.busy() == told


def test_a_system_that_does_not_count_is_not_called_busy(monkeypatch):
    monkeypatch.delattr(os, "getloadavg", raising=False)
    assert hardware.busy() == ""
