"""Every command on paper: what it prints at 80 and at 40 columns, without a terminal and with one.

Each has its files under ``golden``; a new command without them is noticed. What differs from day to
day and machine to machine (instants, spans, paths, numbers of processes) is masked by letters of
the same width.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dotagent.cli.main import COMMANDS, HIDDEN
from dotagent.cli.main import run as run_here
from tests.cli.busy import busy
from tests.cli.golden import FOLDER, check_golden
from tests.cli.scene import DAILY, PLUGIN, ntfy, on_terminal
from tests.support.daemon import write_agent
from tests.support.http_server import StrictServer
from tests.support.serving import serving

WIDTHS = (80, 40)
SHOWN_HOME = "/home/ann/.config/dotagent"
"""As long as the real one is."""
LOOKS = {
    "status": ["status"],
    "next": ["next", "-n", "3"],
    "why": ["why", "disk-alert"],
    "history": ["history"],
    "inspect": ["inspect", "disk-alert"],
    "inbox": ["inbox", "-n", "5"],
    "deliveries": ["deliveries", "--limit", "5"],
    "deliveries-show": ["deliveries", "show", "1"],
    "silence-list": ["silence", "--all"],
    "list-agents": ["_list-agents"],
    "logs": ["logs"],
    "plugin-list": ["plugin", "list"],
}
ACTS = {
    "bootstrap": ["bootstrap"],
    "init": ["init", "first"],
    "add": ["add", "second", "--daily", "08:30", "--", "/bin/true"],
    "tick": ["tick"],
    "run": ["run", "bad"],
    "run-now": ["run-now", "a"],
    "pause": ["pause", "a", "--for", "1h", "--reason", "new disk"],
    "resume": ["resume", "a"],
    "skip": ["skip", "a", "--reason", "new disk"],
    "silence": ["silence", "add", "a", "--for", "1h", "--reason", "new disk"],
    "silence-end": ["silence", "end", "1"],
    "run-now-failed": ["run-now", "bad"],
    "ack": ["ack", "bad", "--reason", "new disk"],
    "stop": ["stop", "a"],
    "reload": ["reload"],
    "daily-summary": ["daily-summary"],
    "deliveries-retry": ["deliveries", "retry", "1"],
    "plugin": ["plugin", "check", "dotagent-plugin-mine"],
    "audit": ["audit", "verify"],
    "audit-tail": ["audit", "tail", "-n", "2"],
    "doctor": ["doctor"],
}
WRAPPED = {"silence", "silence-end", "deliveries-retry"}
"""Of these acts the lines break at instants and spans, whose width is not that of every day: the
words are compared, and that they fit."""
ELSEWHERE = {
    "completions": "tests/cli/test_completions.py: what a shell makes of it is what counts",
    "connect": "tests/cli/test_connect.py: a talk, with what is asked and answered",
    "notify": "tests/cli/test_notify.py: its lines are those of deliveries",
    "demo": "tests/cli/test_demo.py: runs for seconds, and its words are of its own scene",
    "daemon": "tests/cli/test_daemon.py: says one line, and runs until it is stopped",
    "install": "tests/cli/test_install.py: needs a service manager of the test",
    "uninstall": "tests/cli/test_install.py: the same",
}
"""What does not print a page, and where its words are held."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder to be a home, at a path that is always as long."""
    made = tempfile.mkdtemp(prefix="dotagent-gold", dir="/tmp")
    yield Path(made)
    shutil.rmtree(made)


def masked(text: str, home: Path) -> str:
    """The same on every machine."""
    assert len(SHOWN_HOME) == len(str(home))
    return re.sub(r"/\S+/dotagent-plugin-", "dotagent-plugin-", text.replace(str(home), SHOWN_HOME))


def masked_times(text: str) -> str:
    """And on every day."""
    for pattern, shown in (
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", "<instant>"),
        (r"(tomorrow )?(at |on )?((Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?\b\d\d:\d\d(:\d\d)?\b", "<time>"),
        (r"((Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d [A-Z][a-z]{2} |tomorrow )<time>", "<time>"),
        (r"\b\d+(\.\d+)? (ms|s|min)\b( \d+ s)?", "<span>"),
        (r"\b\d+ entries", "<count> entries"),
        (r"(?m)^\d+ (?=<time> \S+/)", "<number> "),  # of a message: as many as came before it
    ):
        text = re.sub(pattern, shown, text)
    return text


def test_every_command_is_on_paper() -> None:
    """A command that nobody has read at 40 columns is noticed; no file stays that nobody checks."""
    first = {name.partition("-")[0] for name in (*LOOKS, *ACTS)} | {"run-now", "daily-summary"}
    named = first | set(LOOKS) | set(ACTS) | set(ELSEWHERE)

    assert set() == (set(COMMANDS) | {"list-agents"}) - named
    assert {"_list-agents"} == set(HIDDEN)
    for name in (*LOOKS, *ACTS):
        assert [] == [w for w in WIDTHS if not (FOLDER / f"page-{name}-{w}.txt").exists()]


@pytest.mark.parametrize("width", WIDTHS)
def test_looking(
    folder: Path,
    width: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Over a home in which a little of everything has happened."""
    busy(folder).close()
    logs = folder / "logs" / "agents" / "sync"
    logs.mkdir(parents=True)
    (logs / "sync.log").write_text("one\n\x1b[31mtwo\n")
    monkeypatch.setenv("DOTAGENT_HOME", str(folder))
    monkeypatch.setenv("DOTAGENT_ROOT", "/nowhere")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("PATH", "/nowhere")
    for name, call in LOOKS.items():
        run_here(call)
        check_golden(f"page-{name}-{width}", masked(capfd.readouterr().out, folder))


@pytest.mark.parametrize("width", WIDTHS)
def test_acting(
    folder: Path,
    width: int,
    signals: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """One after the other on one home, as a person would on a day of trouble."""
    monkeypatch.setenv("DOTAGENT_HOME", str(folder))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(folder)
    (folder / "dotagent-plugin-mine").write_text(PLUGIN)
    (folder / "dotagent-plugin-mine").chmod(0o700)
    with serving(StrictServer()) as server:
        write_agent(folder, "a", DAILY + ntfy(server.url), script="echo all is well")
        write_agent(folder, "bad", DAILY + ntfy(server.url), script="echo no space >&2; exit 3")
        for name, call in ACTS.items():
            status = run_here(call)
            said = capfd.readouterr()
            if name in WRAPPED:
                assert width >= max(len(line) for line in said.out.splitlines())
                said = said._replace(out=" ".join(said.out.split()) + "\n")
            shown = f"{said.out}--- standard error, exit {status}\n{said.err}"
            check_golden(f"page-{name}-{width}", masked_times(masked(shown, folder)))


# ------------------------------------------------------------------------------------- a terminal


@pytest.mark.parametrize("name", ["status", "why", "history", "inbox"])
def test_on_a_terminal(folder: Path, name: str) -> None:
    """In colours; with NO_COLOR exactly what stands without a terminal."""
    busy(folder).close()
    painted = on_terminal(folder, LOOKS[name], DOTAGENT_ROOT="/nowhere")
    plain = on_terminal(folder, LOOKS[name], DOTAGENT_ROOT="/nowhere", NO_COLOR="1")

    check_golden(f"page-{name}-terminal", masked(painted, folder))
    assert (FOLDER / f"page-{name}-80.txt").read_text() == masked(plain, folder)
