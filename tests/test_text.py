"""Numbers with their nouns."""

from __future__ import annotations

from maskwright.text import counted, listed


def test_only_one_is_singular():
    assert [counted(number, "image") for number in (0, 1, 2, 1200)] == [
        "0 images",
        "1 image",
        "2 images",
        "1,200 images",
    ]


def test_counts_are_listed_in_their_order():
    assert listed({"cake": 1, "balloon": 7000}) == "1 cake, 7,000 balloon"
    assert listed({}) == "" and listed({}, "nothing found") == "nothing found"
