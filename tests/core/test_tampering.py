"""What was done to the record is named, for every deed and every place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.tampering import FAR, Deed, Difference, difference

LINES = [b"one", b"two", b"three", b"four"]


def test_the_same_is_no_difference() -> None:
    """Nothing against nothing, and lines against themselves."""
    assert difference([], []) is None
    assert difference(LINES, LINES) is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([b"one", b"TWO", b"three", b"four"], Difference(deed=Deed.CHANGED, at=2)),
        ([b"one", b"two", b"three", b"FOUR"], Difference(deed=Deed.CHANGED, at=4)),
        ([b"two", b"three", b"four"], Difference(deed=Deed.REMOVED, at=1, count=1)),
        ([b"one", b"four"], Difference(deed=Deed.REMOVED, at=2, count=2)),
        ([b"one", b"x", b"two", b"three", b"four"], Difference(deed=Deed.INSERTED, at=2)),
        ([b"one", b"three", b"two", b"four"], Difference(deed=Deed.SWAPPED, at=2)),
        ([b"one", b"two", b"four", b"three"], Difference(deed=Deed.SWAPPED, at=3)),
        ([*LINES, b"five"], Difference(deed=Deed.ADDED, at=5)),
        ([*LINES, b"four"], Difference(deed=Deed.ADDED, at=5)),
        ([b"one", b"two"], Difference(deed=Deed.CUT, at=3, count=2)),
        ([], Difference(deed=Deed.CUT, at=1, count=4)),
    ],
)
def test_each_deed_is_named(found: list[bytes], expected: Difference) -> None:
    """What was done, at which line, and how many are missing."""
    assert expected == difference(found, LINES)


def test_a_long_cut_is_counted_so_far() -> None:
    """Counting what is missing ends somewhere."""
    many = [b"%d" % number for number in range(FAR + 5)]

    assert Difference(deed=Deed.CUT, at=1, count=FAR) == difference([], many)


@given(
    recorded=st.lists(st.binary(max_size=3), max_size=8),
    found=st.lists(st.binary(max_size=3), max_size=8),
)
def test_the_first_difference_is_found(recorded: list[bytes], found: list[bytes]) -> None:
    """Whatever was done: up to the named line all is the same, and there it is not."""
    answer = difference(found, recorded)
    common = 0
    while common < min(len(found), len(recorded)) and found[common] == recorded[common]:
        common += 1

    if found == recorded:
        assert answer is None
    else:
        assert answer is not None
        assert common + 1 == answer.at
