"""Key paths, and the findings of a file on their way to becoming problems a person can read.

A key path is written as a person would write it (``schedules[0].hours[2]``, quoted where TOML
quotes it). Invariant: nothing here repeats a value that could be a secret; a found value enters
a message only through ``quoted``, cut and without control characters.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from dotagent.core.model import Problem

Part = str | int
"""One step of a key path: a key of a table, or an index into an array."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STEP = re.compile(
    r'\.?(?:\[(?P<index>[0-9]+)\]|(?P<bare>[A-Za-z0-9_-]+)|(?P<quoted>"(?:[^"\\]|\\.)*"))'
)
_LONGEST_SHOWN = 60

ENOUGH = 200
"""Problems of one file after which nobody looks on."""


def child(path: str, part: Part) -> str:
    """The path of a key or an element below ``path``."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    bare = len(part) <= _LONGEST_SHOWN and _BARE.fullmatch(part)
    name = part if bare else quoted(part)
    return f"{path}.{name}" if path else name


def parts(path: str) -> tuple[Part, ...]:
    """The steps of a path that ``child`` made; stops where it cannot read on."""
    steps: list[Part] = []
    at = 0
    while at < len(path) and (step := _STEP.match(path, at)) is not None:
        if step["index"] is not None:
            steps.append(int(step["index"]))
        else:
            steps.append(step["bare"] or json.loads(step["quoted"]))
        at = step.end()
    return tuple(steps)


def quoted(text: str) -> str:
    """A found text, in quotes, at most some 60 characters, control characters written out."""
    cut = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
    shown = json.dumps(cut, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in shown)


def one_of(names: Iterable[str]) -> str:
    """``"a", "b" or "c"``."""
    *most, last = [quoted(name) for name in names]
    return f"{', '.join(most)} or {last}" if most else last


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The one of ``choices`` that ``name`` was probably meant to be."""
    if len(name) > _LONGEST_SHOWN:
        return None
    return _nearest(name.lower().replace("-", "_"), tuple(choices))


@lru_cache(maxsize=1024)
def _nearest(name: str, choices: tuple[str, ...]) -> str | None:
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.65)
    return near[0] if near else None


@dataclass(slots=True)
class Findings:
    """Collects what is wrong with one file, in the order in which it was found."""

    found: list[Problem] = field(default_factory=list)

    def wrong(self, path: str, message: str, hint: str | None = None) -> None:
        """Note what makes the file unusable."""
        self.found.append(Problem(path=path, message=message, hint=hint))

    def warn(self, path: str, message: str, hint: str | None = None) -> None:
        """Note what a person should know although the file can be used."""
        self.found.append(Problem(path=path, message=message, hint=hint, fatal=False))

    @property
    def full(self) -> bool:
        """Whether so much was found that looking on helps nobody."""
        return len(self.found) >= ENOUGH

    @property
    def fatal(self) -> bool:
        return any(problem.fatal for problem in self.found)


def explain(problem: Problem, file: str = "") -> str:
    """One readable block: ``agent.toml:12: schedules[0].hours[1]: 25 is not an hour …`` and, on a
    second line, what to do where that is known. ``file`` defaults to the problem's own."""
    name = file or problem.file
    place = name if problem.line is None else f"{name}:{problem.line}"
    degree = "" if problem.fatal else "warning"
    message = problem.message.removeprefix(f"{name} ")  # it stands before it already
    head = ": ".join(part for part in (place, degree, problem.path, message) if part)
    if problem.hint is None:
        return head
    name_only = " " not in problem.hint
    hint = f"did you mean {quoted(problem.hint)}?" if name_only else problem.hint
    return f"{head}\n    {hint}"
