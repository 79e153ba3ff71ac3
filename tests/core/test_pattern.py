"""Regular expressions of a manifest."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotagent.core.pattern import fault


@pytest.mark.parametrize(
    "pattern",
    [
        r"\d+ rows",
        r"^OK$",
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z )?done",
        r"\{literal\}",
        r"(a|b){3}",
        r"x{0,2}",
        r"",
    ],
)
def test_usable(pattern: str) -> None:
    """Everyday patterns pass."""
    assert fault(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "missing )"),
        ("[", "unterminated character set"),
        ("x" * 2_001, "longer than 2,000 characters"),
        ("(" * 900 + ")" * 900, "nested too deep"),
        ("((a{1000}){1000}){1000}", "it repeats too much"),
        ("((a{300,}){300,}){300,}", "it repeats too much"),
        ("a{99999999999999}", "it repeats too much"),
        (")){9}", "unbalanced parenthesis"),
    ],
)
def test_unusable(pattern: str, why: str) -> None:
    """What is no pattern, or would fill the memory, is refused with the reason."""
    found = fault(pattern)

    assert found is not None
    assert why in found


@settings(max_examples=100)
@given(st.text(alphabet="ab(){}[],0123456789*+?|\\^$.", max_size=30))
def test_any_text_has_an_answer(pattern: str) -> None:
    """No text makes the check raise."""
    assert isinstance(fault(pattern), str | None)
