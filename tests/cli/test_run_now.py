"""``run-now``: for real, with what became of each message; one actor, whoever asks."""

from __future__ import annotations

import json
import os
import signal
import sys
from itertools import pairwise
from pathlib import Path
from subprocess import Popen

import pytest

from tests.cli.scene import DAILY, Gate, both_ways, held_by, ntfy, rows
from tests.support.daemon import daemon, run, start, write_agent
from tests.support.http_server import Answer, StrictServer
from tests.support.patience import until
from tests.support.serving import serving


@both_ways
def test_messages_are_waited_for(home: Path, holder: str) -> None:
    """Output, verdict, then each message as it arrived; the exit status is the agent's."""
    with serving(StrictServer()) as server:
        write_agent(home, "bad", DAILY + ntfy(server.url), script="echo out; exit 3")
        with held_by(holder, home):
            ran = run(home, "run-now", "bad")

    lines = ran.stdout.splitlines()
    assert 3 == ran.returncode
    assert "out" == lines[0]
    assert lines[1].startswith("✗ bad/daily  exit 3 after ")
    assert lines[2].startswith("  phone (ntfy): attempt_failed sent after ")
    assert 1 == len(server.accepted)


def test_success_ends_the_outage(home: Path) -> None:
    """A failure by hand opens the outage, a success by hand ends it, and both are told."""
    with serving(StrictServer()) as server:
        folder = write_agent(home, "a", DAILY + ntfy(server.url), script='exit "$(cat code)"')
        (folder / "code").write_text("1")
        first = run(home, "run-now", "a")
        (folder / "code").write_text("0")
        second = run(home, "run-now", "a")

    assert (1, 0) == (first.returncode, second.returncode)
    assert "recovered sent" in second.stdout
    assert [("success",)] == rows(home, "SELECT closed_by FROM outages")


def test_message_that_must_wait_is_left_to_the_next(home: Path) -> None:
    """A service that asks for more patience than a person has is not waited for."""
    busy = Answer(status=503, headers=(("Retry-After", "600"),))
    with serving(StrictServer()) as server:
        server.script(busy)
        write_agent(home, "a", DAILY + ntfy(server.url))
        ran = run(home, "run-now", "a")

    assert 0 == ran.returncode
    assert "phone (ntfy): success waits until " in ran.stdout
    assert "503" in ran.stdout
    assert "dotagent deliveries" in ran.stdout


@pytest.mark.parametrize(
    ("toml", "script", "status"),
    [
        ("warn_codes = [3]", "exit 3", 0),
        ("skip_codes = [9]", "exit 9", 75),
        ("", "kill -9 $$", 137),
        ('[expect]\noutput = "nonempty"', "exit 0", 1),
        ("", "no-such-command-anywhere", 127),
    ],
)
def test_exit_status(home: Path, toml: str, script: str, status: int) -> None:
    """0 only if the agent succeeded; 1 where it exited 0 without success."""
    write_agent(home, "a", toml, script=script)

    assert status == run(home, "run-now", "a").returncode


def test_json_is_one_line_with_the_contract_s_keys(home: Path) -> None:
    """The keys of 0.1.x, sorted, and the messages; no output beside them."""
    with serving(StrictServer()) as server:
        write_agent(home, "a", DAILY + ntfy(server.url), script="echo out; echo err >&2; exit 2")
        ran = run(home, "run-now", "a", "--json")

    data = json.loads(ran.stdout)
    (delivery,) = data.pop("deliveries")
    assert 2 == ran.returncode
    assert 1 == ran.stdout.count("\n")
    assert ["agent", "result", "schedule", "wall_duration_seconds"] == list(data)
    assert {
        "duration_seconds": 0,
        "exit_code": 2,
        "kind": "ran",
        "stderr_tail": "err",
        "stderr_truncated_lines": 0,
        "stdout_tail": "out",
        "stdout_truncated_lines": 0,
        "timed_out": False,
    } == data["result"]
    assert ("sent", "phone", 1) == (delivery["state"], delivery["notifier"], delivery["tries"])


