"""A log reads back as it was written: its last lines over all pieces, and what comes after them."""

from __future__ import annotations

import gzip
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.supervisor.logread import BLOCK, LogReader, OfSchedule

LOG = "a.log"
HEAD = "\n=== 2026-03-01T08:30:00+0000 run started · schedule={} · slug=default ===\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two older pieces, one of them packed, and the log."""
    (tmp_path / "a.log.2026-03-01.1.gz").write_bytes(gzip.compress(b"1\n2\n3\n"))
    (tmp_path / "a.log.2026-03-02.1").write_text("4\n5\n")
    (tmp_path / LOG).write_text("6\n7")
    return tmp_path


def last_lines(folder: Path, count: int, schedule: str | None = None) -> list[bytes]:
    with closing(LogReader(str(folder), LOG, schedule)) as log:
        return log.last_lines(count)


@pytest.mark.parametrize(
    ("count", "lines"),
    [(0, ""), (1, "7"), (2, "6\n7"), (3, "5\n6\n7"), (6, "2\n3\n4\n5\n6\n7"), (99, None)],
)
def test_the_last_lines_over_all_pieces(folder: Path, count: int, lines: str | None) -> None:
    """As many as are asked for, packed or not, in their order."""
    found = last_lines(folder, count)

    assert (lines if lines is not None else "1\n2\n3\n4\n5\n6\n7") == b"".join(found).decode()


def test_the_end_of_a_long_log_is_found_from_behind(tmp_path: Path) -> None:
    """Lines that are longer than what is read at once, and many short ones."""
    long = b"x" * (3 * BLOCK) + b"\n"
    (tmp_path / LOG).write_bytes(b"first\n" + long + b"y\n" * 10)

    assert [long, *[b"y\n"] * 10] == last_lines(tmp_path, 11)
    assert [b"y\n"] * 3 == last_lines(tmp_path, 3)


@pytest.fixture
def readers() -> Iterator[Callable[[Path], LogReader]]:
    """Opens logs, and closes them after the test."""
    with ExitStack() as stack:
        yield lambda folder: stack.enter_context(closing(LogReader(str(folder), LOG)))


def turn(folder: Path, number: int) -> None:
    """What the supervisor does at midnight."""
    os.rename(folder / LOG, folder / f"{LOG}.2026-03-02.{number}")


def test_following_goes_on_over_turns(folder: Path, readers: Callable[[Path], LogReader]) -> None:
    """What is written before, between and after two turns comes once, in order; also into a piece
    that has been put aside since the last look."""
    log = readers(folder)
    log.last_lines(1)
    with (folder / LOG).open("a") as late:
        late.write(" end\n")
        late.flush()
        first = log.more()
        turn(folder, 2)
        late.write("late\n")
    (folder / LOG).write_text("8\n")
    turn(folder, 3)
    (folder / LOG).write_text("9\n")
    rest = [log.more() for _ in range(4)]

    assert b" end\n" == first
    assert [b"late\n", b"8\n", b"9\n", b""] == rest


def test_following_begins_before_there_is_a_log(
    tmp_path: Path, readers: Callable[[Path], LogReader]
) -> None:
    """An agent that has never run: its first line comes as it is written."""
    log = readers(tmp_path / "none")
    before = log.last_lines(5), log.more()
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / LOG).write_text("hello\n")

    assert ([], b"") == before
    assert b"hello\n" == log.more()


def test_no_link_is_followed(tmp_path: Path) -> None:
    """A log that is a link shows nothing of what it points to."""
    (tmp_path / "secret").write_text("secret\n")
    (tmp_path / LOG).symlink_to(tmp_path / "secret")

    assert [] == last_lines(tmp_path, 5)


MIXED = (
    f"{HEAD.format('daily')}d1\n{HEAD.format('hourly')}h1\n"
    "--- schedule=daily · stderr ---\nd2\n--- schedule=hourly · stdout ---\nh2\nlast"
)


def test_one_schedule_of_several(tmp_path: Path) -> None:
    """Runs that wrote in turn are told apart."""
    (tmp_path / LOG).write_text(MIXED)
    daily = b"".join(last_lines(tmp_path, 50, "daily")).decode()

    assert ["d1", "d2"] == [line for line in daily.split("\n") if line.startswith(("d", "h"))]


@given(st.lists(st.integers(min_value=0, max_value=len(MIXED.encode())), max_size=6))
def test_chunks_do_not_matter(cuts: list[int]) -> None:
    """However the log is cut on its way, the same lines are let through."""
    data, only = MIXED.encode(), OfSchedule("hourly")
    bounds = [0, *sorted(cuts), len(data)]
    got = b"".join(only.chunk(data[a:b]) for a, b in itertools.pairwise(bounds))

    assert OfSchedule("hourly").chunk(data) == got
    assert b"h1\n" in got
    assert b"h2\n" in got
    assert b"d1" not in got
