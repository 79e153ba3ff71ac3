"""Whatever an agent prints, reports or is called: no command lets it steer the terminal."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

import pytest

from dotagent.cli.main import run as run_here
from tests.cli.scene import on_terminal
from tests.cli.test_goldens import LOOKS
from tests.support.daemon import MANIFEST

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\x0e\u202e\u2028end"
"""Title, clearing, a colour by its one-byte form, another character set, right to left, a line."""
NAME = "a \u202eb; $(touch owned) 'c'"
SGR = re.compile("\x1b\\[[0-9]{0,2}m")
"""Our own colours."""


def hostile(home: Path) -> None:
    """An agent that means harm with everything it has."""
    folder = home / "agents" / "evil"
    folder.mkdir(parents=True)
    program = folder / "run.sh"
    report = json.dumps({"outcome": "fail", "summary": f"summary {EVIL}"})
    (folder / "report.json").write_text(report)
    (folder / "output").write_text(EVIL, encoding="utf-8")
    program.write_text(
        '#!/bin/sh\ncat output; cat output >&2; cat report.json > "$AGENT_RESULT"; exit 1\n'
    )
    program.chmod(0o700)
    quoted = json.dumps(NAME)
    manifest = MANIFEST.format(name="x").replace('"x"', quoted)
    (folder / "agent.toml").write_text(
        f'{manifest}\n[[schedules]]\nid = "daily"\ndaily = "08:30"\nmax_attempts = 1\n'
    )


def steering(text: str) -> str:
    """The characters in it that a terminal would obey."""
    return "".join(
        c
        for c in SGR.sub("", text)
        if unicodedata.category(c) in ("Cc", "Zl", "Zp") and c not in "\n\t"
    )


def test_nothing_steers(
    home: Path,
    signals: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Every command that shows something of it, on paper and on a terminal."""
    hostile(home)
    monkeypatch.setenv("DOTAGENT_HOME", str(home))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    assert 1 == run_here(["run-now", NAME, "--json"])
    assert "" == steering(capfd.readouterr().out)
    found = {}
    for call in LOOKS.values():
        words = [NAME if word == "disk-alert" else word for word in call]
        run_here(words)
        said = capfd.readouterr()
        if call != ["logs"]:  # into a file or a pipe, the log goes as it is
            found[call[0]] = steering(said.out + said.err)

    assert [] == [name for name, characters in found.items() if characters]
    for call in (["logs"], ["run", NAME], ["run-now", NAME], ["status"], ["why", NAME]):
        assert "" == steering(on_terminal(home, call)), call
    assert not (home / "owned").exists()
