"""Text laid out for a terminal of any width: wrapped, in two columns where there is room, coloured.

Used by the hot commands: no regular expressions, nothing slow. Invariants: no line is wider than
asked but for a single word that is longer; nothing of a foreign text can steer the terminal.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

WIDTH = 80
NARROWEST = 20
TWO_COLUMNS_FROM = 60
NAME_MOST = 30
LABEL_MOST = 11
"""A longer name stands on a line of its own: so many cells on a wide and on a narrow page."""

STYLES = {"bad": "31", "doubtful": "33", "good": "32", "head": "1", "faint": "2"}
"""SGR codes (ECMA-48 §8.3.117)."""


class Page:
    """How wide it is, and whether it may be coloured."""

    __slots__ = ("colour", "width")

    def __init__(self, width: int = WIDTH, *, colour: bool = False) -> None:
        self.width = max(width, NARROWEST)
        self.colour = colour

    def paint(self, text: str, style: str) -> str:
        """``text`` in one of ``STYLES``; as it is on a page without colours, or without style."""
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.colour and style else text

    def paragraph(self, text: str, style: str = "", indent: int = 0) -> list[str]:
        """One text, wrapped."""
        space = " " * indent
        lines = wrap(text, self.width - indent)
        return [space + self.paint(line, style) for line in lines]

    def column(self, names: Sequence[str], indent: int = 2) -> int:
        """Where the text beside these names begins; just below them where there is no room."""
        narrow = self.width < TWO_COLUMNS_FROM
        most = LABEL_MOST if narrow else min(self.width // 3, NAME_MOST)
        fitting = [size for name in names if (size := cells(name)) <= most]
        if not fitting or (narrow and len(fitting) < len(names)):
            return indent + 2
        return indent + max(fitting) + 2

    def entries(
        self,
        entries: Sequence[tuple[str, str]],
        style: str = "",
        indent: int = 2,
        column: int | None = None,
    ) -> list[str]:
        """Names and what is to be said of each, side by side where there is room. ``column`` puts
        several calls in line."""
        if column is None:
            column = self.column([name for name, _ in entries], indent)
        found = []
        for name, text in entries:
            found += self._entry(name, text, style, indent, column)
        return found

    def _entry(self, name: str, text: str, style: str, indent: int, column: int) -> list[str]:
        space = " " * column
        lines = wrap(text, self.width - column)
        gap = column - indent - cells(name)
        if gap < 2 or not lines:
            names = wrap(name, self.width - indent)
            head = [" " * indent + self.paint(line, style) for line in names]
            return head + [space + line for line in lines]
        first = " " * indent + self.paint(name, style) + " " * gap + lines[0]
        return [first, *(space + line for line in lines[1:])]


def page_for(stream: TextIO, env: Mapping[str, str]) -> Page:
    """The page that ``stream`` is: ``COLUMNS``, else the terminal's width, else 80; in colours on a
    terminal only, and not where ``NO_COLOR`` says so (https://no-color.org)."""
    terminal = stream.isatty()
    width = int(env["COLUMNS"]) if env.get("COLUMNS", "").isdecimal() else 0
    if terminal and not width:
        try:
            width = os.get_terminal_size(stream.fileno()).columns
        except OSError:  # a terminal that does not know its size
            width = 0
    plain = env.get("NO_COLOR") or env.get("TERM") == "dumb"
    return Page(width or WIDTH, colour=terminal and not plain)


def wrap(text: str, width: int) -> list[str]:
    """``text`` in lines of at most ``width`` cells, broken between words only: a path or a command
    that is broken cannot be copied."""
    lines: list[str] = []
    line, used = "", 0
    for word in text.split():
        size = cells(word)
        if line and used + 1 + size <= width:
            line, used = f"{line} {word}", used + 1 + size
            continue
        if line:
            lines.append(line)
        line, used = word, size
    return [*lines, line] if line else lines


def cells(text: str) -> int:
    """How many cells of a terminal ``text`` takes (UAX #11)."""
    if text.isascii():
        return len(text)
    import unicodedata  # only where it is needed: few names and reasons are not ASCII

    return sum(
        0
        if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )


def plain(text: str) -> str:
    """A foreign text on one line, without what could steer a terminal: escape sequences go with
    what belongs to them, every other control character becomes a space."""
    if text.isprintable():
        return text
    kept, at = [], 0
    while at < len(text):
        char = text[at]
        if char == "\x1b":
            at = _after_escape(text, at + 1)
            continue
        kept.append(char if char.isprintable() else " ")
        at += 1
    return " ".join("".join(kept).split())


def _after_escape(text: str, at: int) -> int:
    """Where the escape sequence ends whose ESC stands before ``at`` (ECMA-48 §5.3–5.6)."""
    kind = text[at : at + 1]
    at += 1
    if kind == "[":
        while at < len(text) and " " <= text[at] <= "?":
            at += 1
        return at + 1
    if kind and kind in "]PX^_":
        while at < len(text) and text[at] not in "\x07\x1b\n":
            at += 1
        return at + 2 if text[at : at + 1] == "\x1b" else at + 1
    while " " <= kind <= "/" and at < len(text):
        kind = text[at]
        at += 1
    return at


_UNESCAPED = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}


def harmless(json: str) -> str:
    """The same JSON, with those control characters escaped too that JSON lets stand."""
    return json if json.isascii() and "\x7f" not in json else json.translate(_UNESCAPED)
