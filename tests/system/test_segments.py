"""The record over several files: sealed at any moment, and nothing can be done to one unseen."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core import chain
from dotagent.system import segments
from dotagent.system.auditfile import AuditFile, Standing, sealed_seq, verify_file
from tests.system.test_auditfile import Rows

ROWS = Rows(12)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def write(folder: Path, rows: Rows, seals: list[int]) -> Path:
    """A record of all rows, sealed after each of these."""
    path = folder / "audit.jsonl"
    done = 0
    for until in [*seals, len(rows.lines)]:
        if until > done:
            path.write_bytes(rows.text(until, after=done))
            done = until
            if until in seals:
                segments.seal(str(path))
    return path


def whole(path: Path, rows: Rows) -> bool:
    return verify_file(str(path), rows.head).broken_at is None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A record of twelve lines: four, four, and four more in the current file."""
    return write(tmp_path, ROWS, [4, 8])


# ---------------------------------------------------------------------------------------- sealing


def test_segments_are_named_for_their_lines(path: Path) -> None:
    """Together they are the record, line by line."""
    assert ["audit-1-4.jsonl", "audit-5-8.jsonl", "audit.jsonl"] == names(path.parent)
    assert ROWS.text() == b"".join(segments.lines(str(path)))
    assert whole(path, ROWS)


def test_an_empty_file_is_not_sealed(tmp_path: Path) -> None:
    """Nor is one sealed in the place of another."""
    path = tmp_path / "audit.jsonl"
    path.touch()
    with pytest.raises(FileExistsError):
        segments.seal(str(path))

    assert ["audit.jsonl"] == names(tmp_path)


@given(st.sets(st.integers(1, 12)), st.data())
def test_a_crash_at_any_step_is_gone_on_from(
    tmp_path_factory: pytest.TempPathFactory, seals: set[int], data: st.DataObject
) -> None:
    """Whether the last rename has happened, whether the next file is there, and how much of the
    next line has reached it: the next start writes on, and the record is whole."""
    folder = tmp_path_factory.mktemp("crash")
    upto = data.draw(st.integers(1, 12))
    rows = Rows(12)
    path = write(folder, Rows(upto), sorted(at for at in seals if at <= upto))
    if not path.exists() and data.draw(st.booleans()):
        path.touch(0o600)
    if upto < 12:
        coming = rows.lines[upto]
        torn = coming[: data.draw(st.integers(0, len(coming)))]
        if torn:
            with path.open("ab") as file:
                file.write(torn)
    synced = data.draw(st.integers(0, upto))
    standing = rows.catch_up(path, synced)

    assert (upto, None) == (standing.written_seq, standing.broken)
    assert rows.text() == b"".join(segments.lines(str(path)))
    assert whole(path, rows)


def test_sealing_and_writing_go_hand_in_hand(tmp_path: Path) -> None:
    """Line by line, sealed after each, as the recorder does it."""
    path = str(tmp_path / "audit.jsonl")
    for number, line in enumerate(ROWS.lines):
        file = AuditFile(path, Standing(written_seq=number))
        assert file.append([line]) is None
        file.close()
        segments.seal(path)

    assert 12 == len(names(tmp_path))
    assert {0o600} == {entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()}
    assert whole(Path(path), ROWS)
    assert (12, None) == (ROWS.check(Path(path), 12).written_seq, ROWS.check(Path(path)).broken)


def test_the_last_sealed_row_is_known(path: Path) -> None:
    """Up to there the database need not keep them."""
    assert 8 == sealed_seq(str(path), ROWS.seq_of)
    assert 0 == sealed_seq(str(path.with_name("other.jsonl")), ROWS.seq_of)


# --------------------------------------------------------------------------------------- tampering


@given(st.lists(st.integers(1, 11), min_size=1, max_size=4, unique=True), st.data())
def test_nothing_can_be_done_unseen(
    tmp_path_factory: pytest.TempPathFactory, seals: list[int], data: st.DataObject
) -> None:
    """A byte changed, a line dropped, doubled or moved, an end cut, in any of the files."""
    folder = tmp_path_factory.mktemp("deed")
    path = write(folder, ROWS, sorted(seals))
    victim = data.draw(st.sampled_from(sorted(folder.iterdir())))
    before = victim.read_bytes()
    lines = before.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    line = lines[at]
    position = data.draw(st.integers(0, len(line) - 1))
    other = bytes([line[position] ^ data.draw(st.integers(1, 255))])
    to = data.draw(st.integers(0, len(lines) - 1))
    without = [*lines[:at], *lines[at + 1 :]]
    deed = data.draw(
        st.sampled_from(
            [
                [*lines[:at], line[:position] + other + line[position + 1 :], *lines[at + 1 :]],
                without,
                [*lines[: at + 1], line, *lines[at + 1 :]],
                [*without[:to], line, *without[to:]],
                [*lines[:at], b"\n", *lines[at:]],
                lines[:at],
            ]
        )
    )
    after = b"".join(deed)
    victim.write_bytes(after)

    assert whole(path, ROWS) == (before == after)


