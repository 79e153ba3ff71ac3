"""Where in a TOML text a key path is written: tomli gives values without their lines.

``index`` walks a text that tomli has accepted and notes the line of every key, table header and
array element. Invariant: it never raises, and a path it is not sure of has no line at all.
Grammar: https://toml.io/en/v1.1.0.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from contextlib import suppress

import tomli

from dotagent.core.problems import Part, parts

Path = tuple[Part, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|\#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\#\r\n]+")


class _Lost(Exception):
    """The text is not what the scanner expects here; what was indexed so far stays true."""


def index(text: str) -> Mapping[Path, int]:
    """The line, counted from 1, of each key path in ``text``."""
    scanner = _Scanner(text)
    with suppress(_Lost, RecursionError):
        scanner.document()
    return scanner.lines


def line_of(lines: Mapping[Path, int], path: str) -> int | None:
    """The line of the deepest part of ``path`` that is written in the file: for a missing key
    that of its table. None for the file as a whole."""
    steps = parts(path)
    while steps:
        if steps in lines:
            return lines[steps]
        steps = steps[:-1]
    return None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._sizes: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while self._skip(_BLANK) < len(self.text):
            start = self.at
            if self._take("[["):
                table = self._element(self._key(), start)
                self._need("]]")
            elif self._take("["):
                table = self._mark(self._resolve(self._key()), start)
                self._need("]")
            else:
                self._pair(table)

    def _pair(self, table: Path) -> None:
        start = self.at
        path = self._mark(table + self._key(), start, len(table))
        self._need("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip(_SPACE)
        if self._take("["):
            self._array(path)
        elif self._take("{"):
            self._inline(path)
        elif self.text.startswith(('"', "'"), self.at):
            self._match(_STRING)
        else:
            self._match(_SCALAR)

    def _array(self, path: Path) -> None:
        count = 0
        while not self._closed("]"):
            element = (*path, count)
            self.lines[element] = self._line(self.at)
            self._value(element)
            count += 1
            self._skip(_BLANK)
            self._take(",")

    def _inline(self, path: Path) -> None:
        while not self._closed("}"):
            self._pair(path)
            self._skip(_BLANK)
            self._take(",")

    def _closed(self, bracket: str) -> bool:
        if self._skip(_BLANK) >= len(self.text):
            raise _Lost
        return self._take(bracket)

    def _key(self) -> Path:
        names: list[str] = []
        while True:
            self._skip(_SPACE)
            if self.text.startswith(('"', "'"), self.at):
                names.append(_unquoted(self._match(_STRING)))
            else:
                names.append(self._match(_BARE))
            self._skip(_SPACE)
            if not self._take("."):
                return tuple(names)

    def _resolve(self, key: Path) -> Path:
        """The path a header speaks of: below an array of tables, that of its last element."""
        path: Path = ()
        for name in key:
            path = (*path, name)
            if path in self._sizes:
                path = (*path, self._sizes[path] - 1)
        return path

    def _element(self, key: Path, start: int) -> Path:
        array = (*self._resolve(key[:-1]), key[-1])
        size = self._sizes[array] = self._sizes.get(array, 0) + 1
        if size == 1:
            self._mark(array, start)
        return self._mark((*array, size - 1), start)

    def _mark(self, path: Path, start: int, above: int = 0) -> Path:
        """Note ``path``, and the tables it implies where nothing nearer is known of them."""
        line = self._line(start)
        for depth in range(above + 1, len(path)):
            self.lines.setdefault(path[:depth], line)
        self.lines[path] = line
        return path

    def _line(self, at: int) -> int:
        return bisect_left(self._breaks, at) + 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def _take(self, token: str) -> bool:
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def _need(self, token: str) -> None:
        if not self._take(token):
            raise _Lost

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _Lost
        self.at = found.end()
        return found.group()


def _unquoted(name: str) -> str:
    if "\\" not in name:
        return name[1:-1]
    try:
        return str(tomli.loads(f"key = {name}")["key"])
    except ValueError:
        raise _Lost from None
