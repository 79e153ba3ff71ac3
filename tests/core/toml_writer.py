"""Writes random TOML 1.1 in every style, and notes the line of each key path while it does."""

from __future__ import annotations

import json
from collections.abc import Callable

from hypothesis import strategies as st

Path = tuple[str | int, ...]

_ODD = ("a.b c", "é", 'q"x', "tab\there", "", "#", "[x]", "=", "${N}")
_SCALARS = (
    "1",
    "-3.5e7",
    "true",
    "inf",
    "0xff",
    "1979-05-27T07:32:00Z",
    "1979-05-27 07:32:00.5",
    "07:32",
    '"a # b ] } , [x] \\" \\\\"',
    "'lit \\ # ]'",
    '"""two\nlines \\" ] # \\\n  more ""\\""""',
    "'''two\n'' lines # ]\n'''",
    '""""quoted""""',
    '""',
    "''",
    '""""""',
)


class Writer:
    """``text`` is the document so far, ``lines`` what is known of it."""

    def __init__(self, draw: Callable[..., object]) -> None:
        self.text = ""
        self.lines: dict[Path, int] = {}
        self._draw = draw
        self._count = 0

    def document(self) -> None:
        self._gap()
        self._pairs((), 3)
        for _ in range(self._number(4)):
            self._section()
        if self._flip():
            self.text += "# the end"

    def _section(self) -> None:
        first, second = self._name(), self._name()
        kind = self._number(3)
        if kind == 0:
            self._header("[", (first,), "]")
            self._pairs((first,), 3)
            return
        if kind == 1:
            self._note((first,))
            self._header("[", (first, second), "]")
            self._pairs((first, second), 2)
            if self._flip():
                self.lines.pop((first,))
                self._header("[", (first,), "]")
                self._pairs((first,), 2)
            return
        self._note((first,))
        for at in range(1 + self._number(2)):
            self._header("[[", (first,), "]]", (first, at))
            self._pairs((first, at), 2)
            if self._flip():
                self._header("[", (first, second), "]", (first, at, second))
                self._pairs((first, at, second), 2)

    def _header(self, left: str, key: Path, right: str, path: Path | None = None) -> None:
        self._note(path or key)
        space = " " if self._flip() else ""
        names = [self._spelled(str(each)) for each in key]
        self.text += f"{left}{space}{f'{space}.{space}'.join(names)}{space}{right}"
        self._end()

    def _pairs(self, table: Path, most: int) -> None:
        for _ in range(self._number(most)):
            self._pair(table, 3)
            self._end()

    def _pair(self, table: Path, depth: int) -> None:
        names = [self._name() for _ in range(1 + self._number(2))]
        for size in range(1, len(names) + 1):
            self._note((*table, *names[:size]))
        self.text += " . ".join(self._spelled(name) for name in names)
        self.text += " = " if self._flip() else "="
        self._value((*table, *names), depth)

    def _value(self, path: Path, depth: int) -> None:
        kind = self._number(4) if depth else 0
        if kind == 1:
            self._bracketed("[", "]", lambda at: self._element(path, at, depth))
        elif kind == 2:
            self._bracketed("{", "}", lambda _: self._pair(path, depth - 1))
        else:
            self.text += _SCALARS[self._number(len(_SCALARS) - 1)]

    def _element(self, path: Path, at: int, depth: int) -> None:
        self._note((*path, at))
        self._value((*path, at), depth - 1)

    def _bracketed(self, left: str, right: str, inside: Callable[[int], None]) -> None:
        self.text += left
        count = self._number(3)
        for at in range(count):
            self._gap()
            inside(at)
            self._gap()
            if at < count - 1 or self._flip():
                self.text += ","
        self._gap()
        self.text += right

    def _gap(self) -> None:
        self.text += ("", " ", "\n", "\r\n\t", ' # ] } "\n', "\n\n")[self._number(5)]

    def _end(self) -> None:
        self.text += ("\n", "\r\n", " # [x]\n", "\n\n# y = 1\n")[self._number(3)]

    def _note(self, path: Path) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def _name(self) -> str:
        self._count += 1
        odd = _ODD[self._number(len(_ODD) - 1)] if self._number(3) == 0 else "k"
        return f"{odd}{self._count}"

    def _spelled(self, name: str) -> str:
        if name.isascii() and name.isalnum() and self._flip():
            return name
        literal = "'" not in name and "\t" not in name and self._flip()
        return f"'{name}'" if literal else json.dumps(name, ensure_ascii=self._flip())

    def _flip(self) -> bool:
        return bool(self._number(1))

    def _number(self, most: int) -> int:
        number = self._draw(st.integers(min_value=0, max_value=most))
        assert isinstance(number, int)
        return number


@st.composite
def documents(draw: Callable[..., object]) -> Writer:
    """A document, with its text and the line of each of its key paths."""
    writer = Writer(draw)
    writer.document()
    return writer
