"""Weights by name: what lies in the cache is what was published under that name."""

from __future__ import annotations

import pytest

from maskwright.errors import WeightsError
from maskwright.weights import sources


def test_cached_weights_that_are_not_what_their_name_promises_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path))
    entry = sources.PUBLISHED["imagenet", "mobilenet_v2"]
    entry.cached.parent.mkdir(parents=True)
    entry.cached.write_bytes(b"other tensors")
    with pytest.raises(WeightsError, match="not the published one") as caught:
        sources.download(entry)
    assert caught.value.parts["file"] == str(entry.cached) and "delete it" in caught.value.parts["fix"]
    assert caught.value.parts["expected"] == "sha256 b0353104..."
    assert entry.cached.read_bytes() == b"other tensors", "nobody's file is removed unasked"
