"""TensorBoard's event file: framing, checksums, and what stands in it."""

from __future__ import annotations

import struct

import pytest

from maskwright import tfrecord_io as framing
from maskwright.training import events

HISTORY = [
    {"epoch": 1, "step": 25, "seconds": 3.0, "loss": 2.5, "loss_mask": 0.7, "mask_AP": 0.25},
    {"epoch": 2, "step": 50, "seconds": 6.0, "loss": 1.5, "loss_mask": 0.5, "mask_AP": 0.5},
]


def records(data: bytes):
    while data:
        length = struct.unpack("<Q", data[:8])[0]
        assert data[8:12] == framing.masked(data[:8])
        body = data[12 : 12 + length]
        assert data[12 + length : 16 + length] == framing.masked(body)
        yield body
        data = data[16 + length :]


def test_no_epochs_give_a_file_with_its_version_only(tmp_path):
    assert [b"brain.Event:2" in body for body in records(events.write_events([], tmp_path).read_bytes())] == [True]


def test_every_epoch_is_one_record_with_its_values(tmp_path):
    _, first, second = records(events.write_events(HISTORY, tmp_path, began=0.0).read_bytes())
    assert b"loss/mask" in first and struct.pack("<f", 0.7) in first
    assert b"mask/AP" in second and struct.pack("<f", 0.5) in second and struct.pack("<f", 0.25) not in second


def test_a_changed_byte_is_noticed(tmp_path):
    data = bytearray(events.write_events(HISTORY, tmp_path).read_bytes())
    data[20] ^= 1
    with pytest.raises(AssertionError):
        list(records(bytes(data)))
