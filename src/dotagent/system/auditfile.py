"""The audit log on disk: appended after commit, from the database, by the lock's holder alone.

Invariants: a line reaches the file only as the database holds it; a torn tail is completed only if
it is the beginning of what the database says comes next; whatever else is found is a break, a fact
for the caller to tell: no byte that somebody else wrote is ever removed or overwritten.
Start and append cost the same whatever the file's size; sealing (``segments``) reads it once.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dotagent.core import chain
from dotagent.core.errors import HomeError
from dotagent.system import files, segments

TAIL_BYTES = 1024 * 1024
"""How far back a start looks for a line it knows; much more than the longest line."""
TAIL_LINES = 1000

RowsFrom = Callable[[int], Iterable[tuple[int, bytes]]]
"""``rows_from(seq)``: the database's rows after ``seq``, in order; lines without newline."""
SeqOf = Callable[[str], int | None]
"""``seq_of(hash)``: the row whose line has this hash; 0 for what the first row names as the one
before it (a database begun anew goes on with the file it finds); None for any other hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the file stands to the database: it goes on with the row after ``written_seq``."""

    written_seq: int
    torn_bytes: int = 0
    """Bytes of an unfinished line at the end that ``AuditFile`` will write anew."""
    broken: str | None = None
    head: str = chain.GENESIS
    """Hash of the file's last whole line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why an append did not happen. ``broken``: the file is not as we left it; ``check`` it anew.
    Else (a full disk, say) the same append may be tried again."""

    why: str
    broken: bool = False


def check(
    path: str, rows_from: RowsFrom, head_seq: int, seq_of: SeqOf, *, synced_seq: int = 0
) -> Standing:
    """Compare the end of the file with the database, whose last row is ``head_seq`` (0: none).

    ``synced_seq``: a row known to have reached the file's disk, so that a cut is not taken for a
    line not yet written. Raises HomeError if the file cannot be read.
    """
    try:
        tail, whole = _tail(path)
        before = _before(path, seq_of)
    except OSError as error:
        raise unreadable(path, error) from error
    *lines, torn = tail.split(b"\n")
    if not whole:
        del lines[:1]
    head = chain.digest(lines[-1]) if lines else before.head
    unknown, seq = _last_known(lines, seq_of, before.seq if whole else None)
    if unknown or seq is None:
        last = (
            f"the last {unknown} lines of {path} are"
            if unknown > 1
            else f"the last line of {path} is"
        )
        broken = f"{last} not in the database"
        if whole and not lines:
            broken = f"the last line before {path} is not in the database"
        if head_seq == 0:
            broken = f"{path} has entries, but the database has none"
        return Standing(written_seq=synced_seq if seq is None else seq, broken=broken, head=head)
    torn_bytes, wrong = _torn(path, torn, rows_from(seq))
    if wrong is None and seq < synced_seq:
        end = f"ends with entry {seq}" if seq else "has no entries"
        wrong = f"{path} {end}, but entry {synced_seq} had been written"
    wrong = before.broken or wrong
    return Standing(written_seq=seq, torn_bytes=torn_bytes, broken=wrong, head=head)


