"""The doctor sees everything that is wrong, says where and what to do, and touches nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from dotagent.cli.doctor_home import examine
from dotagent.system.hindrance import BEGINNING_MS
from dotagent.system.paths import Paths
from dotagent.system.waiting import now
from tests.cli.scene import ntfy, rows
from tests.support.daemon import daemon, run, write_agent
from tests.support.patience import until
from tests.support.system import linux_only

RUN = '[run]\ncommand = "true"\n'
GOOD = """
[[schedules]]
id = "daily"
daily = "08:30"
"""
SECRET = "s3cr3t-0123456789abcdef"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the doctor said, in JSON."""

    status: int
    data: Mapping[str, Any]

    @property
    def places(self) -> set[tuple[str, int | None, str | None, bool]]:
        """File (its last two steps), line, key path, and whether it is an error."""
        return {
            ("/".join(each["file"].split("/")[-2:]), each["line"], each["key"], each["error"])
            for each in self.data["problems"]
        }

    def words(self, *, key: str | None = None, file: str = "") -> str:
        """Every message and hint about a key or a file."""
        return "\n".join(
            f"{each['message']} {each['hint'] or ''}"
            for each in self.data["problems"]
            if each["key"] == key and file in each["file"]
        )


def doctor(
    home: Path, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Said:
    """Ask it. It never complains on stderr, and its two ways of speaking agree."""
    done = run(home, "doctor", "--json", *arguments, env=env, cwd=cwd)
    assert "" == done.stderr
    return Said(status=done.returncode, data=json.loads(done.stdout))


def manifest(home: Path, folder: str, text: str, root: str = "agents") -> Path:
    """Write a manifest as it is."""
    path = home / root / folder / "agent.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def tree(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything below ``folder``: mode, size, time of the last change, content."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns, data)
    return found


def rewrite(home: Path, sql: str) -> None:
    """Change the home's database behind its back."""
    with sqlite3.connect(home / "state" / "dotagent.db") as db:
        db.execute(sql)
    db.close()


# ------------------------------------------------------------------------------------- every file


def spoil(home: Path) -> None:
    """Every kind of bad file that there is, beside a good one."""
    if not (home / "agents" / "good").exists():
        write_agent(home, "good", GOOD)
    manifest(home, "bad-toml", '[agent]\nname = "x\n')
    manifest(
        home,
        "bad-type",
        f'[agent]\nname = "bad-type"\ntimeout = 5\n{RUN}args = "x"\n'
        '[[schedules]]\nid = "a"\nhours = [1, 25]\n',
    )
    notifier = f'[agent]\nname = "{{}}"\n{RUN}[[notifiers]]\n'
    manifest(home, "driver", notifier.format("driver") + 'driver = "slak"\n')
    manifest(
        home, "event", notifier.format("event") + 'driver = "ntfy"\ntopic = "t"\nevents = ["x"]\n'
    )
    manifest(home, "plugin", notifier.format("plugin") + 'driver = "plugin"\n')
    manifest(home, "twin", f'[agent]\nname = "good"\n{RUN}')
    manifest(home, "typo", f'[agent]\nname = "typo"\ntimout = "5m"\n{RUN}')
    manifest(home, "open", f'[agent]\nname = "open"\n{RUN}').chmod(0o666)
    (home / "config.toml").write_text("[daemon]\nmax_running = 0\n")
    (home / "secrets.env").write_text("1 = 2\n")
    (home / "secrets.env").chmod(0o600)


EVERYTHING = {
    ("bad-toml/agent.toml", 2, None, True),
    ("bad-type/agent.toml", 3, "agent.timeout", True),
    ("bad-type/agent.toml", 6, "run.args", True),
    ("bad-type/agent.toml", 9, "schedules[0].hours[1]", True),
    ("driver/agent.toml", 6, "notifiers[0].driver", True),
    ("event/agent.toml", 8, "notifiers[0].events[0]", True),
    ("plugin/agent.toml", 5, "notifiers[0].name", True),
    ("twin/agent.toml", 2, "agent.name", True),
    ("typo/agent.toml", 3, "agent.timout", False),
    ("open/agent.toml", None, None, True),
    ("home/config.toml", 2, "daemon.max_running", True),
    ("home/config.toml", None, None, False),
    ("home/secrets.env", None, None, True),
}


