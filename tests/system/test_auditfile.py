"""The audit log on disk: what a crash, a full disk or somebody's hand may do to it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dotagent.core import chain
from dotagent.core.errors import HomeError
from dotagent.system.auditfile import (
    TAIL_BYTES,
    AuditFile,
    Standing,
    Trouble,
    check,
    verify_file,
    verify_legacy,
)
from tests.system import stage


class Rows:
    """The rows of a database, numbered from 1."""

    def __init__(self, count: int, first: str = chain.GENESIS) -> None:
        self.first = first
        self.lines: list[bytes] = []
        for number in range(1, count + 1):
            self.lines.append(chain.line("now", "info", "tick", {"n": number}, self.head))

    @property
    def head(self) -> str:
        """The hash of the last row."""
        return chain.digest(self.lines[-1]) if self.lines else self.first

    def after(self, seq: int) -> Iterator[tuple[int, bytes]]:
        """The rows after ``seq``."""
        return ((seq + 1 + at, line) for at, line in enumerate(self.lines[seq:]))

    def seq_of(self, wanted: str) -> int | None:
        """The row with this hash; 0 for what the first one names."""
        hashes = [self.first, *(chain.digest(line) for line in self.lines)]
        return hashes.index(wanted) if wanted in hashes else None

    def check(self, path: Path, synced_seq: int = 0) -> Standing:
        """How the file stands to these rows."""
        return check(str(path), self.after, len(self.lines), self.seq_of, synced_seq=synced_seq)

    def catch_up(self, path: Path, synced_seq: int = 0) -> Standing:
        """Do what the lock's holder does at its start; how the file stood before."""
        standing = self.check(path, synced_seq)
        file = AuditFile(str(path), standing)
        assert file.append(self.lines[standing.written_seq :]) is None
        file.close()
        return standing

    def text(self, count: int | None = None, *, after: int = 0) -> bytes:
        """The file that holds the first ``count`` rows, or those after ``after``."""
        return b"".join(line + b"\n" for line in self.lines[after:count])


ROWS = Rows(6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is."""
    return tmp_path / "audit.jsonl"


# -------------------------------------------------------------------------------------- appending


def test_what_is_appended_is_there_and_verifies(path: Path) -> None:
    """Line by line or many at once, 0600, and the chain holds to the database's head."""
    file = AuditFile(str(path), ROWS.check(path))
    troubles = [file.append(ROWS.lines[:1]), file.append(ROWS.lines[1:]), file.append([])]
    file.close()
    file.close()

    assert [None, None, None] == troubles
    assert ROWS.text() == path.read_bytes()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert chain.Verdict(count=6, head=ROWS.head) == verify_file(str(path), ROWS.head)


def test_a_log_that_others_could_read_is_closed(path: Path) -> None:
    """What an earlier program left open to everybody is put right."""
    path.write_bytes(ROWS.text(2))
    path.chmod(0o644)
    ROWS.catch_up(path)

    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert ROWS.text() == path.read_bytes()


def test_a_full_disk_is_told_and_overcome(tmp_path: Path) -> None:
    """A failed append may be tried again, as often as need be, and leaves no scar."""
    said = stage.play_on_disk("audit_on_full_disk", tmp_path, str(tmp_path), size="256k")

    assert [None] * 10 == said["troubles"][:10]
    assert [["No space left on device", False], None] == said["troubles"][10:]
    assert (40, "") == (said["count"], said["broken"])


def change_written(path: Path) -> None:
    """Add a line behind our back."""
    with path.open("ab") as file:
        file.write(b"{}\n")


def change_cut(path: Path) -> None:
    """Cut the end off behind our back."""
    os.truncate(path, 10)


def change_replaced(path: Path) -> None:
    """Put a copy in its place."""
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (change_written, "written to by somebody else"),
        (change_cut, "cut by somebody else"),
        (change_replaced, "replaced"),
        (Path.unlink, "removed"),
    ],
)
def test_another_hand_in_the_file_is_noticed_at_once(
    path: Path, change: Callable[[Path], None], why: str
) -> None:
    """The next append does not happen and says why; what was done stays as it is."""
    file = AuditFile(str(path), ROWS.check(path))
    file.append(ROWS.lines[:2])
    change(path)
    found = path.read_bytes() if path.exists() else None
    trouble = file.append(ROWS.lines[2:])
    file.close()

    assert Trouble(why=f"{path} was {why}", broken=True) == trouble
    assert found == (path.read_bytes() if path.exists() else None)