def test_a_missing_segment_is_found_at_once(path: Path) -> None:
    """By its name at a start, and by the chain."""
    (path.parent / "audit-1-4.jsonl").unlink()
    missing = ROWS.check(path, 12).broken

    assert f"{path.parent}/audit-1-4.jsonl is missing: the lines 1 to 4 of the record" == (missing)
    assert not whole(path, ROWS)


@pytest.mark.parametrize("gone", [["audit-5-8.jsonl"], ["audit-5-8.jsonl", "audit-1-4.jsonl"]])
def test_the_last_segments_are_missed_too(path: Path, gone: list[str]) -> None:
    """No name after them shows it: what the current file goes on from does."""
    for name in gone:
        (path.parent / name).unlink()

    assert ROWS.check(path, 12).broken is not None
    assert not whole(path, ROWS)


def test_segments_that_changed_places_are_found(path: Path) -> None:
    """Their names are right; their lines are not."""
    one, two = path.parent / "audit-1-4.jsonl", path.parent / "audit-5-8.jsonl"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)

    assert ROWS.check(path, 12).broken is not None
    assert not whole(path, ROWS)


def test_a_break_is_named_with_its_place(path: Path) -> None:
    """The file, and its line there."""
    assert (f"{path.parent}/audit-5-8.jsonl", 2) == segments.place(str(path), 6)
    assert segments.place(str(path), 9) is None


def test_what_is_named_twice_is_wrong(path: Path) -> None:
    """Segments that overlap cannot both be ours."""
    (path.parent / "audit-3-6.jsonl").write_bytes(ROWS.text(6, after=2))

    assert "holds lines that another segment holds too" in str(ROWS.check(path, 12).broken)


# ------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("count", [1, 4, 5, 9, 12, 100])
def test_the_last_lines_are_read_across_files(path: Path, count: int) -> None:
    """However many that takes."""
    assert ROWS.lines[-count:] == segments.last_lines(str(path), count)


def test_a_reader_meets_a_rename(path: Path) -> None:
    """Who has begun to read before a seal reads on: the record as it was then."""
    reading = segments.lines(str(path))
    first = next(reading)
    segments.seal(str(path))

    assert ROWS.lines == [line.rstrip(b"\n") for line in (first, *reading)]
    assert whole(path, ROWS)


def test_appending_reads_nothing(tmp_path: Path) -> None:
    """However long the file is: a line costs a line."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"x" * 10_000_000 + b"\n")
    line = chain.line("now", "info", "tick", {}, chain.GENESIS)
    file = AuditFile(str(path), Standing(written_seq=0))
    before = read_so_far()
    assert file.append([line]) is None
    read = read_so_far() - before
    file.close()

    assert read < 10_000
    assert os.path.getsize(path) == 10_000_001 + len(line) + 1


def read_so_far() -> int:
    """Bytes that this process has read (proc(5))."""
    text = Path("/proc/self/io").read_text()
    return int(text.split("rchar: ")[1].split()[0])


def test_a_long_record_is_verified_in_seconds(tmp_path: Path) -> None:
    """A hundred thousand lines in a few seconds of computing, a break in their midst found too:
    the time grows with the length alone, so that a million takes ten times as long."""
    head, lines = chain.GENESIS, []
    for number in range(100_000):
        fields = b'{"event_type":"tick_started","agents_scanned":%d}' % number
        line = b'{"ts":"","severity":"info","event":%s,"prev_hash":"%s"}' % (fields, head.encode())
        lines.append(line)
        head = chain.digest(line)
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    began = time.process_time()
    whole = verify_file(str(path), head)
    took = time.process_time() - began
    lines[50_000] = lines[50_000].replace(b":50000}", b":50001}")
    path.write_bytes(b"\n".join(lines) + b"\n")

    assert (100_000, None) == (whole.count, whole.broken_at)
    assert 50_002 == verify_file(str(path), head).broken_at
    assert took < 5
