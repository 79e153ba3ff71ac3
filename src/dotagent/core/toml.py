"""From the bytes of a TOML 1.1 file to its table, or to what is wrong with them.

Invariant: any bytes give a document or problems, never an exception; the lines of a document are
worked out only once somebody asks, so that a good file does not pay for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import tomli

from dotagent.core.locate import Path, index, line_of
from dotagent.core.model import Problem
from dotagent.core.problems import Findings, child, nearest
from dotagent.core.structure import MOST_UNKNOWN
from dotagent.core.values import LONGEST_LIST, found

LARGEST = 1024 * 1024
"""Bytes; a hundred times the longest manifest we know."""

MOST_PROBLEMS = 100
"""More than this from one file help nobody."""

_BOM = b"\xef\xbb\xbf"
_WORDS = {
    "Cannot overwrite a value": "this key is set a second time",
    "Cannot declare": "this table is opened a second time",
    "Cannot mutate immutable namespace": "this table was set before and cannot grow",
    "Duplicate inline table key": "this key is set a second time",
    "Invalid statement": "this is neither a [table] nor a key = value line",
    "Invalid value": "this is no value: text needs quotes, or a [ before it is not closed",
    "Unterminated string": "a quote was opened and never closed",
    "Illegal character": "a character that TOML does not allow here",
    "Unclosed array": "a [ was opened and never closed, or a comma is missing",
    "Unclosed inline table": "a { was opened and never closed, or a comma is missing",
    "Expected '=' after a key": "there is no = after the key",
    "Expected ']": "the name of the table is not closed with ]",
}


@dataclass(frozen=True)
class Document:
    """A table and the text it was written in. ``notes``: warnings about the text itself."""

    table: Mapping[str, Any]
    text: str = field(repr=False)
    notes: tuple[Problem, ...] = ()

    @cached_property
    def lines(self) -> Mapping[Path, int]:
        return index(self.text)

    def settle(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """The problems with their lines, in the order of the file, at most ``MOST_PROBLEMS``."""
        placed = [*self.notes, *(self._placed(problem) for problem in problems)]
        placed.sort(key=lambda problem: problem.line or 0)
        if len(placed) <= MOST_PROBLEMS:
            return tuple(placed)
        more = placed[MOST_PROBLEMS - 1 :]
        last = Problem(
            path="",
            message=f"and {len(more)} more problems; mend these first",
            fatal=any(problem.fatal for problem in more),
        )
        return (*placed[: MOST_PROBLEMS - 1], last)

    def _placed(self, problem: Problem) -> Problem:
        if problem.line is not None or not problem.path:
            return problem
        return replace(problem, line=line_of(self.lines, problem.path))


def read(data: bytes) -> Document | Problem:
    """The document in ``data``, or the one problem that keeps it from being read."""
    if len(data) > LARGEST:
        size = f"{len(data) / LARGEST:.1f} MiB"
        return Problem(path="", message=f"the file has {size}; 1 MiB is the most")
    notes: tuple[Problem, ...] = ()
    if data.startswith(_BOM):
        data = data[len(_BOM) :]
        note = "the file starts with a byte order mark, which is ignored"
        notes = (Problem(path="", message=note, line=1, hint="save it as UTF-8", fatal=False),)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return _not_utf8(data, error.start)
    try:
        table = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        return _not_toml(error)
    except (ValueError, RecursionError) as error:
        return Problem(path="", message=f"not a TOML file we can read: {_limit(error)}")
    return Document(table=table, text=text, notes=notes)


def _not_utf8(data: bytes, at: int) -> Problem:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem(path="", message="the file is UTF-16", line=1, hint="save it as UTF-8")
    line = data.count(b"\n", 0, at) + 1
    message = f"byte 0x{data[at]:02x} is not UTF-8"
    return Problem(path="", message=message, line=line, hint="save the file as UTF-8")


def _not_toml(error: tomli.TOMLDecodeError) -> Problem:
    ours = next((words for start, words in _WORDS.items() if error.msg.startswith(start)), None)
    if not error.doc[error.pos :].strip() and not error.msg.startswith("Expected ']"):
        ours = "the file or its last line ends too early"
    said = error.msg if len(error.msg) <= 120 else error.msg[:119] + "…"
    said = f"{ours} ({said})" if ours else said
    message = f"not valid TOML at column {error.colno}: {said}"
    return Problem(path="", message=message, line=error.lineno)


def _limit(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "arrays or tables are nested too deep"
    return "a number has too many digits"


# ----------------------------------------------------------------------------------- sections


def table_of(root: Mapping[str, Any], name: str, findings: Findings) -> Mapping[str, Any] | None:
    """The table ``[name]``, None where there is none or it is something else, and that noted."""
    value = root.get(name)
    if value is None or isinstance(value, dict):
        return value
    hint = f"write it once, as [{name}]" if isinstance(value, list) else None
    findings.wrong(name, f"{found(value)}, where a table is needed", hint)
    return None


Tables = Mapping[int, Mapping[str, Any]]
"""The entries of an array of tables by their index; what is no table is left out."""


def tables_of(root: Mapping[str, Any], name: str, findings: Findings) -> Tables:
    """The tables ``[[name]]``; what is something else is noted."""
    value = root.get(name, [])
    if not isinstance(value, list):
        hint = f"write [[{name}]], with two brackets" if isinstance(value, dict) else None
        findings.wrong(name, f"{found(value)}, where a list of tables is needed", hint)
        return {}
    if len(value) > LONGEST_LIST:
        findings.wrong(name, f"{len(value):,} entries; at most {LONGEST_LIST:,}")
        return {}
    for at, entry in enumerate(value):
        if not isinstance(entry, dict):
            findings.wrong(child(name, at), f"{found(entry)}, where a table is needed")
    return {at: entry for at, entry in enumerate(value) if isinstance(entry, dict)}


def warn_of_unknown(root: Mapping[str, Any], known: Sequence[str], findings: Findings) -> None:
    """Note the sections nobody reads."""
    strange = [name for name in root if name not in known]
    for name in strange[:MOST_UNKNOWN]:
        findings.warn(child("", name), "unknown section or key, ignored", nearest(name, known))
    if len(strange) > MOST_UNKNOWN:
        findings.warn("", f"{len(strange) - MOST_UNKNOWN} more unknown sections, ignored")