def test_every_problem_of_every_file_is_listed(home: Path) -> None:
    """Each with file, line and key path; one bad file hides nothing of another."""
    spoil(home)
    said = doctor(home)

    assert 1 == said.status
    assert EVERYTHING == said.places
    assert (11, 2) == (said.data["errors"], said.data["warnings"])
    assert "timeout" in said.words(key="agent.timout")
    assert "slack" in said.words(key="notifiers[0].driver")
    assert "chmod go-w" in said.words(file="open")


def test_people_read_the_same(home: Path) -> None:
    """Grouped by file, each problem in the form of compilers, the nearest name, and the sum."""
    spoil(home)
    said = run(home, "doctor")
    lines = said.stdout.splitlines()

    assert (1, "") == (said.returncode, said.stderr)
    assert "2 agents, 11 errors, 2 warnings" == lines[-1]
    for file, line, key, error in EVERYTHING:
        place = file if line is None else f"{file}:{line}"
        head = f"{place}: {'' if error else 'warning: '}{key or ''}"
        assert any(head.removeprefix("home") in each for each in lines), head
    at = next(at for at, line in enumerate(lines) if '"slak" is not a driver' in line)
    assert '    did you mean "slack"?' == lines[at + 1]
    assert "" == lines[at + 2]


def test_all_is_well(home: Path) -> None:
    """A good home has nothing to be said of it, and exit 0; that no daemon runs is no error."""
    write_agent(home, "good", GOOD)
    (home / "agents").chmod(0o700)
    said, strict = run(home, "doctor"), run(home, "doctor", "--strict")

    assert [(0, ""), (0, "")] == [(each.returncode, each.stderr) for each in (said, strict)]
    assert "1 agent, 0 errors, 0 warnings" == said.stdout.splitlines()[-1]
    assert "No daemon runs" in said.stdout


def test_strict_counts_warnings(home: Path) -> None:
    """An unknown key is a warning, and with --strict reason enough for exit 1."""
    manifest(home, "typo", f'[agent]\nname = "typo"\ntimout = "5m"\n{RUN}')

    assert 0 == doctor(home).status
    assert 1 == doctor(home, "--strict").status


def test_nothing_there_is_no_error(tmp_path: Path) -> None:
    """A home that was never used: the next step is named, and no home is made."""
    said = run(tmp_path / "none", "doctor", cwd=tmp_path)

    assert (0, "") == (said.returncode, said.stderr)
    assert "dotagent init" in said.stdout
    assert [] == os.listdir(tmp_path)


def test_no_agents_but_broken_secrets(home: Path) -> None:
    """What is wrong counts although there is no agent that it could hurt."""
    (home / "secrets.env").write_text("TOKEN=x\n")
    (home / "secrets.env").chmod(0o644)
    said = doctor(home)

    assert (1, 0) == (said.status, said.data["agents"])
    assert "chmod 600" in said.words(file="secrets.env")


# -------------------------------------------------------------------------- what manifests refer to


