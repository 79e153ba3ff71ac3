"""The examples are what people copy: each runs as it is, and does what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from dotagent import app
from dotagent.core.manifest import read_manifest
from tests.cli.scene import ntfy
from tests.support.daemon import run
from tests.support.house import ROOT
from tests.support.http_server import Answer, StrictServer
from tests.support.serving import serving

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/agent.toml"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with all the examples."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    for example in EXAMPLES:
        shutil.copytree(example, folder / "agents" / example.name)
        (folder / "agents" / example.name).chmod(0o700)
    return folder


def change(home: Path, agent: str, **env: str) -> None:
    """Another value for a variable of its ``[env]``."""
    path = home / "agents" / agent / "agent.toml"
    text = path.read_text()
    for name, value in env.items():
        text, count = re.subn(rf'{name} = "[^"]*"', f'{name} = "{value}"', text)
        assert 1 == count
    path.write_text(text)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_manifests(example: Path) -> None:
    """Without a problem, named as their folder."""
    manifest, problems = read_manifest((example / "agent.toml").read_bytes(), app.drivers())

    assert () == problems
    assert manifest is not None
    assert example.name == manifest.agent.name


def test_disk_space(home: Path) -> None:
    """Room: success. Tight: a success that says so. Nearly full: a failure."""
    change(home, "disk-space", WARN="101", FAIL="101")
    room = run(home, "run-now", "disk-space")
    change(home, "disk-space", WARN="0", FAIL="101")
    tight = run(home, "run-now", "disk-space")
    change(home, "disk-space", WARN="0", FAIL="0")
    full = run(home, "run-now", "disk-space")

    assert (0, 0, 1) == (room.returncode, tight.returncode, full.returncode)
    assert "% full" in room.stdout
    assert "warn" in tight.stdout.lower()


def test_backup(home: Path) -> None:
    """The copy is there; nothing to save is no failure; an archive that is not new is one."""
    folder = home / "agents" / "backup"
    well = run(home, "run-now", "backup")
    archive = (folder / "copies" / "latest.tar.gz").stat().st_size
    (folder / "backup.sh").write_text("#!/bin/sh\necho packed 1 files\n")
    idle = run(home, "run-now", "backup")
    shutil.copy(ROOT / "examples" / "backup" / "backup.sh", folder)
    (folder / "data").rename(folder / "away")
    skipped = run(home, "run-now", "backup")

    assert (0, 1, 75) == (well.returncode, idle.returncode, skipped.returncode)
    assert archive > 40
    assert "latest.tar.gz" in idle.stdout


def test_http_check(home: Path) -> None:
    """A server that answers, an answer without the text, one that refuses, and none at all."""
    with serving(StrictServer()) as server:
        change(home, "http-check", URL=server.url)
        well = run(home, "run-now", "http-check")
        change(home, "http-check", CONTAINS="what it never says")
        wrong = run(home, "run-now", "http-check")
        server.answers.append(Answer(status=503))
        refused = run(home, "run-now", "http-check")
    gone = run(home, "run-now", "http-check")
    failed = [done.stdout + done.stderr for done in (wrong, refused, gone)]

    assert (0, [1, 1, 1]) == (well.returncode, [d.returncode for d in (wrong, refused, gone)])
    assert "answered without" in failed[0]
    assert "answered with 503" in failed[1]
    assert "did not answer" in failed[2]


def test_llm_chore(home: Path) -> None:
    """What it cost shows in the message, in ``why`` and in ``history``; over budget nothing is
    tried again."""
    with serving(StrictServer()) as server:
        manifest = home / "agents" / "llm-chore" / "agent.toml"
        manifest.write_text(manifest.read_text() + ntfy(server.url))
        well = run(home, "run-now", "llm-chore")
        change(home, "llm-chore", BUDGET_USD="0.001")
        dear = run(home, "run-now", "llm-chore")
    why, history = (run(home, name, "llm-chore").stdout for name in ("why", "history"))
    told = [sent.body.decode() for sent in server.accepted]

    assert (0, 12) == (well.returncode, dear.returncode)
    assert "words of notes" in (home / "agents" / "llm-chore" / "summary.md").read_text()
    assert "cost_usd" in told[0]
    assert "cost_usd" in why
    assert "cost_usd" in history