def test_json_of_a_blocked_run(home: Path) -> None:
    """A preflight that says no is told apart from a run; exit 75."""
    write_agent(home, "a", '[[preflight]]\nplugin = "nowhere"')
    ran = run(home, "run-now", "a", "--json")

    result = json.loads(ran.stdout)["result"]
    assert 75 == ran.returncode
    assert ("preflight_failed", "nowhere") == (result["kind"], result["plugin"])


def test_broken_manifest_runs_on_its_last_good_copy(home: Path) -> None:
    """What is on schedule runs by hand too; the person hears what is wrong with the file."""
    folder = write_agent(home, "a", DAILY, script="echo ran")
    run(home, "run-now", "a")
    with (folder / "agent.toml").open("a") as manifest:
        manifest.write("hours = 25\n")
    ran = run(home, "run-now", "a")

    assert 0 == ran.returncode
    assert "ran\n" in ran.stdout
    assert "its last good copy runs" in ran.stderr


# --------------------------------------------------------------------------------- one actor (R1)


def overlaps(spans: list[tuple[object, ...]]) -> bool:
    """Whether two of these (from, to) overlap."""
    ordered = sorted((int(str(begin)), int(str(end))) for begin, end in spans)
    return any(end > begin for (_, end), (begin, _) in pairwise(ordered))


@both_ways
def test_two_at_once_never_overlap(home: Path, holder: str) -> None:
    """The second says what it waits for, and runs when the first has ended; at no time did two
    processes act."""
    folder = write_agent(home, "a", DAILY, script="echo begun; cat gate")
    gate = Gate(folder)
    with held_by(holder, home), start(home, "run-now", "a") as first:
        assert first.stdout is not None
        first.stdout.readline()
        with start(home, "run-now", "a") as second:
            assert second.stdout is not None
            assert second.stderr is not None
            note = second.stderr.readline()
            gate.open()
            begun = second.stdout.readline()
            gate.open()

    attempts = "SELECT spawned_at, ended_at FROM attempts"
    assert "dotagent: a run of this schedule is in progress; it starts when that ends\n" == note
    assert "begun\n" == begun
    assert (0, 0) == (first.returncode, second.returncode)
    assert 2 == len(rows(home, attempts))
    assert not overlaps(rows(home, attempts))
    assert not overlaps(rows(home, "SELECT began_at, ended_at FROM holders"))


def test_whoever_holds_the_home_serves_the_others(home: Path) -> None:
    """A command that holds the home runs what others ask for meanwhile, and stays until that has
    ended: nothing is cut off."""
    mine = Gate(write_agent(home, "mine", script="echo begun; cat gate"))
    yours = Gate(write_agent(home, "yours", script="echo begun; cat gate; echo done"))
    with start(home, "run-now", "mine") as first:
        assert first.stdout is not None
        first.stdout.readline()
        with start(home, "run-now", "yours") as second:
            assert second.stdout is not None
            second.stdout.readline()
            mine.open()
            verdict = first.stdout.readline()
            still = first.poll()
            yours.open()
            rest, _ = second.communicate()

    assert verdict.startswith("✓ mine/manual")
    assert None is still
    assert (0, 0) == (first.returncode, second.returncode)
    assert "done" in rest
    assert [("run-now",)] == rows(home, "SELECT role FROM holders")


def test_interrupted_holder_hands_back_what_others_asked_for(home: Path) -> None:
    """Ctrl-C in one terminal ends no run of another: that one takes over and starts it again."""
    Gate(write_agent(home, "mine", script="echo begun; cat gate"))
    yours = Gate(write_agent(home, "yours", script="echo begun; cat gate"))
    with start(home, "run-now", "mine") as first:
        assert first.stdout is not None
        first.stdout.readline()
        with start(home, "run-now", "yours") as second:
            assert second.stdout is not None
            assert second.stderr is not None
            second.stdout.readline()
            first.send_signal(signal.SIGINT)
            first.wait()
            again = second.stdout.readline()
            yours.open()
            _, said = second.communicate()

    ended = "SELECT agent, verdict FROM attempts ORDER BY id"
    assert "begun\n" == again
    assert (130, 0) == (first.returncode, second.returncode)
    assert "it starts again" in said
    assert [("mine", "interrupted"), ("yours", "interrupted"), ("yours", "succeeded")] == rows(
        home, ended
    )


