"""``stop``: a person ends what runs; the next command tells how it ended."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

from tests.cli.scene import DAILY, held_by, rows
from tests.support.daemon import daemon, run, start, write_agent
from tests.support.patience import until

WINDOWS = "SELECT state, reason FROM windows"
AT_ONCE = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\n'


def test_a_run_ends_for_good(home: Path) -> None:
    """The run of another terminal ends as skipped, which that terminal is told too, by whom and
    why."""
    write_agent(home, "long", DAILY, script="exec sleep 600")
    with held_by("daemon", home), start(home, "run-now", "long") as other:
        until(lambda: rows(home, "SELECT 1 FROM attempts WHERE pid"), what="the run to begin")
        stopped = run(home, "stop", "long", "--reason", "it hangs")
        shown, _ = other.communicate()

    assert (0, "Ended: long/daily. Not tried again before its next time.") == (
        stopped.returncode,
        stopped.stdout.splitlines()[0],
    )
    assert 75 == other.returncode
    assert ": it hangs" in shown
    assert [("skipped",)] == rows(home, "SELECT verdict FROM attempts")
    assert [] == rows(home, "SELECT 1 FROM outages")


def test_what_was_removed_while_it_runs(home: Path) -> None:
    """Its manifest is gone, its process is not: it is shown, and can be ended."""
    folder = write_agent(home, "long", AT_ONCE, script="exec sleep 600")
    with daemon(home):
        until(lambda: rows(home, "SELECT 1 FROM attempts WHERE pid"), what="the run to begin")
        shutil.rmtree(folder)
        gone = "SELECT 1 FROM agents WHERE gone_at"
        until(lambda: rows(home, gone), what="the agent to be gone")
        why = run(home, "why", "long").stdout.replace("\n", " ")
        stopped = run(home, "stop", "long")

    assert "is gone since" in why
    assert "does not run any more" not in why
    assert (0, "Ended: long/s.") == (stopped.returncode, stopped.stdout[:14])
    assert [("skipped",)] == rows(home, "SELECT verdict FROM attempts")


def test_nothing_runs(home: Path) -> None:
    """There is nothing to end (1, failed), or nobody of that name (4): the command line was right,
    so neither is a usage error."""
    write_agent(home, "quiet", DAILY)
    run(home, "tick")
    quiet, nobody = run(home, "stop", "quiet", "--json"), run(home, "stop", "quit")

    assert (1, "dotagent: nothing of quiet runs now") == (
        quiet.returncode,
        quiet.stderr.splitlines()[0],
    )
    assert 4 == nobody.returncode


def test_what_a_command_runs_itself(home: Path) -> None:
    """The run of a command that holds the home: whoever ends it is answered before that command is
    gone."""
    write_agent(home, "long", DAILY, script="echo begun; exec sleep 600")
    with start(home, "run-now", "long") as other:
        assert other.stdout is not None
        other.stdout.readline()
        stopped = run(home, "stop", "long")
        other.communicate()

    assert (0, "Ended: long/daily. Not tried again before its next time.") == (
        stopped.returncode,
        stopped.stdout.splitlines()[0],
    )


def test_what_a_dead_daemon_left_running(home: Path) -> None:
    """It is ended by whoever asks for that, said, and not tried again."""
    write_agent(home, "long", AT_ONCE, script="echo $$ > pid; exec sleep 600")
    with daemon(home) as running:
        until(lambda: rows(home, "SELECT 1 FROM attempts WHERE pid"), what="the run to begin")
        running.stop(signal.SIGKILL)
    stopped, again = run(home, "stop", "long", "--reason", "enough"), run(home, "stop", "long")

    assert (0, "Ended: long/s. Not tried again before its next time.") == (
        stopped.returncode,
        stopped.stdout.splitlines()[0],
    )
    ended = [(state, str(reason)) for state, reason in rows(home, WINDOWS)]
    assert [("skipped", True)] == [(state, "enough" in reason) for state, reason in ended]
    assert 1 == again.returncode


def test_the_answer_as_data(home: Path) -> None:
    """``--json``: what was ended."""
    write_agent(home, "long", DAILY, script="exec sleep 600")
    with held_by("daemon", home), start(home, "run", "long"):
        until(lambda: rows(home, "SELECT 1 FROM attempts WHERE pid"), what="the run to begin")
        stopped = run(home, "stop", "long/daily", "--json")

    assert {"stopped": ["long/daily"]} == json.loads(stopped.stdout)
