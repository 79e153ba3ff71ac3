"""Cutting a message to a service's limit."""

from __future__ import annotations

import re
import unicodedata
from html import escape as html_escape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dotagent.core.fit import (
    NOTHING,
    Size,
    clean,
    fit,
    json_bytes,
    one_line,
    points,
    shorten,
    utf8,
    utf16,
    visible,
)

SIZES = {"utf8": utf8, "utf16": utf16, "points": points, "json": json_bytes}
FAMILY = "👨\u200d👩\u200d👧\u200d👦"
SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"

any_text = st.text(st.characters(codec=None), max_size=300)
"""Every code point, lone surrogates included."""

awkward = st.lists(
    st.sampled_from(
        [
            "plain words ",
            "é",
            "e\u0301",
            FAMILY,
            SCOTLAND,
            "🇩🇪",
            "👍🏽",
            "שלום",
            "한국어",
            "\u1112\u1161\u11ab",
            "\x00",
            "\x1b[31m",
            "\x1b]8;;http://x\x1b\\",
            "\x1b]0;no end",
            "\r\n",
            "\r",
            "\n",
            "\t",
            "```",
            "<!channel>",
            "&amp;",
            "\ud83d",
            "\ude00",
            "\u2028",
            '"\\',
        ]
    ),
    max_size=60,
).map("".join)
texts = any_text | awkward


def markdown(text: str) -> str:
    return re.sub(r"([_*\[\]()~`>#+\-=|{}.!\\])", r"\\\1", text)


@pytest.mark.parametrize(
    ("size", "counted"),
    [(utf8, 7), (utf16, 4), (points, 3), (json_bytes, 8)],
    ids=["bytes", "UTF-16 units", "code points", "JSON bytes"],
)
def test_units(size: Size, counted: int) -> None:
    """Each unit counts an accent, an emoji and a quote in its own way."""
    assert counted == size('é😀"')


def test_everything_fits() -> None:
    """What fits is line, line break, tail."""
    assert "a/b: failed\nboom\n  at x" == fit("a/b: failed", "boom\n  at x\n", 100, points)


def test_keeps_the_end_of_the_tail() -> None:
    """A tail that is too long loses its beginning, and the mark counts what went."""
    text = fit("line", "0123456789" * 20, 60, points)

    assert "line\n… 168 characters cut …\n" + ("0123456789" * 20)[168:] == text
    assert 60 >= len(text) > 50


def test_long_line_leaves_room_for_the_tail() -> None:
    """A line that is too long is cut at its end, and the tail's end still shows."""
    text = fit("x" * 500, "y" * 500, 200, points)
    line, mark, tail = text.split("\n")

    assert re.fullmatch(r"x+ … \d+ characters cut …", line)
    assert re.fullmatch(r"… \d+ characters cut …", mark)
    assert set(tail) == {"y"}
    assert 200 >= len(text)


def test_long_line_uses_what_a_short_tail_leaves() -> None:
    """The line is cut only as far as the short tail makes necessary."""
    text = fit("x" * 500, "the end", 200, points)

    assert text.endswith("cut …\nthe end")
    assert 200 == len(text)


def test_counts_after_escaping() -> None:
    """The limit holds for what goes over the wire, and no entity is cut in half."""
    text = fit("<line>", "<&>" * 400, 300, points, lambda s: html_escape(s, quote=False))

    assert 300 >= len(text) > 280
    assert "" == re.sub(r"&(?:lt|gt|amp);|[^&<>]", "", text)


def test_frame_is_counted() -> None:
    """A fence around the tail belongs to the size and is never cut."""
    text = fit("line", "y" * 500, 100, points, frame=lambda s: f"```\n{s}\n```")

    assert 100 >= len(text) > 90
    assert text.startswith("line\n```\n… ")
    assert text.endswith("yyy\n```")


def test_other_rules_inside_the_frame() -> None:
    """The tail may be escaped by rules of its own; they count towards the size as well."""
    stars, fences = (lambda s: s.replace("*", r"\*")), (lambda s: s.replace("`", "``"))
    text = fit("a*b", "`*" * 300, 90, points, stars, "<{}>".format, fences)

    assert 90 >= len(text) > 80
    assert text.startswith(r"a\*b")
    assert text.endswith("``*``*>")


@pytest.mark.parametrize(
    "cluster", [FAMILY, SCOTLAND, "🇩🇪", "👍🏽", "e\u0301\u0302", "\u1112\u1161\u11ab"]
)
@pytest.mark.parametrize("room", range(40, 60))
def test_no_cut_inside_a_character(cluster: str, room: int) -> None:
    """Families, flags, skin tones, accents and Hangul syllables stay whole at either cut."""
    tail = fit("l", cluster * 60, room, points).rsplit("\n", 1)[1]
    title = shorten(cluster * 60, room).removesuffix("…")

    assert "" == tail.replace(cluster, "")
    assert "" == title.replace(cluster, "")


def test_endless_cluster_is_cut_anyway() -> None:
    """One letter under a thousand accents cannot push a message over the limit."""
    text = fit("l", "e" + "\u0301" * 5_000, 400, points)

    assert 400 >= len(text) > 300


