"""TFRecord's framing and the fields in it: checksums, cut files, numbers of any length."""

from __future__ import annotations

import doctest
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright import tfrecord_io
from maskwright.errors import AnnotationError


def slow_crc32c(data: bytes) -> int:
    """Bit by bit, straight from the polynomial: independent of every table."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 * (value & 1))
    return value ^ 0xFFFFFFFF


def file_of(folder: Path, *bodies: bytes) -> Path:
    path = folder / "some.record"
    path.write_bytes(b"".join(map(tfrecord_io.frame, bodies)))
    return path


def test_the_examples_are_true():
    assert doctest.testmod(tfrecord_io).failed == 0


# --- checksum -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "sum"),
    [(b"", 0), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)],
)
def test_the_examples_of_rfc_3720_hold(data, sum):
    assert tfrecord_io.crc32c(data) == sum


@given(st.binary(max_size=700))
def test_the_blockwise_checksum_is_the_bitwise_one(data):
    assert tfrecord_io.crc32c(data) == slow_crc32c(data)


@pytest.mark.parametrize("length", [63, 64, 65, 128, 129, 64 * 37 + 11])
def test_lengths_around_a_block_and_odd_numbers_of_blocks(length):
    data = bytes(i * 7 % 251 for i in range(length))
    assert tfrecord_io.crc32c(data) == slow_crc32c(data)


# --- records ------------------------------------------------------------------------------------
def test_an_empty_file_holds_no_records(tmp_path):
    assert list(tfrecord_io.read_records(file_of(tmp_path))) == []


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_what_was_framed_is_read(tmp_path_factory, bodies):
    path = file_of(tmp_path_factory.mktemp("records"), *bodies)
    assert list(tfrecord_io.read_records(path)) == bodies


@pytest.mark.parametrize("cut", [1, 3, 4, 60, 103, 105, 115])
def test_a_file_that_is_cut_anywhere_names_the_record(tmp_path, cut):
    path = file_of(tmp_path, b"a" * 50, b"b" * 100)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(AnnotationError, match="the file ends in the middle of a record") as caught:
        list(tfrecord_io.read_records(path))
    assert caught.value.parts["record"] == "record 2"


@pytest.mark.parametrize(
    ("place", "what"), [(66, "a record's length"), (74, "a record's length"), (90, "checksum of a record is wrong")]
)
def test_one_changed_byte_names_the_record(tmp_path, place, what):
    path = file_of(tmp_path, b"a" * 50, b"b" * 100)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=what) as caught:
        list(tfrecord_io.read_records(path))
    assert caught.value.parts["record"] == "record 2"


def test_a_length_of_exabytes_is_not_believed(tmp_path):
    length = struct.pack("<Q", 2**62)
    path = tmp_path / "huge.record"
    path.write_bytes(length + tfrecord_io.masked(length) + bytes(50))
    with pytest.raises(AnnotationError, match="the file ends in the middle"):
        list(tfrecord_io.read_records(path))


# --- protocol buffers ---------------------------------------------------------------------------
@given(st.lists(st.integers(0, 2**64 - 1), max_size=9))
def test_numbers_of_any_length_come_back(numbers):
    assert tfrecord_io.read_varints(b"".join(map(tfrecord_io.varint, numbers))) == numbers


@given(st.lists(st.tuples(st.integers(1, 5000), st.binary(max_size=50)), max_size=5))
def test_fields_come_back_in_order(fields):
    message = b"".join(tfrecord_io.field(number, data) for number, data in fields)
    assert list(tfrecord_io.read_fields(message)) == [(number, tfrecord_io.BYTES, data) for number, data in fields]


@given(st.binary(max_size=60))
def test_bytes_that_are_no_message_are_a_value_error_at_most(data):
    try:
        found = list(tfrecord_io.read_fields(data))
    except ValueError:
        return
    assert sum(len(value) for _, _, value in found) <= len(data)


@pytest.mark.parametrize("data", [b"\x80", b"\x0a\x05ab", b"\x0b", b"\xff" * 11, b"\x09abc"])
def test_a_broken_message_is_a_value_error(data):
    with pytest.raises(ValueError, match=r"truncated|unknown wire type|64 bits"):
        list(tfrecord_io.read_fields(data))