class AuditFile:
    """The file open for appending, by its one writer."""

    def __init__(self, path: str, standing: Standing) -> None:
        """Open what ``check`` found to stand like ``standing``, removing a torn tail. HomeError."""
        self.path = path
        self._unfinished = False
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(path, flags, files.FILE_MODE)
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            self._size = self._made_ready(standing.torn_bytes)
            # What somebody left without an end must not swallow the beginning of our line.
            ended = self._size == 0 or os.pread(self._fd, 1, self._size - 1) == b"\n"
        except OSError as error:
            self.close()
            raise unreadable(path, error) from error
        self._lead = b"" if ended else b"\n"

    def append(self, lines: Sequence[bytes]) -> Trouble | None:
        """Append whole lines (given without newline) and sync; None once they are on disk."""
        try:
            if self._unfinished:  # take back what an earlier failure left of our own
                os.ftruncate(self._fd, self._size)
                self._unfinished = False
            if trouble := self._touched():
                return trouble
            data = self._lead + b"".join(line + b"\n" for line in lines)
            self._unfinished = True
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            os.fsync(self._fd)
        except OSError as error:
            return Trouble(why=f"{self.path} cannot be written: {error.strerror}")
        self._unfinished = False
        self._size += len(data)
        self._lead = b""
        return None

    @property
    def size(self) -> int:
        """Its bytes, as we left them."""
        return self._size

    def close(self) -> None:
        """Close the file; everything appended is on disk already."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _made_ready(self, torn_bytes: int) -> int:
        """The size of the file, now 0600, named durably and without its torn tail."""
        status = os.fstat(self._fd)
        if stat.S_IMODE(status.st_mode) != files.FILE_MODE:
            os.fchmod(self._fd, files.FILE_MODE)
        if status.st_size == 0:
            files.sync_folder(os.path.dirname(self.path))
        if torn_bytes:
            os.ftruncate(self._fd, status.st_size - torn_bytes)
        return status.st_size - torn_bytes

    def _touched(self) -> Trouble | None:
        ours = os.fstat(self._fd)
        try:
            named = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            return Trouble(why=f"{self.path} was removed", broken=True)
        if (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino):
            return Trouble(why=f"{self.path} was replaced", broken=True)
        if ours.st_size != self._size:
            what = "cut" if ours.st_size < self._size else "written to"
            return Trouble(why=f"{self.path} was {what} by somebody else", broken=True)
        return None


def verify_file(
    path: str, last: str | None = None, *, first: str = chain.GENESIS, blank_lines: bool = False
) -> chain.Verdict:
    """Follow the chain through the whole record, segments and all (see ``chain.verify``); no file
    is an empty one.

    A row may be committed and not yet written: take ``last`` from the database before the file is
    read, and look again before believing in a wrong end. Raises HomeError.
    """
    try:
        return chain.verify(segments.lines(path), first=first, last=last, blank_lines=blank_lines)
    except OSError as error:
        raise unreadable(path, error) from error


def sealed_seq(path: str, seq_of: SeqOf) -> int:
    """The last row that lies in a sealed segment; 0 for none. Raises HomeError."""
    try:
        end = segments.end(segments.found(path))
    except OSError as error:
        raise unreadable(path, error) from error
    return 0 if end is None else seq_of(end) or 0


def named_by(line: bytes | None) -> str | None:
    """What a line names as the one before it."""
    try:
        entry: Any = json.loads(line or b"")
    except (ValueError, RecursionError):
        return None
    named = entry.get("prev_hash") if isinstance(entry, dict) else None
    return named if isinstance(named, str) else None


def verify_legacy(path: str) -> chain.Verdict | None:
    """The verdict on a log of dotagent 0.1.x, None if there is none. Its head, broken or not, is
    what the first line of our own log names."""
    if not os.path.lexists(path):
        return None
    return verify_file(path, blank_lines=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """What the current file goes on from. ``seq``: its row, None for one that nobody knows."""

    seq: int | None = 0
    head: str = chain.GENESIS
    broken: str | None = None


def _before(path: str, seq_of: SeqOf) -> _Before:
    sealed = segments.found(path)
    broken = segments.gap(path, sealed)
    head = segments.end(sealed)
    first = segments.first_line(path)
    named = named_by(first)
    if head is None:
        if named not in (None, chain.GENESIS) and seq_of(named):
            broken = f"{path} goes on from a segment that is missing"
        return _Before(broken=broken)
    if broken is None and first is not None and named != head:
        broken = f"{path} does not go on where {sealed[-1].path} ends"
    return _Before(seq=seq_of(head), head=head, broken=broken)


def _tail(path: str) -> tuple[bytes, bool]:
    """The end of the file, and whether that is all of it; of no file, nothing."""
    try:
        with files.open_regular(path) as file:
            start = max(os.fstat(file.fileno()).st_size - TAIL_BYTES, 0)
            file.seek(start)
            return file.read(), start == 0
    except FileNotFoundError:
        return b"", True


def _last_known(lines: list[bytes], seq_of: SeqOf, before: int | None) -> tuple[int, int | None]:
    """How many lines at the end are unknown, and the row of the line before them: ``before`` for
    the beginning of the file, None where none was found as far as we look."""
    for unknown, line in enumerate(reversed(lines[-TAIL_LINES:])):
        seq = seq_of(chain.digest(line))
        if seq is not None:
            return unknown, seq
    return len(lines), before if len(lines) <= TAIL_LINES else None


def _torn(path: str, torn: bytes, rows: Iterable[tuple[int, bytes]]) -> tuple[int, str | None]:
    """How many bytes of an unfinished line may be written anew, or why they may not."""
    if not torn:
        return 0, None
    expected = next((line for _, line in rows), b"")
    if expected.startswith(torn):
        return len(torn), None
    return 0, f"{path} ends with {len(torn)} bytes that do not begin the entry that comes next"


def unreadable(path: str, error: OSError) -> HomeError:
    """What to say of a record that cannot be opened, for something else may be in its place."""
    hint = None
    if error.errno in (errno.ELOOP, errno.EISDIR, errno.EINVAL):
        hint = f"mv {path} {path}.aside"
    return HomeError(f"the audit log {path} cannot be opened: {error.strerror}", hint)