@pytest.mark.parametrize(
    ("dirty", "cleaned"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x.y/\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;title that never ends\nnext", "0;title that never ends\nnext"),
        ("\x1b(Bascii\x1b=", "ascii"),
        ("\x1b[31", ""),
        ("a\x00b\x07c\x7fd\x9be", "abcde"),
        ("10%\r20%\r\ndone", "10%\n20%\ndone"),
        ("a\u2028b\x85c\x0cd", "a\nb\nc\nd"),
        ("\ud83d\ude00 \ud83d \ude00", "😀 \ufffd \ufffd"),
        ("tab\there\nline", "tab\there\nline"),
    ],
)
def test_clean(dirty: str, cleaned: str) -> None:
    """Escapes and control characters go, line breaks become one kind, surrogates are mended."""
    assert cleaned == clean(dirty)


@pytest.mark.parametrize("nothing", ["", "  \n", "\x00\x1b[31m", "\u200b\ufeff", "\u00a0\u2003"])
def test_never_empty(nothing: str) -> None:
    """A message without anything to see says so."""
    assert NOTHING == fit(nothing, nothing, 100, points)
    assert "" == shorten(nothing, 10)


def test_line_is_one_line() -> None:
    """A line break in the line cannot look like the tail."""
    assert "a b c\ntail" == fit("a\r\nb\n\n c ", "tail", 100, points)
    assert "a b" == one_line("a\nb")


def test_tail_keeps_its_indentation() -> None:
    """Blank lines around the tail go; the indentation of its first line stays."""
    assert "l\n    at x\nend" == fit("l", "\n \n    at x\nend \n\n", 100, points)


def test_title_is_cut_with_an_ellipsis() -> None:
    """A title keeps its start."""
    assert "abcdefg…" == shorten("abcdefghijk", 8)
    assert "abcdefgh" == shorten("abcdefgh", 8)


@pytest.mark.parametrize(("line", "tail"), [("line", "tail"), ("line", ""), ("", "tail")])
def test_no_room_at_all(line: str, tail: str) -> None:
    """A room that holds no character is a mistake of the caller, said aloud."""
    with pytest.raises(ValueError, match="room of 0"):
        fit(line, tail, 0, points)


@pytest.mark.parametrize("heavy", [r"\n[4-9]", r"… \d\d char", r"\n\d{,40}$"])
@pytest.mark.parametrize("room", range(20, 160, 7))
def test_uneven_unit(room: int, heavy: str) -> None:
    """A unit in which a shorter text may count more does not break the limit."""

    def uneven(text: str) -> int:
        return len(text) + (15 if re.search(heavy, text) else 0)

    assert room >= uneven(fit("line", "0123456789" * 20, room, uneven))


@pytest.mark.parametrize("room", range(1, 8))
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_tiny_rooms(room: int, size: Size) -> None:
    """However small the room, something stands in it."""
    text = fit("line of text", "tail", room, size)

    assert text
    assert room >= size(text)


@settings(max_examples=300)
@given(
    line=texts,
    tail=texts,
    room=st.integers(1, 400),
    size=st.sampled_from(list(SIZES.values())),
    escape=st.sampled_from([str, lambda s: html_escape(s, quote=False), markdown]),
    fence=st.booleans(),
)
@example(line="", tail="\u0301", room=1, size=points, escape=str, fence=False)
@example(line="#", tail="", room=1, size=points, escape=markdown, fence=False)
def test_any_text_fits_any_room(
    line: str, tail: str, room: int, size: Size, escape: type[str], fence: bool
) -> None:
    """Any text, unit, markup and limit: inside the limit, not empty, clean, encodable."""
    frame = (lambda s: f"```\n{s}\n```") if fence else str
    if room < size(frame("??")):
        frame = str

    text = fit(line, tail, room, size, escape, frame)

    assert room >= size(text)
    assert visible(text)
    assert not [c for c in text if unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t"]
    text.encode()


@settings(max_examples=200)
@given(line=texts, tail=texts, room=st.integers(60, 300))
def test_what_is_cut_is_said(line: str, tail: str, room: int) -> None:
    """Either the text is whole, or its end is the tail's end and a mark shows what is missing."""
    text = fit(line, tail, room, points)
    whole = fit(line, tail, 10**9, points)

    assert text == whole or "…" in text
    if text != whole and visible(clean(tail)) and visible(one_line(line)):
        assert clean(tail).rstrip()[-1:] == text[-1:] or text.endswith("cut …")


@settings(max_examples=200)
@given(texts)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    """A clean text is left alone."""
    once = clean(text)

    assert clean(once) == once


@settings(max_examples=200)
@given(text=texts, room=st.integers(1, 60), size=st.sampled_from(list(SIZES.values())))
def test_any_title_fits(text: str, room: int, size: Size) -> None:
    """A title is one line inside its limit."""
    title = shorten(text, room, size)

    assert room >= size(title)
    assert "\n" not in title


def test_large_tail_is_fast() -> None:
    """A tail of 64 KiB costs a few dozen measurements, not one per character."""
    calls = 0

    def counting(text: str) -> int:
        nonlocal calls
        calls += 1
        return utf8(text)

    fit("line", "0123456789abcdef" * 4_096, 4_096, counting)

    assert 60 > calls
