"""The rate file of iMessage, byte by byte."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from dotagent.core import ratefile


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("+5511", "_5511.json"),
        ("ana@example.org", "ana_example_org.json"),
        ("ação/..", "a__o___.json"),
        ("x" * 300, "x" * 200 + ".json"),
    ],
)
def test_name(to: str, name: str) -> None:
    """Every character but ASCII letters and digits becomes an underscore."""
    assert name == ratefile.name(to)


def test_text() -> None:
    """Pretty, two spaces, no newline at the end, local time with its offset."""
    expected = (
        '{\n  "last_send_at": 1790000000,\n'
        '  "last_send_iso": "2026-09-21T11:13:20-0300",\n  "to": "+55 á"\n}'
    )

    assert expected == ratefile.text("+55 á", 1_790_000_000_999, ZoneInfo("America/Sao_Paulo"))
