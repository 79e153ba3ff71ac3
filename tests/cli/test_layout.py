"""Text on a page of any width: nothing too wide, nothing lost, nothing that steers the terminal."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.cli.layout import Page, cells, harmless, page_for, plain, wrap

ESC = "\x1b"


@given(st.lists(st.text(alphabet="abcé日 ", max_size=15), max_size=20), st.integers(20, 60))
def test_wrapping_keeps_every_word_and_the_width(words: list[str], width: int) -> None:
    """Broken between words only; only a longer word sticks out."""
    text = " ".join(words)
    lines = wrap(text, width)

    assert text.split() == [word for line in lines for word in line.split()]
    assert all(cells(line) <= width or " " not in line for line in lines)


def test_names_stand_beside_their_text_where_there_is_room() -> None:
    """In a column on a wide page; long names, and those of a narrow one, on their own line."""
    entries = [("a/b", "one two three four five six"), ("a" * 25, "seven"), ("empty", "")]

    assert [
        "  a/b    one two three four five six",
        "  aaaaaaaaaaaaaaaaaaaaaaaaa",
        "         seven",
        "  empty",
    ] == Page(60).entries(entries)
    assert [
        "  a/b",
        "    one two three four five",
        "    six",
        "  aaaaaaaaaaaaaaaaaaaaaaaaa",
        "    seven",
        "  empty",
    ] == Page(28).entries(entries)


def test_colours_are_not_counted() -> None:
    """A painted name leaves its column where it is; a plain page has no colours at all."""
    entries = [("a", "x"), ("bbb", "y")]

    assert [f"  {ESC}[31ma{ESC}[0m    x", f"  {ESC}[31mbbb{ESC}[0m  y"] == Page(
        colour=True
    ).entries(entries, "bad")
    assert ["  a    x", "  bbb  y"] == Page().entries(entries, "bad")
    assert [f"{ESC}[32mfine{ESC}[0m"] == Page(colour=True).paragraph("fine", "good")


@pytest.mark.parametrize(
    ("columns", "width"), [("100", 100), ("40", 40), ("7", 20), ("", 80), ("wide", 80), ("-5", 80)]
)
def test_the_width_is_that_of_columns(columns: str, width: int) -> None:
    """``COLUMNS``, if it says one; never too narrow to read; else 80."""
    assert width == page_for(io.StringIO(), {"COLUMNS": columns}).width


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain é 日本", "plain é 日本"),
        (f"{ESC}[31mred{ESC}[0m", "red"),
        (f"{ESC}[38;5;1mred{ESC}[m", "red"),
        (f"{ESC}]0;title\x07text", "text"),
        (f"{ESC}]8;;http://x{ESC}\\link{ESC}]8;;{ESC}\\", "link"),
        (f"{ESC}(Btext", "text"),
        (f"{ESC}ctext", "text"),
        (f"text{ESC}", "text"),
        (f"text{ESC}[", "text"),
        (f"text{ESC}]0;endless", "text"),
        ("one\ntwo\ttree\r\n", "one two tree"),
        ("a\x9b31mb", "a 31mb"),
        ("a\u202eb", "a b"),
    ],
)
def test_foreign_text_is_tamed(text: str, cleaned: str) -> None:
    """Escape sequences go whole, line breaks and other controls become spaces."""
    assert cleaned == plain(text)


@given(st.text())
def test_no_control_character_survives(text: str) -> None:
    """Whatever the text: what comes out is printable and on one line."""
    assert plain(text).isprintable()


@pytest.mark.parametrize(
    ("text", "size"), [("abc", 3), ("é", 1), ("e\u0301", 1), ("日本", 4), ("", 0)]
)
def test_cells_are_what_a_terminal_shows(text: str, size: int) -> None:
    """Wide characters count twice, accents that are added not at all."""
    assert size == cells(text)


@given(st.text())
def test_json_stays_the_same_and_loses_its_teeth(text: str) -> None:
    """Escaped further, it means the same, and holds no control character any more."""
    written = harmless(json.dumps({"a": text}, ensure_ascii=False))

    assert {"a": text} == json.loads(written)
    assert not any(0x7F <= ord(char) < 0xA0 for char in written)
