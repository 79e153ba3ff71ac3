"""``tick``: what is due, once; a rehearsal that writes nothing; never two at a time."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.scene import Gate, ntfy, rows
from tests.support.daemon import daemon, run, start, write_agent
from tests.support.http_server import StrictServer
from tests.support.serving import serving

AT_ONCE = """
[[schedules]]
id = "often"
every = "1h"
run_at_start = true
retry_backoff = ["0s"]
"""
ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"


def tree(home: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder, with its size and its last change; not when SQLite's index of the log
    was last looked at, which is memory that its processes share."""
    found = {}
    for path in sorted(home.rglob("*")):
        status = path.lstat()
        changed = 0 if path.name.endswith("-shm") else status.st_mtime_ns
        found[str(path)] = (status.st_size, changed)
    return found


def test_what_is_due_runs_and_is_told(home: Path) -> None:
    """One line says what was done; the messages are out when it ends."""
    with serving(StrictServer()) as server:
        write_agent(home, "a", AT_ONCE + ntfy(server.url))
        write_agent(home, "b", '[[schedules]]\nid = "x"\ndaily = "08:30"\n')
        ticked = run(home, "tick")

    line = rf"scanned 2 agent\(s\); dispatched 1; next event: {ISO}\n"
    assert 0 == ticked.returncode
    assert re.fullmatch(line, ticked.stdout)
    assert [("a", "succeeded")] == rows(home, "SELECT agent, verdict FROM attempts")
    assert 1 == len(server.accepted)


def test_empty_home(home: Path) -> None:
    """Nothing there, nothing due, nothing next."""
    ticked = run(home, "tick")

    assert "scanned 0 agent(s); dispatched 0; next event: —\n" == ticked.stdout


def test_rehearsal_writes_nothing_in_a_new_home(home: Path) -> None:
    """Without a database it decides as on the first day, and makes none."""
    write_agent(home, "a", AT_ONCE)
    before = tree(home)
    ticked = run(home, "tick", "--dry-run")

    said = ticked.stdout.splitlines()
    assert 0 == ticked.returncode
    assert "would dispatch a/often  attempt 1/3" == said[0]
    pattern = rf"\(dry-run\) scanned 1 agent\(s\); would dispatch 1; next event: {ISO}"
    assert re.fullmatch(pattern, said[1])
    assert before == tree(home)


def test_rehearsal_says_what_the_tick_then_does(home: Path) -> None:
    """On a home with a past: a further try that is due, and nothing written by saying so."""
    write_agent(home, "a", AT_ONCE, script="exit 1")
    run(home, "tick")
    before = tree(home)
    rehearsed = run(home, "tick", "--dry-run")
    after = tree(home)
    ticked = run(home, "tick")

    assert "would dispatch a/often  attempt 2/3" == rehearsed.stdout.splitlines()[0]
    assert before == after
    assert "dispatched 1;" in ticked.stdout
    assert [(1,), (2,)] == rows(home, "SELECT number FROM attempts ORDER BY id")


def test_rehearsal_leaves_no_file_of_the_database(home: Path) -> None:
    """Not even SQLite's own: a database that nobody has open is read without a log beside it."""
    write_agent(home, "a", AT_ONCE)
    run(home, "tick")
    for name in ("dotagent.db-wal", "dotagent.db-shm"):
        (home / "state" / name).unlink(missing_ok=True)
    before = tree(home)
    run(home, "tick", "--dry-run")

    assert before == tree(home)


def test_more_is_due_than_there_are_slots(home: Path) -> None:
    """All of it runs, as slots become free, before the tick ends."""
    (home / "config.toml").write_text("[daemon]\nmax_running = 1\n")
    for name in ("a", "b", "c"):
        write_agent(home, name, AT_ONCE)
    ticked = run(home, "tick")

    assert "dispatched 3;" in ticked.stdout
    assert 3 * [("succeeded",)] == rows(home, "SELECT verdict FROM attempts")
    spans = rows(home, "SELECT claimed_at, ended_at FROM attempts ORDER BY id")
    assert spans == sorted(spans)


def test_tick_while_a_daemon_runs(home: Path) -> None:
    """It is the daemon's to do, and it is told to look."""
    with daemon(home) as running:
        write_agent(home, "a", '[[schedules]]\nid = "x"\ndaily = "08:30"\n')
        ticked = run(home, "tick")
        known = rows(home, "SELECT name FROM agents")

    assert 0 == ticked.returncode
    assert f"the daemon, process {running.pid}, runs the schedules here" in ticked.stdout
    assert [("a",)] == known


def test_tick_during_a_tick_is_done_by_that_one(home: Path) -> None:
    """With a crontab, a long run delays no other: the next tick hands its work to the one that is
    under way, and does not wait for the long run."""
    folder = write_agent(home, "slow", AT_ONCE, script="echo > begun; cat gate")
    begun, gate = Gate(folder, "begun"), Gate(folder)
    with start(home, "tick") as first:
        begun.path.read_text()
        write_agent(home, "late", AT_ONCE)
        second = run(home, "tick")
        still = first.poll()
        gate.open()
        out, _ = first.communicate()

    assert None is still
    assert (0, 0) == (first.returncode, second.returncode)
    assert "dispatched 1;" in second.stdout
    assert "dispatched 1;" in out
    assert [("tick",)] == rows(home, "SELECT role FROM holders")


def test_a_daemon_that_is_gone_is_missed_whatever_ticked_before(home: Path) -> None:
    """A tick long ago does not mean that cron still ticks, once a daemon has had the home."""
    write_agent(home, "good", '[[schedules]]\nid = "s"\nevery = "1h"\n')
    run(home, "tick")
    by_cron = run(home, "status").stdout
    with daemon(home):
        pass

    assert "No daemon runs" not in by_cron
    assert "No daemon runs" in run(home, "status").stdout
