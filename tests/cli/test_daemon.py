"""``daemon``: one to a home, orderly ends whatever comes, and faults without secrets."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from dotagent import app
from dotagent.core.problems import quoted
from dotagent.store.holders import DAEMON
from dotagent.system import bell
from dotagent.system.paths import Paths
from dotagent.system.service import LOG_BYTES
from dotagent.system.signals import INT, TERM, Signals
from tests.cli.scene import DAILY, Gate, ntfy, rows
from tests.support.daemon import READY, daemon, environment, run, start, write_agent
from tests.support.patience import until

AT_ONCE = '[[schedules]]\nid = "x"\nevery = "1h"\nrun_at_start = true\n'


def test_second_daemon_is_refused(home: Path) -> None:
    """Exit 5, naming the holder and how to end it."""
    with daemon(home) as first:
        second = run(home, "daemon")

    assert 5 == second.returncode
    assert f"held by daemon, process {first.pid}" in second.stderr
    assert f"kill {first.pid}" in second.stderr
    assert "" == second.stdout


def test_what_launchd_kept_is_shortened_at_each_start(home: Path) -> None:
    """launchd starts a daemon that cannot begin again and again, and keeps its words for ever."""
    log = Path(Paths(str(home)).service_log)
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    (home / "state" / "dotagent.db").mkdir(parents=True)
    refused = run(home, "daemon")

    assert (3, 0) == (refused.returncode, log.stat().st_size)


def test_daemon_waits_for_a_command(home: Path) -> None:
    """A command that holds the home is waited for, and named; then the daemon begins."""
    gate = Gate(write_agent(home, "slow", script="echo begun; cat gate"))
    with start(home, "run-now", "slow") as command:
        assert command.stdout is not None
        command.stdout.readline()
        with start(home, "daemon") as waiting:
            assert waiting.stdout is not None
            said = waiting.stdout.readline()
            gate.open()
            ready = waiting.stdout.readline()
            waiting.terminate()
            waiting.communicate()

    assert (
        f"dotagent: waiting for run-now, process {command.pid}, to end;"
        " it starts what is due meanwhile\n" == said
    )
    assert ready.startswith(READY)
    assert (0, 0) == (command.returncode, waiting.returncode)


def test_a_command_stands_in_for_the_daemon_that_waits(home: Path) -> None:
    """While a long run of a person's holds the home, what is due is started, ``status`` says who
    waits for whom, and the daemon takes over when the run is done, however long what was started
    meanwhile goes on: that ends with the stop grace and is tried again."""
    (home / "config.toml").write_text('[daemon]\nstop_grace = "10ms"\n')
    gate = Gate(write_agent(home, "slow", script="echo begun; cat gate"))
    write_agent(home, "due", AT_ONCE)
    write_agent(home, "long", AT_ONCE, script="exec sleep 600")
    with start(home, "run-now", "slow") as command:
        assert command.stdout is not None
        command.stdout.readline()
        with start(home, "daemon") as waiting:
            good = "SELECT 1 FROM attempts WHERE agent = 'due' AND verdict = 'succeeded'"
            until(lambda: rows(home, good), what="the schedule to run")
            begun = "SELECT 1 FROM attempts WHERE agent = 'long' AND pid"
            until(lambda: rows(home, begun), what="the long one to run")
            status = run(home, "status")
            data = json.loads(run(home, "status", "--json").stdout)
            gate.open()
            command.communicate()
            again = "SELECT 1 FROM attempts WHERE agent = 'long' AND epoch = 2 AND pid"
            until(lambda: rows(home, again), what="the daemon to try it again")
            waiting.terminate()
            waiting.communicate()

    assert (
        f"the daemon (pid {waiting.pid}) waits for run-now (pid {command.pid}) to end, which"
        " starts what is due meanwhile." in " ".join(status.stdout.split())
    )
    assert (None, waiting.pid) == (data["daemon"], data["waiting_daemon"])
    assert (0, 0) == (command.returncode, waiting.returncode)
    told = "SELECT DISTINCT words, number FROM attempts WHERE agent = 'long' AND epoch = 1"
    assert [("interrupted: the daemon takes over", 1)] == rows(home, told)
    assert [] == rows(home, "SELECT 1 FROM requests WHERE state != 'done'")
    assert [] == rows(home, "SELECT 1 FROM outages")


def test_nobody_is_stood_in_for_who_waits_no_more(home: Path) -> None:
    """A daemon that was stopped, or killed, while it waits: the command goes back to its own work
    and does not start what falls due."""
    gate = Gate(write_agent(home, "slow", script="echo begun; cat gate"))
    with start(home, "run-now", "slow") as command:
        assert command.stdout is not None
        command.stdout.readline()
        asked = "SELECT 1 FROM requests WHERE kind = 'stand_in' AND state != 'done'"
        for number in (signal.SIGTERM, signal.SIGKILL):
            with start(home, "daemon") as waiting:
                until(lambda: rows(home, f"{asked} AND note != ''"), what="a stand-in")
                waiting.send_signal(number)
                waiting.communicate()
            until(lambda: not rows(home, asked), what="the end of it")
        gate.open()
        command.communicate()

    assert 0 == command.returncode


def test_daemon_goes_on_when_nobody_reads_it(home: Path) -> None:
    """Its words may be lost; its end is orderly all the same."""
    with start(home, "daemon") as deaf:
        assert deaf.stdout is not None
        deaf.stdout.readline()
        deaf.stdout.close()
        deaf.terminate()

    assert 0 == deaf.returncode


def test_signal_is_heard_while_it_waits(home: Path) -> None:
    """A daemon that has not begun yet ends as orderly as one that has."""
    gate = Gate(write_agent(home, "slow", script="echo begun; cat gate"))
    with start(home, "run-now", "slow") as command:
        assert command.stdout is not None
        command.stdout.readline()
        with start(home, "daemon") as waiting:
            assert waiting.stdout is not None
            waiting.stdout.readline()
            waiting.terminate()
            rest, said = waiting.communicate()
        gate.open()

    assert (0, "", "") == (waiting.returncode, rest, said)


def test_signal_during_the_start_leads_to_an_orderly_end(home: Path) -> None:
    """A SIGTERM from before the home was taken is heard once it is: the holder's row is closed, the
    record says why, and nothing was started."""
    write_agent(home, "a", AT_ONCE)
    env = environment(home)
    signals = Signals(stops=(TERM, INT)).listen()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        purpose = app.Purpose(role=DAEMON, plan=True)
        paths = app.paths_of(env)
        ready: list[str] = []
        stopped = asyncio.run(
            app.hold(paths, env, purpose, lambda: ready.append("ready"), signals=signals)
        )
    finally:
        signals.restore()

    assert ("SIGTERM", []) == (stopped, ready)
    assert [("daemon", 1)] == rows(home, "SELECT role, ended_at IS NOT NULL FROM holders")
    assert '"reason":"SIGTERM"' in Path(paths.audit).read_text()
    assert [] == rows(home, "SELECT * FROM attempts")


def test_stop_names_what_it_waits_for(home: Path) -> None:
    """What runs may finish within the grace, and the daemon says what that is."""
    (home / "config.toml").write_text('[daemon]\nstop_grace = "1m"\n')
    gate = Gate(write_agent(home, "slow", DAILY, script="echo begun; cat gate"))
    with daemon(home) as running, start(home, "run-now", "slow") as command:
        assert command.stdout is not None
        assert running.process.stdout is not None
        command.stdout.readline()
        os.kill(running.pid, signal.SIGTERM)
        said = running.process.stdout.readline()
        gate.open()
        command.communicate()
        status = running.process.wait()

    assert "dotagent: stopping (SIGTERM): slow/daily may finish within 1 min\n" == said
    assert (0, 0) == (status, command.returncode)
    assert [("succeeded",)] == rows(home, "SELECT verdict FROM attempts")


def test_second_signal_ends_the_waiting(home: Path) -> None:
    """Whoever asks twice is in a hurry: what runs is interrupted at once."""
    (home / "config.toml").write_text('[daemon]\nstop_grace = "1h"\n')
    folder = write_agent(home, "slow", AT_ONCE, script="echo $$ > begun; cat gate")
    Gate(folder)
    begun = Gate(folder, "begun")
    with daemon(home) as running:
        assert running.process.stdout is not None
        begun.path.read_text()
        os.kill(running.pid, signal.SIGTERM)
        running.process.stdout.readline()
        status = running.stop(signal.SIGINT)

    assert 0 == status
    assert [("interrupted",)] == rows(home, "SELECT verdict FROM attempts")
    assert [("waiting", 0)] == rows(home, "SELECT state, attempts FROM windows")


def test_hangup_reads_the_files_again(home: Path) -> None:
    """SIGHUP ends nothing."""
    with daemon(home) as running:
        os.kill(running.pid, signal.SIGHUP)
        ticked = run(home, "tick")
        status = running.stop()

    assert f"the daemon, process {running.pid}" in ticked.stdout
    assert 0 == status


def test_service_manager_is_told(home: Path, tmp_path: Path) -> None:
    """systemd hears READY when the engine is about to run and STOPPING with the first signal."""
    address = str(tmp_path / "notify")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(address)
        with daemon(home, env={"NOTIFY_SOCKET": address}) as running:
            first = manager.recv(100)
            running.stop()
            second = manager.recv(100)

    assert (b"READY=1", b"STOPPING=1") == (first, second)


def test_service_manager_does_not_lose_patience(home: Path, tmp_path: Path) -> None:
    """A start that takes as long as a command's run would else be taken for a failed one."""
    address = str(tmp_path / "notify")
    gate = Gate(write_agent(home, "slow", script="echo begun; cat gate"))
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(address)
        with start(home, "run-now", "slow") as command:
            assert command.stdout is not None
            command.stdout.readline()
            with start(home, "daemon", env={"NOTIFY_SOCKET": address}) as waiting:
                first, second = manager.recv(100), manager.recv(100)
                waiting.terminate()
                waiting.communicate()
            gate.open()

    assert (b"READY=1", b"WATCHDOG=1") == (first, second)


