"""Every ``--json`` is what its schema in docs/reference/json says: no key more, none less."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from jsonschema import Draft202012Validator

from dotagent.cli.main import run as run_here
from tests.cli.busy import busy
from tests.cli.scene import DAILY, PLUGIN, Gate, ntfy, rows
from tests.cli.test_main import EVERY
from tests.support import schemas
from tests.support.daemon import daemon, run, start, write_agent
from tests.support.home import Past
from tests.support.http_server import StrictServer
from tests.support.patience import until
from tests.support.serving import serving

PRINTS = {
    "-".join(names)
    for names, command in EVERY.items()
    if any(isinstance(each, click.Option) and "--json" in each.opts for each in command.params)
}
"""The commands that have ``--json``, as their schemas are called."""
LOOKS = {
    "status": ["status"],
    "next": ["next"],
    "why": ["why", "disk-alert"],
    "history": ["history"],
    "inspect": ["inspect", "disk-alert"],
    "inbox": ["inbox"],
    "deliveries-list": ["deliveries"],
    "deliveries-show": ["deliveries", "show", "1"],
    "silence-list": ["silence", "--all"],
    "audit-verify": ["audit", "verify"],
    "plugin-list": ["plugin", "list"],
    "doctor": ["doctor"],
}
ACTS = {
    "run-now": ["run-now", "a"],
    "pause": ["pause", "a", "--for", "1h", "--reason", "because"],
    "resume": ["resume", "a"],
    "skip": ["skip", "a", "--reason", "because"],
    "silence-add": ["silence", "add", "a", "--for", "1h", "--reason", "because"],
    "silence-end": ["silence", "end", "1"],
    "ack": ["ack", "bad"],
    "daily-summary": ["daily-summary"],
    "notify-test": ["notify", "test", "a"],
    "tick": ["tick"],
    "deliveries-retry": ["deliveries", "retry", "1"],
    "audit-tail": ["audit", "tail", "-n", "1"],
    "plugin-invoke": ["plugin", "invoke", "mine", '{"kind": "notify", "message": "hello"}'],
    "plugin-check": ["plugin", "check", "dotagent-plugin-mine"],
}
ELSEWHERE = {"stop", "deliveries-cancel", "reload"}
"""Those that need something to be under way: the last test here."""


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Past]:
    """A home in which a little of everything has happened, is under way, or is to come."""
    made = busy(tmp_path / "home")
    monkeypatch.setenv("DOTAGENT_HOME", made.paths.home)
    monkeypatch.setenv("DOTAGENT_ROOT", str(tmp_path / "nowhere"))
    yield made
    made.close()


def told(text: str, name: str) -> list[str]:
    """What is wrong with an output; of the record, line by line."""
    lines = text.splitlines() if name == "audit-tail" else [text]
    return [flaw for line in lines for flaw in schemas.flaws(name, json.loads(line))]


# --------------------------------------------------------------------------------------- in general


def test_every_json_has_a_schema_and_a_test() -> None:
    """A command that learns ``--json`` needs both."""
    assert PRINTS == schemas.names()
    assert PRINTS == set(LOOKS) | set(ACTS) | ELSEWHERE


@pytest.mark.parametrize("name", [*sorted(schemas.names()), schemas.COMMON])
def test_schemas_are_schemas(name: str) -> None:
    """JSON Schema 2020-12, named as the file is, with the call that it is about."""
    found = schemas.schema(name)
    Draft202012Validator.check_schema(found)

    assert f"{name}{schemas.ENDING}" == found["$id"]
    assert name == schemas.COMMON or found["title"].startswith(f"dotagent {name.split('-')[0]}")


@pytest.mark.parametrize("name", sorted(schemas.names()))
def test_schemas_are_strict(name: str) -> None:
    """What is not described is refused: the schema is the whole description."""
    assert schemas.flaws(name, {"what": "nobody knows"})
    assert schemas.flaws(name, [{"what": "nobody knows"}])


# ------------------------------------------------------------------------------------------- looks


@pytest.mark.parametrize("name", LOOKS)
def test_looking(past: Past, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Over a record that holds a little of everything, and with what a foreign text could hide."""
    run_here([*LOOKS[name], "--json"])
    text = capsys.readouterr().out

    assert [] == told(text, name)
    assert "\x1b" not in text


