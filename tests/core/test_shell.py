"""Words for a shell."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.shell import word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("disk-alert/daily", "disk-alert/daily"),
        ("my report", "'my report'"),
        ("a$(rm)", "'a$(rm)'"),
        ("it's", "'it'\"'\"'s'"),
        ("~", "'~'"),
        ("", "''"),
        ("größe", "'größe'"),
    ],
)
def test_quotes_only_where_needed(text: str, expected: str) -> None:
    """A plain name stays as it is; spaces and a shell's own signs are quoted."""
    assert expected == word(text)


@given(st.text())
def test_as_the_library_does(text: str) -> None:
    """A shell reads it back, and it is what ``shlex`` writes."""
    assert shlex.quote(text) == word(text)
    assert [text] == shlex.split(word(text))
