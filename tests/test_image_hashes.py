"""Short hashes of image files: eight characters each, the same under every name."""

from __future__ import annotations

from pathlib import Path

import pytest

from maskwright.errors import ImageError
from maskwright.weights.card import Card, read_card, write_card
from maskwright.weights.image_hashes import MAX_HASHES, image_hash, pack, unpack


def test_no_images_are_no_characters() -> None:
    assert pack([]) == "" and unpack("") == []


def test_the_hash_is_of_the_contents_not_of_the_name(tmp_path: Path) -> None:
    for name, data in (("a.jpg", b"one"), ("Ü b.png", b"one"), ("c.jpg", b"other"), ("empty.jpg", b"")):
        (tmp_path / name).write_bytes(data)
    one, same, other, empty = (image_hash(tmp_path / name) for name in ("a.jpg", "Ü b.png", "c.jpg", "empty.jpg"))
    assert one == same and len({one, other, empty}) == 3 and {len(one), len(empty)} == {8}


def test_what_is_packed_is_unpacked_and_fits_a_card(tmp_path: Path) -> None:
    hashes = [f"{number:08d}" for number in (5, 3, 5, 1)]
    assert unpack(pack(hashes)) == sorted(set(hashes))
    write_card(Card("small", "tiny", "segment", ("a",), 64, training_images=pack(hashes)), tmp_path)
    assert unpack(read_card(tmp_path).training_images) == sorted(set(hashes))


def test_of_very_many_a_few_kilobytes_are_kept() -> None:
    many = [f"{number:08d}" for number in range(3 * MAX_HASHES)]
    assert len(unpack(pack(reversed(many)))) == MAX_HASHES and len(pack(many)) <= 33_000


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read") as caught:
        image_hash(tmp_path / "none.jpg")
    assert caught.value.parts["file"].endswith("none.jpg")
