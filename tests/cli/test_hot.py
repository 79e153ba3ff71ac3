"""The hot commands as people run them: quick to load, and right about any home.

Everything here is ``python -m dotagent`` in a process of its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sqlite3
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dotagent import __version__
from dotagent.cli.hot import answer
from dotagent.store import migrations
from dotagent.system import lock
from dotagent.system.paths import Paths
from tests.cli.scene import rows
from tests.support.daemon import write_agent
from tests.support.home import Past, daily, route

HOT = (["--version"], ["-V"], ["status"], ["status", "--json"])
SLOW = frozenset(
    {
        "aiohttp",
        "asyncio",
        "attr",
        "cattrs",
        "click",
        "dataclasses",
        "dotagent.app",
        "dotagent.core.model",
        "enum",
        "inspect",
        "json",
        "logging",
        "pathlib",
        "re",
        "rich",
        "tomli",
        "typing",
        "zoneinfo",
    }
)
"""Nothing of this may be loaded."""


def dotagent(
    *arguments: str, home: Path | str, flags: tuple[str, ...] = (), **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the program on ``home`` with an environment of its own."""
    return subprocess.run(
        [sys.executable, *flags, "-m", "dotagent", *arguments],
        env={"PATH": os.defpath, "DOTAGENT_HOME": str(home), "TZ": "UTC", "LANG": "C.UTF-8", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def lived_in(folder: Path) -> Past:
    """A home with agents, failures, messages that wait, and text that is not ASCII."""
    past = Past(folder, "2021-03-28 08:00")
    past.agent("disk-alert", {"daily": daily("08:30")}, routes=[route("слак")], max_attempts=1)
    past.agent("büro", {"daily": daily("09:00")})
    past.finish(past.start("08:30"), 0, unmet="\x1b[31mno report\x1b[0m — ни одного")
    past.succeed("09:00", "09:01")
    past.go("10:00")
    past.end()
    past.close()
    return past


@pytest.fixture(params=["empty", "lived in"])
def any_home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A home in which nothing has run yet, and one in which much has; a daemon holds both."""
    folder = tmp_path / "home"
    if request.param == "lived in":
        lived_in(folder)
    (folder / "state").mkdir(parents=True, exist_ok=True)
    held = lock.take(Paths(str(folder)).lock, "daemon", os.getpid(), 1_616_918_400_000)
    yield folder
    held.release()


def test_closed_streams(tmp_path: Path) -> None:
    """Who wants to hear nothing gets the work done, and the same exit status."""
    home = tmp_path / "home"
    write_agent(home, "a", '[[schedules]]\nid = "s"\ndaily = "08:30"\n')
    command = f"{sys.executable} -m dotagent"
    env = {"PATH": os.defpath, "DOTAGENT_HOME": str(home), "LANG": "C.UTF-8"}
    ended = [
        subprocess.run(["sh", "-c", f"{command} {words} {closed}"], env=env, capture_output=True)
        for words in ("run-now a", "status", "why nosuch")
        for closed in (">&-", "2>&-", "<&- >&- 2>&-")
    ]

    assert [0, 0, 0, 0, 0, 0, 4, 4, 4] == [each.returncode for each in ended]
    assert not any(b"Traceback" in each.stderr for each in ended)
    assert [("succeeded",)] * 3 == rows(home, "SELECT verdict FROM attempts")


# ----------------------------------------------------------------------------------------- loading


@pytest.mark.parametrize("arguments", HOT, ids=" ".join)
def test_nothing_slow_is_loaded(arguments: list[str], any_home: Path) -> None:
    """No framework, no records, no regular expressions: not even for text with colours in it."""
    done = dotagent(*arguments, home=any_home, flags=("-X", "importtime"))
    loaded = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))

    assert 0 == done.returncode
    assert "dotagent.cli.hot" in loaded
    assert set() == loaded & SLOW


@pytest.mark.parametrize(
    "arguments",
    [[], ["status", "--help"], ["status", "x"], ["--json", "status"], ["why"], ["--version", "-V"]],
)
def test_the_rest_is_for_others(arguments: list[str]) -> None:
    """Anything but the exact hot commands goes on to the full command line."""
    assert answer(arguments) is None


# --------------------------------------------------------------------------------------- answering


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version(flag: str, tmp_path: Path) -> None:
    """The name and the number."""
    done = dotagent(flag, home=tmp_path)

    assert (0, f"dotagent {__version__}\n") == (done.returncode, done.stdout)


def test_a_home_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """It says what to do next, and leaves nothing behind."""
    done = dotagent("status", home=tmp_path / "home")

    assert (
        "No agents yet, and no daemon runs.\n\n"
        "Next: dotagent connect, or see it at work first: dotagent demo\n"
    ) == done.stdout
    assert (0, []) == (done.returncode, list(tmp_path.iterdir()))


def test_a_config_that_nobody_has_read(tmp_path: Path) -> None:
    """Where dotagent never ran, ``connect`` would refuse a broken config.toml: the next step is
    what says how it stands. One that was read and is right is no reason to go there."""
    (tmp_path / "config.toml").write_text("not = [toml")
    never_ran = dotagent("status", home=tmp_path)
    refused = dotagent("connect", "--driver", "inbox", "--yes", home=tmp_path)
    dotagent("tick", home=tmp_path)
    still = dotagent("status", home=tmp_path)
    (tmp_path / "config.toml").write_text("[daemon]\nmax_running = 3\n")
    dotagent("tick", home=tmp_path)
    mended = dotagent("status", home=tmp_path)

    nexts = [done.stdout.splitlines()[-1] for done in (never_ran, still, mended)]
    assert 0 != refused.returncode
    assert [
        "Next: dotagent doctor",
        "Next: dotagent doctor",
        "Next: dotagent connect, or see it at work first: dotagent demo",
    ] == nexts


def test_agents_that_nobody_has_looked_at_are_counted(tmp_path: Path) -> None:
    """In the home and in the roots of the environment: the next step is the daemon."""
    for folder in ("home/agents/a", "home/agents/b", "home/agents/empty", "elsewhere/c"):
        (tmp_path / folder).mkdir(parents=True)
        if not folder.endswith("empty"):
            (tmp_path / folder / "agent.toml").touch()
    roots = f"{tmp_path}/elsewhere:{tmp_path}/nowhere:"
    done = dotagent("status", home=tmp_path / "home", DOTAGENT_ROOT=roots)

    assert (
        "3 agents not looked at yet, and no daemon runs.\n\nNext: dotagent daemon\n" == done.stdout
    )


def test_status_says_what_the_record_says(tmp_path: Path) -> None:
    """Text and data agree; whether a daemon lives is asked of the lock."""
    past = lived_in(tmp_path / "home")
    dead = dotagent("status", home=past.paths.home).stdout
    held = lock.take(past.paths.lock, "daemon", os.getpid(), 1_616_918_400_000)
    Path(past.paths.reserve).touch()
    alive = dotagent("status", home=past.paths.home).stdout
    data = json.loads(dotagent("status", "--json", home=past.paths.home).stdout)
    held.release()
    runs = (
        f"1 of 2 schedules is failing; the daemon runs (pid {os.getpid()}), but does not start what"
        " is due."
    )

    assert dead.startswith("No daemon runs: nothing is started on schedule; 1 of 2 schedules")
    assert alive.replace("\n", " ").startswith(runs)
    assert "disk-alert/daily" in alive
    assert "no report — ни одного" in alive
    assert {"pid": os.getpid(), "since": "2021-03-28T08:00:00+0000"} == data["daemon"]
    assert runs == data["verdict"]
    assert (past.paths.home, None) == (data["home"], data["last_tick"])
    assert {
        "agents": 2, "notifiers": 1, "bad_manifests": 0, "schedules": 2, "failing": 1,
        "degraded": 0, "new": 0, "skipped": 0, "held": 0, "unstarted": 2,
    } == data["counts"]  # fmt: skip
    assert ["büro", "disk-alert"] == [row["agent"] for row in data["schedules"]]
    assert data["schedules"][1]["reason"] == "gave up: exit 0, but no report — ни одного"
    assert ["слак"] == [row["name"] for row in data["channels"]]


def test_times_are_those_of_the_machine(tmp_path: Path) -> None:
    """In its zone, in text and in data."""
    past = lived_in(tmp_path / "home")
    done = dotagent("status", "--json", home=past.paths.home, TZ="Europe/Berlin")
    last = json.loads(done.stdout)["schedules"][0]["last_success"]

    assert "2021-03-28T11:01:00+0200" == last


def test_dotagent_alone_is_a_short_status(tmp_path: Path) -> None:
    """The verdict, what fails, the next step; not the help."""
    past = lived_in(tmp_path / "home")
    done = dotagent(home=past.paths.home)

    assert (
        "No daemon runs: nothing is started on schedule; 1 of 2 schedules is failing.\n"
        "  disk-alert/daily  gave up: exit 0, but no report — ни одного\n"
        "Next: dotagent daemon\n"
    ) == done.stdout
    assert 0 == done.returncode


def test_status_has_its_help(tmp_path: Path) -> None:
    """With an example; without looking at the home."""
    done = dotagent("status", "--help", home=tmp_path / "home")

    assert "dotagent status --json | jq" in done.stdout
    assert 0 == done.returncode


# --------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], []])
def test_a_home_that_is_a_file(arguments: list[str], tmp_path: Path) -> None:
    """Refused with what lies there and what to do."""
    (tmp_path / "home").touch()
    done = dotagent(*arguments, home=tmp_path / "home")

    assert (3, "") == (done.returncode, done.stdout)
    assert (
        f"dotagent: the home cannot be looked into ({tmp_path}/home/state/dotagent.db: Not a"
        " directory)\n  Check what lies there, or set DOTAGENT_HOME to another folder.\n"
    ) == done.stderr


def spoil(path: str, **pragmas: int) -> None:
    """Set the schema's number."""
    with sqlite3.connect(path) as db:
        for name, value in pragmas.items():
            db.execute(f"PRAGMA {name} = {value}")
    db.close()


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An older dotagent does not guess what a newer one has written."""
    past = lived_in(tmp_path / "home")
    spoil(past.paths.database, user_version=migrations.LATEST + 1)
    done = dotagent("status", home=past.paths.home)

    assert (3, "") == (done.returncode, done.stdout)
    assert "was made by a newer dotagent" in done.stderr
    assert "Upgrade dotagent" in done.stderr


def test_an_older_schema_names_what_brings_it_up_to_date(tmp_path: Path) -> None:
    """Looking does not migrate; a database that is just being made counts as none."""
    past = lived_in(tmp_path / "home")
    spoil(past.paths.database, user_version=-1)
    older = dotagent("status", home=past.paths.home)
    spoil(past.paths.database, user_version=0)
    fresh = dotagent("status", home=past.paths.home)

    assert 3 == older.returncode
    assert "was made by an older dotagent" in older.stderr
    assert "dotagent tick" in older.stderr
    assert (0, "No agents yet, and no daemon runs.") == (
        fresh.returncode,
        fresh.stdout.splitlines()[0],
    )


@pytest.mark.parametrize("damage", ["header", "pages"])
def test_a_damaged_database_is_refused(damage: str, tmp_path: Path) -> None:
    """Whether it shows at once or only as it is read; it is left as it is."""
    past = lived_in(tmp_path / "home")
    path = Path(past.paths.database)
    data = path.read_bytes()
    whole = data[:100] if damage == "pages" else b"no database at all, but text".ljust(100)
    path.write_bytes(whole + b"\xff" * (len(data) - 100))
    done = dotagent("status", home=past.paths.home)

    assert (3, "") == (done.returncode, done.stdout)
    assert "is damaged" in done.stderr
    assert "Start the daemon: it sets the damaged file aside" in done.stderr
    assert whole == path.read_bytes()[:100]


# --------------------------------------------------------------------------------------- terminals


def test_a_reader_that_went_away_is_no_failure_worth_a_word(tmp_path: Path) -> None:
    """As with ``dotagent status | true``: no traceback, the status a shell shows for SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    for arguments in ([], ["--version"], ["status"], ["status", "--json"], ["inbox"]):
        done = subprocess.run(
            [sys.executable, "-m", "dotagent", *arguments],
            env={"PATH": os.defpath, "DOTAGENT_HOME": str(tmp_path / "home")},
            stdout=writing,
            stderr=subprocess.PIPE,
        )
        assert (141, b"") == (done.returncode, done.stderr)
    os.close(writing)


def on_terminal(columns: int, home: str, env: Mapping[str, str]) -> str:
    """What ``dotagent status`` writes to a terminal that is so wide."""
    main, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    subprocess.run(
        [sys.executable, "-m", "dotagent", "status"],
        env={"PATH": os.defpath, "DOTAGENT_HOME": home, "TERM": "xterm", **env},
        stdin=subprocess.DEVNULL,
        stdout=terminal,
    )
    os.close(terminal)
    written = b""
    try:
        while chunk := os.read(main, 65536):
            written += chunk
    except OSError:
        pass  # Linux: what a terminal's main side reads once the other is closed
    os.close(main)
    return written.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_its_own_width(tmp_path: Path) -> None:
    """A narrow one is not overrun; whoever wants no colours gets none; a pipe never does."""
    past = lived_in(tmp_path / "home")
    home = past.paths.home
    narrow = on_terminal(40, home, {})
    plain = re.sub(r"\x1b\[[0-9;]*m", "", narrow)

    assert "\x1b[31m" in narrow
    assert 40 >= max(len(line) for line in plain.splitlines())
    assert "  disk-alert/daily\n    gave up: exit 0" in plain
    assert plain == on_terminal(40, home, {"NO_COLOR": "1"})
    assert plain == on_terminal(40, home, {"TERM": "dumb"})
    assert "\x1b" not in dotagent("status", home=home).stdout
