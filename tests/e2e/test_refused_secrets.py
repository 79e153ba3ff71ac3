"""While secrets.env is refused nobody knows all that somebody may have been given: what can be read
of it is masked, and what plugins say is withheld, with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.home import Home
from tests.plugins.scripts import bash
from tests.support.patience import until

INSIDE, BEFORE, BROKEN = "value-of-now-4711", "value-of-before-42", "value/of/half a line"
WHY = "withheld: secrets.env is refused, so what it holds cannot be masked"
SAID = f"{INSIDE} {BEFORE}"
LOUD = f"""
echo {SAID} >&2
case $1 in
info) echo '{{"name":"loud","version":"{BEFORE}","kinds":["notify","preflight"]}}'; exit;;
*) echo '{{"ok":OK,"error":"{SAID}","suggest":"{SAID}","more":"{SAID}"}}'; exit 3;;
esac
"""
GARBAGE = f"echo {SAID}; echo {SAID} >&2"
HOOK = '[[on_success]]\nplugin = "garbage"\n'
BLOCKED = '[[preflight]]\nplugin = "loud"\n'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An agent that reads the file itself, one that a plugin blocks; and the plugin knows more."""
    home = Home(tmp_path / "home")
    bash(home.path / "plugins", LOUD.replace("OK", "false"), "loud")
    bash(home.path / "plugins", GARBAGE, "garbage")
    home.agent("reads", HOOK, f'cat "$HOME/secrets.env"; echo "{BROKEN}" >&2')
    home.agent("blocked", BLOCKED)
    home.secrets(API=INSIDE, half=f'"{BROKEN}')
    return home


def kept(home: Home) -> str:
    """All that dotagent has written, but for its copies of what the user wrote."""
    files = [*(home.path / "logs").rglob("*"), *(home.path / "state").glob("*")]
    return "".join(path.read_text("latin-1") for path in files if path.is_file())


def test_nothing_of_it_gets_out(home: Home) -> None:
    """Not by an agent that reads it, nor by a plugin that was given another value before."""
    said = [
        home.run(*words)
        for words in (
            ["run-now", "reads"],
            ["run-now", "blocked"],
            ["status"],
            ["doctor"],
            ["plugin", "list"],
            ["plugin", "invoke", "loud", "{}", "--json"],
            ["plugin", "check", str(home.path / "plugins" / "dotagent-plugin-loud")],
        )
    ]
    shown = "".join(each.stdout + each.stderr for each in said)
    everything = kept(home) + shown

    assert [] == [value for value in (INSIDE, BEFORE, BROKEN) if value in everything]
    assert "[redacted]" in home.run("logs", "reads").stdout


def test_why_is_said_in_its_place(home: Home) -> None:
    """Outcome, exit code and attempts count as ever: only the words are gone."""
    home.run("run-now", "reads")
    home.run("run-now", "blocked")
    sends = home.values("SELECT why FROM sends")
    blocked = home.values("SELECT facts FROM events WHERE kind = 'preflight'")
    invoked = json.loads(home.run("plugin", "invoke", "loud", "{}", "--json").stdout)

    said = f"its answer is not JSON: {WHY}; it may have been stored, so it is not sent again"
    assert [said] == sends
    assert [2] == [facts.count(WHY) for facts in blocked]
    for name in ("loud", "garbage"):
        assert f"\n{WHY}\n" in (home.path / "logs" / "plugins" / f"{name}.log").read_text()
    assert (f"{WHY} (exit 3)", WHY, {}) == (invoked["error"], invoked["suggest"], invoked["fields"])


def test_what_it_would_answer_is_asked_when_it_can_be_shown(home: Home) -> None:
    """A verdict that nobody may read is none: the plugin is asked once the file is mended."""
    with home.daemon():
        until(lambda: home.count("secrets_refused"), what="the file to be refused", seconds=50)
        assert [] == faults(home)
        home.secrets(API=INSIDE, OLD=BEFORE)
        until(lambda: faults(home), what="the plugin to be asked", seconds=50)

    assert ["it refuses its configuration: [redacted] [redacted] (exit 3)"] == faults(home)


def faults(home: Home) -> list[str]:
    """What is known to speak against plugins."""
    return home.values("SELECT fault FROM plugin_uses WHERE fault != ''")