def test_what_is_referred_to_and_not_there(home: Path) -> None:
    """Commands, folders, interpreters, secrets, plugins: each at its own line, and no secret in
    what is said of them."""
    write_agent(home, "script", script="true")
    (home / "agents" / "script" / "run.sh").write_text("#!/no/such/shell\n")
    write_agent(home, "env", script="true")
    (home / "agents" / "env" / "run.sh").write_text("#!/usr/bin/env no-such-program\n")
    write_agent(home, "plain", script="true")
    (home / "agents" / "plain" / "run.sh").write_text("echo hello\n")
    (home / "secrets.env").write_text(f"HALF=x{SECRET}\n")
    (home / "secrets.env").chmod(0o600)
    manifest(
        home,
        "refs",
        """\
[agent]
name = "refs"
[run]
command = "no-such-program"
[env]
from_secrets = ["HALF", "API_KEY"]
[[preflight]]
plugin = "warp"
[[notifiers]]
driver = "slack"
webhook_url = "${SLACK}"
[[notifiers]]
driver = "slack"
webhook_url = "${HALF}"
[[notifiers]]
driver = "plugin"
name = "none"
[notifiers.config]
list = ["${FOO}", { text = "${BAR} ${BAZ" }]
[[notifiers]]
driver = "slack"
enabled = false
webhook_url = "${LATER}"
""",
    )
    manifest(home, "dir", f'[agent]\nname = "dir"\n{RUN}working_dir = "gone"\n')
    said = doctor(home)

    assert {
        ("script/agent.toml", 5, "run.command", True),
        ("env/agent.toml", 5, "run.command", True),
        ("plain/agent.toml", 5, "run.command", True),
        ("refs/agent.toml", 4, "run.command", True),
        ("refs/agent.toml", 6, "env.from_secrets[1]", True),
        ("refs/agent.toml", 8, "preflight[0].plugin", True),
        ("refs/agent.toml", 11, "notifiers[0].webhook_url", True),
        ("refs/agent.toml", 14, "notifiers[1].webhook_url", True),
        ("refs/agent.toml", 17, "notifiers[2].name", True),
        ("refs/agent.toml", 19, "notifiers[2].config.list[0]", True),
        ("refs/agent.toml", 19, "notifiers[2].config.list[1].text", True),
        ("dir/agent.toml", 5, "run.working_dir", True),
    } == said.places
    assert "127" in said.words(key="run.command", file="refs")
    assert "BAR" in said.words(key="notifiers[2].config.list[1].text")
    assert "no closing brace" in said.words(key="notifiers[2].config.list[1].text")
    assert SECRET not in json.dumps(said.data)


def test_addresses_in_the_clear(home: Path) -> None:
    """Certificates cannot be left unchecked; an address that goes around TLS is a warning at its
    key, also behind a name, but not on this machine itself, and without its words."""
    (home / "secrets.env").write_text(f"HOOK=http://hooks.example/{SECRET}\n")
    (home / "secrets.env").chmod(0o600)
    notifiers = [
        'driver = "ntfy"\ntopic = "t"\nbase_url = "http://ntfy.example"\n',
        'driver = "slack"\nwebhook_url = "${HOOK}"\n',
        'driver = "ntfy"\ntopic = "t"\nbase_url = "http://127.0.0.1:8080"\n',
        'driver = "ntfy"\ntopic = "t"\nbase_url = "https://ntfy.example"\n',
    ]
    write_agent(home, "a", "".join(f"[[notifiers]]\n{each}" for each in notifiers))
    said = doctor(home)

    assert {("notifiers[0].base_url", False), ("notifiers[1].webhook_url", False)} == {
        (key, fatal) for _, _, key, fatal in said.places
    }
    assert "plain http" in said.words(key="notifiers[0].base_url")
    assert SECRET not in json.dumps(said.data)