def test_service_manager_hears_that_it_lives(home: Path, tmp_path: Path) -> None:
    """While it runs, and while a stop lets an agent end, the watchdog is fed; only the daemon is
    signalled, as ``KillMode=mixed`` does, and the agent ends by itself."""
    address = str(tmp_path / "notify")
    gate = Gate(write_agent(home, "a", AT_ONCE, script="echo begun > begun; cat gate; echo whole"))
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(address)
        env = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "100000"}
        with daemon(home, env=env) as running:
            until((home / "agents" / "a" / "begun").exists, what="the agent to run")
            first = [manager.recv(100) for _ in range(4)]
            os.kill(running.pid, signal.SIGTERM)
            heard(manager, b"STOPPING=1")
            heard(manager, b"WATCHDOG=1")
            gate.open()
            status = running.process.wait()

    assert [b"READY=1", *[b"WATCHDOG=1"] * 3] == first
    assert 0 == status
    assert [("succeeded",)] == rows(home, "SELECT verdict FROM attempts")


def heard(manager: socket.socket, word: bytes) -> None:
    """Return when the manager hears this; what comes before it is passed over."""
    while manager.recv(100) != word:
        continue


@pytest.mark.parametrize(
    ("file", "is_replaced"), [("database", False), ("database", True), ("lock", False)]
)
def test_a_file_that_is_taken_away_ends_it(home: Path, file: str, is_replaced: bool) -> None:
    """It does not go on where nobody sees what it records, nor where another may hold a new lock
    (rules R1), but says so and ends, exit 3."""
    paths = Paths(str(home))
    path = getattr(paths, file)
    write_agent(home, "a", AT_ONCE)
    with start(home, "daemon") as running:
        assert running.stdout is not None
        running.stdout.readline()
        until(lambda: rows(home, "SELECT 1 FROM attempts WHERE ended_at"), what="the first run")
        if is_replaced:
            shutil.copy(path, home / "backup")
            os.replace(home / "backup", path)
        else:
            os.unlink(path)
        bell.ring(paths.bell)
        _, err = running.communicate()

    assert 3 == running.returncode
    assert f"{path} was removed or replaced while it was in use" in err


