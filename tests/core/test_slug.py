"""The slug of a schedule."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.slug import LONGEST, slug


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], "default"),
        (["--period", "dia-anterior"], "period_dia-anterior"),
        (["foo bar"], "foo_bar"),
        (["--a=b"], "a_b"),
        (["--", "x"], "x"),
        (["É"], "default"),
        (["-x-"], "x-"),
        (["A", "--b-c"], "a_b-c"),
        (["__a__"], "a"),
        (["a//b"], "a_b"),
        (["--"], "default"),
        (["", ""], "default"),
        (["---"], "default"),
        (["a_-_b"], "a_-_b"),
        (["\u212a"], "k"),
    ],
)
def test_as_before(args: list[str], expected: str) -> None:
    """Every vector of dotagent 0.1.x gives the same slug."""
    assert expected == slug(args)


def test_longest_is_kept() -> None:
    """A slug whose temporary heartbeat file still fits stays letter by letter."""
    name = "a" * LONGEST

    assert name == slug([name])
    assert len(f"{name}.heartbeat.json.tmp") == 255


def test_overlong_is_cut_and_told_apart() -> None:
    """One letter more is cut to what fits, and a hash keeps two such schedules apart."""
    one, two = slug(["a" * LONGEST + "x"]), slug(["a" * LONGEST + "y"])

    assert LONGEST == len(one) == len(two)
    assert one != two
    assert re.fullmatch(r"a+-[0-9a-f]{16}", one)
    assert one == slug(["a" * LONGEST + "x"])


@given(st.lists(st.text()))
def test_always_a_file_name(args: list[str]) -> None:
    """Whatever the arguments, the slug is never empty and holds only safe characters."""
    made = slug(args)

    assert re.fullmatch(r"[a-z0-9_-]{1,236}", made)