def test_where_the_shell_finds_it(home: Path, tmp_path: Path) -> None:
    """A command that only this shell knows is missing where agents run, and the shell's place is
    named. What ``install`` captured decides, not the shell."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "my-tool").write_text("#!/bin/sh\n")
    (tools / "my-tool").chmod(0o755)
    manifest(home, "tool", '[agent]\nname = "tool"\n[run]\ncommand = "my-tool"\n')
    shell = {"PATH": f"{tools}:{os.environ['PATH']}"}
    alone = doctor(home, env=shell)
    (home / "state").mkdir(mode=0o700)
    (home / "state" / "environment").write_bytes(b"PATH=/usr/bin:/bin\0")
    (home / "state" / "environment").chmod(0o600)
    captured = doctor(home, env=shell)

    assert (0, 1) == (alone.status, captured.status)
    assert f'command = "{tools}/my-tool"' in captured.words(key="run.command")


def test_the_daemons_environment_counts(home: Path, tmp_path: Path) -> None:
    """While a daemon runs it is its PATH that an agent gets."""
    (tmp_path / "my-tool").write_text("#!/bin/sh\n")
    (tmp_path / "my-tool").chmod(0o755)
    manifest(home, "tool", '[agent]\nname = "tool"\n[run]\ncommand = "my-tool"\n')
    with daemon(home) as running:
        said = doctor(home, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})

    assert ["run.command"] == [each["key"] for each in said.data["problems"]]
    assert f"process {running.pid}" in said.data["notes"][-1]


def test_what_this_version_lacks_is_a_warning(home: Path) -> None:
    """Limits that nobody enforces here."""
    write_agent(home, "limits", '[security]\nnetwork = "deny"\n')
    said = doctor(home)

    assert 0 == said.status
    assert [("security.network", False)] == [(key, error) for _, _, key, error in said.places]


# --------------------------------------------------------------------------------- names and roots


def test_twins_elsewhere_are_no_error(home: Path, tmp_path: Path) -> None:
    """What lies in ./agents is only run by hand: a second one of a name is worth a word, the same
    file by another way is not."""
    write_agent(home, "good", GOOD)
    write_agent(tmp_path, "good", GOOD)
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "agents").symlink_to(home / "agents")
    twin, same = doctor(home, cwd=tmp_path), doctor(home, cwd=linked)

    assert {("good/agent.toml", 2, "agent.name", False)} == twin.places
    assert any(str(tmp_path / "agents") in note for note in twin.data["notes"])
    assert (0, set()) == (same.status, same.places)


def test_a_root_that_is_gone(home: Path, tmp_path: Path) -> None:
    """One that never was is a warning; one whose agents are held is an error that names them."""
    write_agent(tmp_path, "far", GOOD, root="mount")
    env = {"DOTAGENT_ROOT": str(tmp_path / "mount")}
    never = doctor(home, env={"DOTAGENT_ROOT": str(tmp_path / "never")})
    run(home, "tick", env=env)
    (tmp_path / "mount").rename(tmp_path / "unmounted")
    gone = doctor(home, env=env)

    assert (0, 1) == (never.status, gone.status)
    assert "DOTAGENT_ROOT" in never.words(file="never")
    assert "far" in gone.words(file="mount")


def test_the_last_good_copy_is_said(home: Path) -> None:
    """A manifest that was broken later: its agent runs on, and that is said beside what is wrong;
    without its copy it does not, and that is worse."""
    path = write_agent(home, "good", GOOD) / "agent.toml"
    run(home, "tick")
    path.write_text(path.read_text() + "retries = \n")
    broken = doctor(home)
    (home / "state" / "manifests" / "good.toml").write_text("tampered")
    lost = doctor(home)

    assert {
        ("good/agent.toml", 10, None, True),
        ("good/agent.toml", None, None, False),
    } == broken.places
    assert "good keeps running on its last good copy" in broken.words(file="good")
    assert ("good/agent.toml", None, None, True) in lost.places
    assert 1 == lost.data["agents"]


# ------------------------------------------------------------------------------------ the home


def test_modes_and_owners(home: Path) -> None:
    """What is ours alone and open to others is an error where others can reach it, a warning where
    a closed folder keeps them out; the command that mends it is named."""
    write_agent(home, "good", GOOD)
    run(home, "tick")
    (home / "state" / "audit.jsonl").chmod(0o644)
    (home / "logs").chmod(0o755)
    said = doctor(home)

    assert {
        ("state/audit.jsonl", None, None, False),
        ("home/logs", None, None, True),
    } == said.places
    assert f"chmod 700 {home}/logs" in said.words(file="logs")


def test_a_home_that_others_write(home: Path) -> None:
    """Whoever can write the home can put a file of theirs in the place of any of ours."""
    home.chmod(0o777)

    assert "chmod go-w" in doctor(home).words(file="home")


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    """Said in words, with what to do."""
    (tmp_path / "home").write_text("")
    done = run(tmp_path / "home", "doctor", cwd=tmp_path)

    assert 1 == done.returncode
    assert "DOTAGENT_HOME" in done.stdout


def test_the_record_is_looked_at(home: Path) -> None:
    """A broken audit file, a parked channel, lost messages, a run that nobody makes, a database of
    the future: each is said, and none hides the others."""
    notifier = '[[notifiers]]\ndriver = "ntfy"\ntopic = "t"\nbase_url = "http://127.0.0.1:9"\n'
    write_agent(home, "good", GOOD + notifier)
    with daemon(home):
        until((home / "state" / "manifests" / "good.toml").exists, what="discovery")
    (home / "state" / "audit.jsonl").write_text("nonsense\n")
    rewrite(home, "UPDATE destinations SET parked_at = 1, parked_why = 'no such topic'")
    rewrite(home, "UPDATE destinations SET dead = 3, episode_at = 1")
    rewrite(home, "UPDATE schedules SET next_due_at = 1")
    said = doctor(home)
    rewrite(home, "PRAGMA user_version = 99")
    newer = doctor(home)

    assert 1 == said.status
    assert "dotagent audit verify" in said.words(file="audit.jsonl")
    assert "no such topic" in said.words(file="home")
    assert "3 messages to the channel “ntfy” (ntfy) were lost" in said.words(file="home")
    assert "a schedule is due" in said.words(file="home")
    assert "newer dotagent" in newer.words(file="dotagent.db")


def test_a_full_disk_is_said(home: Path) -> None:
    """A daemon that has no reserve any more starts nothing; its database cannot say so."""
    with daemon(home):
        paths = Paths(str(home))
        until(lambda: os.path.exists(paths.reserve), what="the reserve")
        later = now() + 2 * BEGINNING_MS
        before = examine(paths, os.environ, later, UTC).problems
        os.unlink(paths.reserve)
        (problem,) = examine(paths, os.environ, later, UTC).problems

    assert () == before
    assert problem.message.startswith("the disk is full: the daemon starts nothing")


@linux_only
def test_a_stopped_daemon_is_said(home: Path) -> None:
    """It starts nothing and tells nobody, and cannot say so; the next command lets it go on."""
    with daemon(home) as running:
        running.freeze(home)
        (problem,) = examine(Paths(str(home)), os.environ, now(), UTC).problems
        said = run(home, "status").stdout
        os.kill(running.pid, signal.SIGCONT)

    assert problem.message.startswith(f"daemon, process {running.pid}, is stopped")
    assert problem.hint == f"let it go on: kill -CONT {running.pid}"
    assert f"the daemon runs (pid {running.pid}), but is stopped: it starts nothing." in said
    assert f"Next: kill -CONT {running.pid}" in said


def test_a_daemon_that_hangs_is_said(home: Path) -> None:
    """Something is due, nothing is in its way, and whoever should does not begin with it."""
    write_agent(home, "good", GOOD)
    with daemon(home):
        paths = Paths(str(home))
        until(lambda: rows(home, "SELECT 1 FROM schedules WHERE next_due_at > 0"), what="its plan")
        before = examine(paths, os.environ, now(), UTC).problems
        late = now() + 2 * 86_400_000
        (problem,) = examine(paths, os.environ, late, UTC).problems

    assert () == before
    assert "a schedule is due since" in problem.message
    assert "has not started it" in problem.message


def test_a_daemon_that_died_is_said(home: Path) -> None:
    """Nobody acts, and the last who did went without a word."""
    write_agent(home, "good", GOOD)
    with daemon(home) as running:
        alive = doctor(home)
        running.stop(signal.SIGKILL)
    dead = doctor(home)

    assert set() == alive.places
    assert "The daemon runs" in alive.data["notes"][-1]
    assert "the last daemon ended without a word" in dead.words(file="home")


# ------------------------------------------------------------------------------- nothing is written


@pytest.mark.parametrize("state", ["never used", "used", "at work"])
def test_nothing_is_written(home: Path, state: str) -> None:
    """Not a file, not a byte, not a time: in a home that was never used, in one that was, and in
    one where a daemon is at work (it is stopped meanwhile, for it may write itself)."""
    write_agent(home, "good", GOOD)
    with ExitStack() as stack:
        if state == "used":
            run(home, "run-now", "good")
            rewrite(home, "PRAGMA wal_checkpoint(TRUNCATE)")  # put away as after a clean end
        if state == "at work":
            running = stack.enter_context(daemon(home))
            until(
                lambda: rows(home, "SELECT 1 FROM schedules WHERE planned_through IS NOT NULL"),
                what="the first plan",
            )
            running.freeze(home)
        else:
            spoil(home)
        before = tree(home)
        said = doctor(home)
        after = tree(home)
    for seen in (before, after):
        seen.pop(str(home / "state" / "dotagent.db-shm"), None)  # SQLite's table of its readers

    assert said.places or state == "at work"
    assert before == after


def test_traces_are_not_sent(home: Path) -> None:
    """Who configured them for dotagent 0.1.x hears that none come, and what there is instead."""
    (home / "config.toml").write_text('[telemetry]\notlp_endpoint = "http://127.0.0.1:4317"\n')
    said = run(home, "doctor")

    assert 0 == said.returncode
    assert "telemetry.otlp_endpoint: traces are not sent; there are metrics" in said.stdout


def test_a_channel_that_hears_of_everything(home: Path) -> None:
    """Without ``events`` a global channel gets a message for each success of each agent, which
    nobody expects of it; one whose reader is a program may want just that."""
    people = ntfy("http://127.0.0.1:9") + ntfy("http://127.0.0.1:9", "few", '"given_up"')
    program = '[[notifiers]]\ndriver = "webhook"\nurl = "http://127.0.0.1:9"\n'
    (home / "config.toml").write_text(people + program)
    said = doctor(home)
    text = said.words(key="notifiers[0]")

    assert {("notifiers[0]", False)} == {(key, fatal) for _, _, key, fatal in said.places if key}
    assert "a message for every run that succeeds" in text


def test_a_plugin_of_old_that_is_not_rebuilt_is_named(home: Path) -> None:
    """Another project has its binary; a hook that a driver stands in for lacks nothing."""
    hooks = '[[on_success]]\nplugin = "sink-roam"\nconfig = { page = "today" }\n'
    for name in ("desktop", "imessage", "slack", "ntfy", "pushover"):
        hooks += f'[[on_failure]]\nplugin = "notify-{name}"\n'
    write_agent(home, "old", hooks)
    said = doctor(home)

    assert "install its binary" in said.words(key="on_success[0].plugin")
    assert ["on_success[0].plugin"] == [key for _, _, key, fatal in said.places if fatal]


def test_keys_without_effect(home: Path) -> None:
    """A way through the network is a warning where the driver takes none of ours."""
    channels = {
        "desktop": "",
        "imessage": 'to = "+49 30 1"\n',
        "inbox": "",
        "plugin": 'name = "sink"\n',
        "apprise": 'url = "json://apprise.example"\n',
        "ntfy": 'topic = "t"\n',
    }
    own = 'proxy = "http://proxy.example:3128"\nca_file = "/etc/ssl/own.pem"\n'
    text = "".join(
        f'[[notifiers]]\ndriver = "{driver}"\n{keys}{own}' for driver, keys in channels.items()
    )
    (home / "config.toml").write_text(text)
    said = doctor(home)

    useless = [each for each in said.data["problems"] if "makes no use of" in each["message"]]
    assert [f"notifiers[{at}].{key}" for at in range(5) for key in ("proxy", "ca_file")] == [
        each["key"] for each in useless
    ]
    assert not any(each["error"] for each in useless)