def test_looking_at_each_run(past: Past, capsys: pytest.CaptureFixture[str]) -> None:
    """A day of several runs, a manual run, what is to come, what never was."""
    asked = (
        ["why", "sync", "2021-03-28"],
        ["why", "sync", "2021-03-29"],
        ["why", "backup"],
        ["why", "old"],
        ["why", "disk-alert", "2021-03-01"],
        ["inspect", "backup"],
        ["inspect", "old"],
    )
    found = []
    for call in asked:
        run_here([*call, "--json"])
        found += told(capsys.readouterr().out, call[0])

    assert [] == found


@pytest.mark.parametrize("name", ["status", "history", "inbox", "deliveries-list", "doctor"])
def test_a_fresh_home(
    tmp_path: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where nothing was ever recorded the shape is the same, and empty."""
    monkeypatch.setenv("DOTAGENT_HOME", str(tmp_path / "fresh"))
    run_here([*LOOKS[name], "--json"])

    assert [] == told(capsys.readouterr().out, name)


# -------------------------------------------------------------------------------------------- acts


def test_acting(home: Path) -> None:
    """Each command that does something, one after the other, on one home."""
    plugin = home / "plugins" / "dotagent-plugin-mine"
    plugin.parent.mkdir()
    plugin.write_text(PLUGIN)
    plugin.chmod(0o700)
    env = {"DOTAGENT_PLUGIN_PATH": str(plugin.parent)}
    outputs = {}
    with serving(StrictServer()) as server:
        write_agent(home, "a", DAILY + ntfy(server.url))
        write_agent(home, "bad", DAILY, script="echo out; exit 2")
        failed = run(home, "run-now", "bad", "--json", env=env)
        for name, call in ACTS.items():
            done = run(home, *call, "--json", env=env, cwd=plugin.parent)
            assert "Traceback" not in done.stderr
            outputs[name] = (done.stdout, done.stderr)
    flawed = {
        name: told(out, name) if out else [err]
        for name, (out, err) in outputs.items()
        if not out or told(out, name)
    }

    assert {} == flawed
    assert [] == told(failed.stdout, "run-now")


def test_rehearsing(
    past: Past, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is only shown has its shape too, in a home with a past and in a fresh one."""
    monkeypatch.delenv("DOTAGENT_ROOT")
    for home in (past.paths.home, f"{past.paths.home}-fresh"):
        monkeypatch.setenv("DOTAGENT_HOME", home)
        for name in ("tick", "daily-summary"):
            run_here([name, "--dry-run", "--json"])
            assert [] == told(capfd.readouterr().out, name)


def test_acting_on_what_is_under_way(home: Path) -> None:
    """A run that is stopped, a file that is refused, a message that is cancelled while it waits."""
    folder = write_agent(home, "slow", DAILY, script="cat gate")
    gate = Gate(folder)
    write_agent(home, "loud", DAILY + ntfy("http://127.0.0.1:9"), script="exit 2")
    with daemon(home):
        with start(home, "run-now", "slow") as running:
            spawned = "SELECT 1 FROM attempts WHERE spawned_at IS NOT NULL"
            until(lambda: rows(home, spawned), what="the run to begin")
            stopped = run(home, "stop", "slow", "--json")
            running.communicate()
        (folder / "agent.toml").write_text("[agent]\n")
        again = run(home, "reload", "--json")
        run(home, "run-now", "loud")
        cancelled = run(home, "deliveries", "cancel", "1", "--reason", "because", "--json")

    assert gate.path.exists()
    assert [] == told(stopped.stdout, "stop")
    assert [] == told(again.stdout, "reload")
    assert [str(folder / "agent.toml")] == [p["what"] for p in json.loads(again.stdout)["problems"]]
    assert [] == told(cancelled.stdout, "deliveries-cancel")
    assert "cancelled" == json.loads(cancelled.stdout)[0]["state"]