# --------------------------------------------------------------------------------- at the start


@pytest.mark.parametrize("written", range(7))
def test_rows_that_never_reached_the_file_are_written(path: Path, written: int) -> None:
    """A crash between commit and append loses nothing: the file goes on where it ended."""
    path.write_bytes(ROWS.text(written))
    head = chain.digest(ROWS.lines[written - 1]) if written else chain.GENESIS
    standing = ROWS.catch_up(path)

    assert Standing(written_seq=written, head=head) == standing
    assert ROWS.text() == path.read_bytes()


@pytest.mark.parametrize("cut", range(1, len(ROWS.lines[2]) + 1, 7))
@pytest.mark.parametrize("written", [0, 2])
def test_a_torn_line_is_completed(path: Path, written: int, cut: int) -> None:
    """Whatever part of the next line a power cut left, up to all of it but the newline."""
    path.write_bytes(ROWS.text(written) + ROWS.lines[written][:cut])
    standing = ROWS.catch_up(path)

    assert (written, min(cut, len(ROWS.lines[written])), None) == (
        standing.written_seq,
        standing.torn_bytes,
        standing.broken,
    )
    assert ROWS.text() == path.read_bytes()


@pytest.mark.parametrize(
    "torn", [b"x", b"\0" * 40, ROWS.lines[3], ROWS.lines[2][:30] + b"?", ROWS.lines[2] + b"?"]
)
def test_a_torn_line_that_is_not_ours_is_a_break(path: Path, torn: bytes) -> None:
    """It stays as evidence, our next line begins on a line of its own, and the chain shows it."""
    path.write_bytes(ROWS.text(2) + torn)
    standing = ROWS.catch_up(path)

    assert (2, 0) == (standing.written_seq, standing.torn_bytes)
    assert standing.broken is not None
    assert f"ends with {len(torn)} bytes that do not begin the entry" in standing.broken
    assert ROWS.text(2) + torn + b"\n" + ROWS.text(after=2) == path.read_bytes()
    assert 3 == verify_file(str(path), ROWS.head).broken_at


def test_a_torn_line_after_the_last_row_is_a_break(path: Path) -> None:
    """Where the database has nothing more, nothing can be the beginning of it."""
    path.write_bytes(ROWS.text() + b"{")

    assert ROWS.check(path).broken is not None


def test_lines_that_the_database_does_not_know_are_a_break(path: Path) -> None:
    """They stay, the log goes on behind them from the last line that is known."""
    path.write_bytes(ROWS.text(3) + b'{"forged":1}\n{"forged":2}\n')
    standing = ROWS.catch_up(path)

    assert (3, f"the last 2 lines of {path} are not in the database") == (
        standing.written_seq,
        standing.broken,
    )
    forged = b'{"forged":1}\n{"forged":2}\n'
    assert ROWS.text(3) + forged + ROWS.text(after=3) == path.read_bytes()


def test_a_file_of_nothing_but_foreign_lines_is_followed_by_the_whole_record(path: Path) -> None:
    """Whoever replaced the log has not removed what the database holds."""
    path.write_bytes(b"forged\n")
    standing = ROWS.catch_up(path)

    assert (0, f"the last line of {path} is not in the database") == (
        standing.written_seq,
        standing.broken,
    )
    assert b"forged\n" + ROWS.text() == path.read_bytes()


@pytest.mark.parametrize("written", [0, 3])
def test_a_cut_tail_is_told_where_it_is_known_to_have_been_written(
    path: Path, written: int
) -> None:
    """A line not yet written and a line cut off look alike, but for what the store remembers."""
    path.write_bytes(ROWS.text(written))
    unknown, known = ROWS.check(path), ROWS.check(path, synced_seq=5)
    end = "ends with entry 3" if written else "has no entries"

    assert unknown.broken is None
    assert f"{path} {end}, but entry 5 had been written" == known.broken
    assert written == known.written_seq


