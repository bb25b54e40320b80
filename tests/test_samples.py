"""A few records that stand for many."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from maskwright.curate.samples import evenly_spaced


def test_of_nothing_there_is_no_sample():
    assert evenly_spaced(0, 12) == [] == evenly_spaced(12, 0)


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_sample_is_as_large_as_asked_and_has_both_ends(count, most):
    sample = evenly_spaced(count, most)
    assert len(set(sample)) == len(sample) == min(count, most)
    assert sample == sorted(sample) and set(sample) <= set(range(count))
    if len(sample) > 1:
        assert (sample[0], sample[-1]) == (0, count - 1)
        gaps = [right - left for left, right in itertools.pairwise(sample)]
        assert max(gaps) - min(gaps) <= 1