def test_agents_that_are_gone_at_the_start(home: Path) -> None:
    """A folder that is not mounted yet when the daemon starts: its agents are held, and that is
    told; none is forgotten."""
    write_agent(home, "a", AT_ONCE)
    with daemon(home):
        until(lambda: rows(home, "SELECT 1 FROM attempts WHERE ended_at"), what="the first run")
    (home / "agents").rename(home / "elsewhere")
    with daemon(home):
        until(lambda: rows(home, "SELECT 1 FROM events WHERE kind = 'root_vanished'"), what="word")
        held = rows(home, "SELECT held_at IS NOT NULL, gone_at FROM schedules")
    (home / "elsewhere").rename(home / "agents")

    assert [(1, None)] == held


def test_fault_ends_it_with_a_message_and_no_secret(home: Path) -> None:
    """A fault of dotagent itself: exit 1, one message for the person, the traceback in the log, and
    in neither of them a value of the secrets file."""
    secret = "hunter2-hunter2"
    (home / "secrets.env").write_text(f"TOKEN={secret}\n")
    (home / "secrets.env").chmod(0o600)
    write_agent(home, "a", DAILY + ntfy("http://127.0.0.1:9"))
    with daemon(home):
        pass
    with sqlite3.connect(home / "state" / "dotagent.db") as db:
        broken = f'{{"type": {quoted(secret)}}}'
        db.execute("UPDATE schedules SET definition = ?, next_due_at = 0", (broken,))
    db.close()
    ended = run(home, "daemon")

    log = Path(Paths(str(home)).daemon_log)
    text = log.read_text()
    assert 1 == ended.returncode
    assert "dotagent: a fault of dotagent itself has ended it" in ended.stderr
    assert str(log) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Traceback" in text
    assert "[redacted]" in text
    assert secret not in text + ended.stderr + ended.stdout
    assert 0o600 == stat.S_IMODE(log.stat().st_mode)


