"""The files of the record in their order: sealed segments, then the current one.

A segment is named for the lines that it holds, counted over the whole record:
``audit-1-50000.jsonl``, ``audit-50001-…``. Sealing is one rename: before it the lines are in the
current file, after it in the segment, and at no moment in neither. Invariants: a segment is never
written again; the names follow each other without a gap; the current file goes on where the last
segment ends.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

from dotagent.core import chain
from dotagent.system import files

SEAL_BYTES = 64 * 1024 * 1024
"""From this size on the current file is sealed."""
MAX_LINE = 1024 * 1024
TRIES = 10
"""How often a look is repeated that met a rename."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A sealed file: the lines from ``first`` to ``last`` of the record."""

    path: str
    first: int
    last: int


def found(path: str) -> list[Segment]:
    """The segments beside the current file ``path``, in the order of their names. OSError."""
    folder, name = os.path.split(path)
    stem, ending = os.path.splitext(name)
    named = re.compile(rf"{re.escape(stem)}-([1-9]\d{{0,18}})-([1-9]\d{{0,18}}){re.escape(ending)}")
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    segments = [
        Segment(path=os.path.join(folder, entry), first=int(fits[1]), last=int(fits[2]))
        for entry in names
        if (fits := named.fullmatch(entry)) is not None
    ]
    return sorted(segments, key=lambda segment: (segment.first, segment.last))


def gap(path: str, segments: Sequence[Segment]) -> str | None:
    """What the names alone show to be wrong; None if they follow each other."""
    last = 0
    for segment in segments:
        if segment.first != last + 1:
            missing = _named(path, last + 1, segment.first - 1)
            if segment.first <= last:
                return f"{segment.path} holds lines that another segment holds too"
            return (
                f"{missing} is missing: the lines {last + 1} to {segment.first - 1} of the record"
            )
        last = segment.last
    return None


def lines(path: str) -> Iterator[bytes]:
    """Every line of the record, with its end, through all segments into the current file. A line
    longer than ``MAX_LINE`` comes in pieces. OSError; no file is an empty one."""
    with ExitStack() as stack:
        opened = _open(path, stack)
        rest = b""
        for file in opened:
            for piece in iter(lambda file=file: file.readline(MAX_LINE), b""):  # type: ignore[misc]
                line = rest + piece
                whole = line.endswith(b"\n") or len(line) >= MAX_LINE
                rest = b"" if whole else line
                if whole:
                    yield line
        if rest:
            yield rest


def end(segments: Sequence[Segment]) -> str | None:
    """The hash of the last sealed line; None without segments. Reads the end alone. OSError."""
    if not segments:
        return None
    with files.open_regular(segments[-1].path) as file:
        file.seek(max(os.fstat(file.fileno()).st_size - MAX_LINE, 0))
        data = file.read(MAX_LINE)
    return chain.digest(data.removesuffix(b"\n").rpartition(b"\n")[2])


def first_line(path: str) -> bytes | None:
    """The current file's first line; None where it has no whole one. OSError."""
    line, ended, _ = (files.read_if_there(path, MAX_LINE) or b"").partition(b"\n")
    return line if ended else None


def place(path: str, number: int) -> tuple[str, int] | None:
    """The sealed segment in which a line of the record stands, and which line of it that is."""
    for segment in found(path):
        if segment.first <= number <= segment.last:
            return segment.path, number - segment.first + 1
    return None


def seal(path: str) -> Segment:
    """Put the current file, all of it on disk, among the segments; the next line begins another.
    OSError, and then nothing has changed."""
    segments = found(path)
    first = segments[-1].last + 1 if segments else 1
    with files.open_regular(path) as file:
        count = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(MAX_LINE), b""))
    target = _named(path, first, first + count - 1)
    if count == 0 or os.path.lexists(target):
        raise FileExistsError(f"{path} cannot be sealed as {target}")
    os.rename(path, target)
    # The new file must never be there after a power cut without the old one's new name.
    files.sync_folder(os.path.dirname(path))
    return Segment(path=target, first=first, last=first + count - 1)


def last_lines(path: str, count: int) -> Sequence[bytes]:
    """The last lines of the record, without their ends; reads no more files than that takes."""
    last: list[bytes] = []
    for file in (path, *(segment.path for segment in reversed(found(path)))):
        if len(last) < count:
            last = [*_tail(file, count - len(last)), *last]
    return last


def _tail(path: str, count: int) -> list[bytes]:
    data = b""
    try:
        with files.open_regular(path) as file:
            at = os.fstat(file.fileno()).st_size
            while at > 0 and data.count(b"\n") <= count:
                step = min(at, MAX_LINE)
                at -= step
                file.seek(at)
                data = file.read(step) + data
    except FileNotFoundError:
        return []
    return data.removesuffix(b"\n").split(b"\n")[-count:] if data else []


def _open(path: str, stack: ExitStack) -> Iterable[BinaryIO]:
    """All files, opened so that a rename meanwhile neither hides a line nor shows it twice."""
    for _ in range(TRIES):
        mine = stack.enter_context(ExitStack())
        try:
            current: list[BinaryIO] = [mine.enter_context(files.open_regular(path))]
        except FileNotFoundError:
            current = []
        segments = found(path)
        sealed = [mine.enter_context(files.open_regular(segment.path)) for segment in segments]
        ids = {(status.st_dev, status.st_ino) for status in _status(sealed)}
        twice = any((status.st_dev, status.st_ino) in ids for status in _status(current))
        if not twice and (current or not os.path.lexists(path)):
            return [*sealed, *current]
        mine.close()
    raise OSError(f"the segments of {path} change all the time")


def _status(opened: Iterable[BinaryIO]) -> Iterator[os.stat_result]:
    return (os.fstat(file.fileno()) for file in opened)


def _named(path: str, first: int, last: int) -> str:
    stem, ending = os.path.splitext(path)
    return f"{stem}-{first}-{last}{ending}"
