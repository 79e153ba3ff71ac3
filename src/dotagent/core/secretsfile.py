"""The format of ``secrets.env`` (contract §12): ``NAME=value`` lines, quotes and comments.

Invariants: one bad line refuses the whole file; what is wrong is told by line number and class of
reason, and nothing that stands in the file appears in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DOUBLE_QUOTED = re.compile(r'((?:[^"\\]|\\.)*)"', re.DOTALL)
"""From behind the opening quote to the closing one."""
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
EXPORT = "export "
REFERENCE = "op://"
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"'}


class Reason(StrEnum):
    """Everything that can be wrong with a line."""

    NOT_UTF8 = "is not UTF-8"
    NO_EQUALS = "has no '='"
    BAD_NAME = "has no valid name before its '='"
    BAD_ESCAPE = 'has a backslash that is not one of \\n \\r \\t \\\\ \\"'
    UNCLOSED = "has a quote that is not closed"
    TRAILING = "goes on after its closing quote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A good file. ``references`` are the values that 1Password keeps (``op://vault/item/field``);
    ``repeated`` the lines that give a name another value: the last one holds."""

    values: Mapping[str, str] = field(repr=False)
    references: Mapping[str, str] = field(repr=False)
    repeated: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """The first bad line, counted from 1."""

    line: int
    reason: Reason


class _Refused(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__()
        self.reason = reason


def parse(data: bytes) -> Parsed | Bad:
    """All of a file, or what is wrong with it."""
    entries: dict[str, str] = {}
    repeated: list[int] = []
    for number, raw in enumerate(data.split(b"\n"), 1):
        try:
            entry = _entry(raw.removesuffix(b"\r"))
        except _Refused as refused:
            return Bad(line=number, reason=refused.reason)
        if entry is None:
            continue
        name, value = entry
        if name in entries:
            repeated.append(number)
        entries[name] = value
    return Parsed(
        values={name: value for name, value in entries.items() if not is_reference(value)},
        references={name: value for name, value in entries.items() if is_reference(value)},
        repeated=tuple(repeated),
    )


def suspects(data: bytes) -> Iterator[str]:
    """What may be secret in a file that is refused: the values of its good lines, and of a bad one
    all from where its value may begin. Whole lines, too: that of a key (PEM) may look like a name.
    """
    for raw in data.split(b"\n"):
        line = raw.decode("utf-8", "replace").strip()
        try:
            entry = _entry(raw)
        except _Refused:
            value = line.partition("=")[2].strip()
            yield from (line, line.strip("\"'"), value, value.strip("\"'"))
        else:
            yield from () if entry is None else (entry[1], line)


def is_reference(value: str) -> bool:
    """Whether a value is a complete ``op://`` reference; anything less is taken literally."""
    return value.startswith(REFERENCE) and value.removeprefix(REFERENCE).count("/") >= 2


def _entry(raw: bytes) -> tuple[str, str] | None:
    """Name and value of a line; None for a blank line or a comment."""
    try:
        line = raw.decode().strip()
    except UnicodeDecodeError:
        raise _Refused(Reason.NOT_UTF8) from None
    if not line or line.startswith("#"):
        return None
    name, equals, value = line.removeprefix(EXPORT).partition("=")
    if not equals:
        raise _Refused(Reason.NO_EQUALS)
    name = name.strip()
    if not NAME.fullmatch(name):
        raise _Refused(Reason.BAD_NAME)
    return name, _value(value.strip())


def _value(text: str) -> str:
    match text[:1]:
        case '"':
            value, rest = _double_quoted(text[1:])
        case "'":
            value, quote, rest = text[1:].partition("'")
            if not quote:
                raise _Refused(Reason.UNCLOSED)
        case _:
            return text
    if rest.strip():
        raise _Refused(Reason.TRAILING)
    return value


def _double_quoted(text: str) -> tuple[str, str]:
    """The value, and what follows its closing quote."""
    quoted = DOUBLE_QUOTED.match(text)
    if quoted is None:
        raise _Refused(Reason.UNCLOSED)
    return ESCAPE.sub(_unescaped, quoted[1]), text[quoted.end() :]


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1] not in ESCAPES:
        raise _Refused(Reason.BAD_ESCAPE)
    return ESCAPES[escape[1]]