def test_killed_holder_is_replaced_by_whoever_waits(home: Path) -> None:
    """The daemon dies under a request: the command that waits for it takes the home, settles what
    was lost and answers."""
    folder = write_agent(home, "a", DAILY, script="echo begun; cat gate")
    Gate(folder)
    with daemon(home) as running, start(home, "run-now", "a") as command:
        assert command.stdout is not None
        command.stdout.readline()
        spawned = "SELECT 1 FROM attempts WHERE pid NOT NULL"
        until(lambda: rows(home, spawned), what="the child to be remembered")
        running.stop(signal.SIGKILL)
        out, _ = command.communicate()

    assert 1 == command.returncode
    assert "✗ a/daily  lost: dotagent died while it ran" in out
    assert ["daemon", "run-now"] == [role for (role,) in rows(home, "SELECT role FROM holders")]


def test_stopped_daemon_leaves_the_run_to_whoever_asked(home: Path) -> None:
    """A planned stop interrupts the run after its grace; whoever asked for it starts it again."""
    (home / "config.toml").write_text('[daemon]\nstop_grace = "0s"\n')
    gate = Gate(write_agent(home, "a", DAILY, script="echo begun; cat gate"))
    with daemon(home) as running, start(home, "run-now", "a") as command:
        assert command.stdout is not None
        command.stdout.readline()
        ended = running.stop()
        command.stdout.readline()
        gate.open()
        command.communicate()

    assert (0, 0) == (ended, command.returncode)
    assert [("interrupted",), ("succeeded",)] == rows(home, "SELECT verdict FROM attempts")


def test_interrupt_while_messages_wait_does_not_stop_them(home: Path) -> None:
    """Ctrl-C after the verdict only ends the waiting: the daemon sends on."""
    with serving(StrictServer()) as server:
        server.script(Answer(status=503, headers=(("Retry-After", "2"),)))
        write_agent(home, "a", DAILY + ntfy(server.url))
        with daemon(home), start(home, "run-now", "a") as command:
            assert command.stdout is not None
            command.stdout.readline()
            command.send_signal(signal.SIGINT)
            command.communicate()
            server.wait_for(1)

    assert 130 == command.returncode
    assert [("succeeded",)] == rows(home, "SELECT verdict FROM attempts")


@pytest.mark.parametrize("times", [1, 2])
def test_what_nobody_took_up_is_called_off(home: Path, times: int) -> None:
    """A daemon that does not answer is named; who does not want to wait for it leaves nothing that
    would be done behind their back, whether they ask once or insist."""
    write_agent(home, "a", DAILY)
    with daemon(home) as frozen:
        frozen.freeze(home)
        with start(home, "run-now", "a") as command:
            said = _give_up(home, command, times)
        os.kill(frozen.pid, signal.SIGCONT)
        run(home, "tick")

    assert said.startswith(f"dotagent: waiting for daemon, process {frozen.pid}")
    assert said.endswith("to take it up\n")
    if sys.platform == "linux":
        assert f"which is stopped (kill -CONT {frozen.pid} lets it go on)" in said
    assert 130 == command.returncode
    assert [] == rows(home, "SELECT * FROM attempts")


def _give_up(home: Path, command: Popen[str], times: int) -> str:
    """Wait for the word that it waits, then ask so many times to leave; the word."""
    assert command.stderr is not None
    said = command.stderr.readline()
    command.send_signal(signal.SIGINT)
    until(lambda: rows(home, "SELECT * FROM requests WHERE kind = 'stop'"), what="the calling off")
    if times > 1:
        command.send_signal(signal.SIGINT)
    command.communicate()
    return said


@both_ways
def test_agent_of_the_current_folder_tells_its_own(home: Path, tmp_path: Path, holder: str) -> None:
    """An agent that lies in ./agents only is run for real from there: whom its manifest names
    hears of it, and nothing of it is scheduled."""
    here = tmp_path / "project"
    with serving(StrictServer()) as server:
        write_agent(here, "mine", DAILY + ntfy(server.url), script="exit 4")
        with held_by(holder, home):
            ran = run(home, "run-now", "mine", cwd=here)

    assert 4 == ran.returncode
    assert "phone (ntfy): attempt_failed sent" in ran.stdout
    assert 1 == len(server.accepted)
    assert [] == rows(home, "SELECT * FROM schedules")
