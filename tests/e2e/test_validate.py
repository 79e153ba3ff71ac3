"""Plugins are asked about their configurations once manifests are loaded (contract §10)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.home import Home
from tests.plugins.scripts import bash
from tests.support.patience import until

ONCE = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\n'
SECRET = "canary-of-the-token-4711"


def plugin(home: Home, name: str, info: str, validate: str) -> None:
    """A plugin that notes what it is asked, and is never used for work here."""
    note = f"echo $1 >> {home.path}/asked.{name}"
    body = f"{note}\ncase $1 in info) {info};; validate) said=$(cat); {validate};; esac"
    bash(home.path / "plugins", body, name)


def asked(home: Home, name: str) -> list[str]:
    """The verbs that a plugin was asked with, in order."""
    path = home.path / f"asked.{name}"
    return path.read_text().split() if path.exists() else []


def faults(home: Home) -> dict[str, str]:
    """What is known to speak against plugins, by agent."""
    rows = home.rows("SELECT agent, fault FROM plugin_uses WHERE fault != ''")
    return {row["agent"]: row["fault"] for row in rows}


@pytest.mark.timeout(120)
def test_a_manifest_is_asked_about_once(tmp_path: Path) -> None:
    """What accepts, what refuses, what hangs and what is missing: every agent runs, refusals are
    warnings and are told once, and a restart asks again only what had no answer, and what is now
    another program."""
    home = Home(tmp_path)
    home.secrets(TOKEN=SECRET)
    named = 'echo \'{"name":"x"}\''
    refusal = f'echo "{{\\"ok\\":false,\\"error\\":\\"no room {SECRET}\\"}}"'
    plugin(home, "fine", named, "echo '{\"ok\":true}'")
    plugin(home, "picky", named, refusal)
    plugin(home, "stuck", "sleep 600", "sleep 600")
    tables = ONCE + '[[on_failure]]\nplugin = "{}"\nconfig = {{ token = "${{TOKEN}}" }}\n'
    for agent in ("fine", "picky", "picky-too", "stuck", "missing"):
        home.agent(agent, tables.format(agent.removesuffix("-too")))
    with home.daemon():
        until(lambda: home.count("manifest_invalid"), what="the refusals to be told", seconds=50)
        until(lambda: len(faults(home)) == 4, what="all warnings", seconds=50)
        ran = home.values("SELECT verdict FROM attempts WHERE ended_at IS NOT NULL")
    first = faults(home)
    page = home.run("status").stdout
    data = json.loads(home.run("status", "--json").stdout)["plugins"]
    plugin(home, "picky", named, "echo '{\"ok\":true}'")
    with home.daemon():
        until(lambda: "picky" not in faults(home), what="the warning to go", seconds=50)
        until(lambda: len(asked(home, "stuck")) == 2, what="it to be asked again", seconds=50)
    told = home.values("SELECT facts FROM events WHERE kind = 'manifest_invalid'")

    assert ["succeeded"] * 5 == ran
    assert {"picky", "picky-too", "stuck", "missing"} == first.keys()
    assert "it refuses its configuration: no room [redacted]" == first["picky"]
    assert "it did not answer within 10 s" in first["stuck"]
    assert "plugin missing not found" in first["missing"]
    assert "picky-too" in page
    assert "on_failure[0].plugin" in page
    assert first == {each["agent"]: each["why"] for each in data}
    assert ["info", "validate"] == asked(home, "fine")
    assert ["info", "validate"] * 2 == asked(home, "picky")
    assert 1 == len(told)
    assert "plugins refuse what 2 manifests give them" in told[0]
    assert SECRET not in "".join(told)


def test_config_toml_is_asked_about_too(tmp_path: Path) -> None:
    """Its plugins are as easily forgotten: what refuses and what is missing is in status, a refusal
    is told once, and both are gone with the entry."""
    home = Home(tmp_path)
    home.agent("any", "")
    refusal = 'echo \'{"ok":false,"error":"no room"}\''
    plugin(home, "picky", 'echo \'{"name":"picky"}\'', refusal)
    entry = '[[notifiers]]\ndriver = "plugin"\nname = "{}"\nevents = ["success"]\n'
    home.config(entry.format("none") + entry.format("picky"))
    with home.daemon():
        until(lambda: home.count("config_invalid"), what="the refusal to be told", seconds=50)
        until(lambda: len(home.rows("SELECT 1 FROM plugin_uses WHERE due = 0")) == 2, what="both")
    with home.daemon():
        page = home.run("status")
        known = json.loads(home.run("status", "--json").stdout)["plugins"]
        home.config("")
        until(lambda: not home.rows("SELECT 1 FROM plugin_uses"), what="them to be forgotten")
    told = home.values("SELECT facts FROM events WHERE kind = 'config_invalid'")

    assert [("", "config.toml", "notifiers[0].name"), ("", "config.toml", "notifiers[1].name")] == [
        (each["agent"], each["path"], each["place"]) for each in known
    ]
    assert known[0]["why"].endswith("plugins, the folders of PATH")
    assert "it refuses its configuration: no room" == known[1]["why"]
    assert "config.toml  picky (notifiers[1].name)" in page.stdout
    assert 1 == len(told)
    assert "config.toml: notifiers[1].name: it refuses" in told[0]
    assert ["info", "validate"] == asked(home, "picky")