def test_what_is_not_right_is_said(home: Path) -> None:
    """Once by each daemon: what breaks while it runs, and at its start what was broken before; and
    at last that it has stopped."""
    write_agent(home, "a", DAILY)
    config, manifest = home / "config.toml", home / "agents" / "a" / "agent.toml"
    config.write_text("notifiers = 7\n")
    with daemon(home) as running:
        until(lambda: rows(home, "SELECT 1 FROM schedules"), what="the agent")
        manifest.write_text("[agent]\n")
        until(lambda: rows(home, "SELECT 1 FROM manifests WHERE fatal"), what="it to be broken")
        running.process.terminate()
        first, _ = running.process.communicate()
    with daemon(home) as running:
        running.process.terminate()
        second, _ = running.process.communicate()

    for said in (first, second):
        assert 1 == said.count("config.toml is not right, and changes nothing until it is mended")
        assert 1 == len([line for line in said.splitlines() if "agents/a/agent.toml" in line])
        assert "Nobody is told when something fails: no notifier is in force" in said
        assert said.endswith("\ndotagent: stopped\n")


def test_a_failing_agent_is_said(home: Path) -> None:
    """Who watches the daemon sees each attempt that failed, in one line; not what went well, nor
    what an agent put into its words to steer the terminal."""
    once = '\n[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\nmax_attempts = 1\n'
    write_agent(home, "bad", once, script="exit 3")
    write_agent(home, "good", once)
    write_agent(home, "gone", once.replace("[[sch", 'working_dir = "\\u001b[31mno\\nwhere"\n[[sch'))
    with daemon(home) as running:
        until(lambda: running.said().count("\n") == 2, what="two lines")
        said = sorted(running.said().splitlines())

    assert "dotagent: bad/s: attempt 1: exit 3; see: dotagent why bad" == said[0]
    assert said[1].startswith("dotagent: gone/s: attempt 1: could not start: the working directory")
    assert "\x1b" not in said[1]