def test_a_database_begun_anew_goes_on_with_the_file_it_finds(path: Path) -> None:
    """A first row that names the file's head makes one chain of both."""
    path.write_bytes(ROWS.text())
    found = Rows(0).check(path)
    fresh = Rows(3, first=found.head)
    standing = fresh.catch_up(path)

    assert f"{path} has entries, but the database has none" == found.broken
    assert Standing(written_seq=0, head=ROWS.head) == standing
    assert chain.Verdict(count=9, head=fresh.head) == verify_file(str(path), fresh.head)


def test_a_start_does_not_depend_on_the_size_of_the_log(path: Path) -> None:
    """Of a file of any size only the end is read: here the rest is a hole of a terabyte."""
    with path.open("wb") as file:
        file.truncate(1024**4)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + ROWS.text(4))
    standing = ROWS.check(path)

    assert (4, None) == (standing.written_seq, standing.broken)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_an_end_without_a_known_line_is_a_break(path: Path, end: bytes) -> None:
    """As far back as a start looks there is nothing of ours: what was synced is not written
    again."""
    path.write_bytes(ROWS.text() + b"x" * (TAIL_BYTES + 1) + end)
    standing = ROWS.check(path, synced_seq=5)

    assert (5, f"the last line of {path} is not in the database") == (
        standing.written_seq,
        standing.broken,
    )


def test_a_flood_of_foreign_lines_is_not_looked_up_one_by_one(path: Path) -> None:
    """A megabyte of empty lines costs a bounded number of questions."""
    asked: list[str] = []

    def seq_of(wanted: str) -> int | None:
        asked.append(wanted)
        return ROWS.seq_of(wanted)

    path.write_bytes(ROWS.text() + b"\n" * 500_000)
    standing = check(str(path), ROWS.after, 6, seq_of)

    assert standing.broken is not None
    assert len(asked) <= 1000


# ------------------------------------------------------------------------------- the whole file


def test_a_missing_file_is_an_empty_one(path: Path) -> None:
    """Before the first entry there is none; after it, all of it is missing."""
    assert verify_file(str(path), chain.GENESIS).broken_at is None
    assert 1 == verify_file(str(path), ROWS.head).broken_at
    assert Standing(written_seq=0) == ROWS.check(path)


def test_a_line_without_end_costs_no_memory(path: Path) -> None:
    """A file that was swapped for one endless line is a break, read in pieces."""
    path.write_bytes(ROWS.text(2))
    os.truncate(path, 50 * 1024**2)

    assert 3 == verify_file(str(path)).broken_at


def test_an_old_log_is_verified_and_gives_its_head(tmp_path: Path) -> None:
    """The log of 0.1.x, blank lines and all, is what ours goes on from, broken or not."""
    old, new = tmp_path / "audit.log", tmp_path / "audit.jsonl"
    old.write_bytes(ROWS.text(2) + b"\n" + ROWS.text(after=2))
    verdict = verify_legacy(str(old))
    assert verdict is not None
    rows = Rows(2, first=verdict.head)
    rows.catch_up(new)

    assert (6, None) == (verdict.count, verdict.broken_at)
    assert verify_file(str(new), rows.head, first=ROWS.head).broken_at is None
    assert 1 == verify_file(str(new), rows.head).broken_at


def test_a_broken_old_log_has_a_head_all_the_same(tmp_path: Path) -> None:
    """Its break is told once; what it ends with is fixed from then on."""
    old = tmp_path / "audit.log"
    old.write_bytes(ROWS.text(2) + b"garbage\n")
    verdict = verify_legacy(str(old))

    assert verdict is not None
    assert (3, chain.digest(b"garbage")) == (verdict.broken_at, verdict.head)
    assert verify_legacy(str(tmp_path / "none")) is None


def test_what_cannot_be_opened_is_said(tmp_path: Path, path: Path) -> None:
    """A folder or a link in the log's place is an error that names it and what to do."""
    path.mkdir()
    for use in (ROWS.check, lambda it: verify_file(str(it)), ROWS.catch_up):
        with pytest.raises(HomeError, match="cannot be opened: Is a directory") as refused:
            use(path)
        assert f"mv {path} {path}.aside" == refused.value.hint

    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HomeError, match="cannot be opened"):
        AuditFile(str(link), Standing(written_seq=0))
