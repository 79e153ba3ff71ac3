"""The documentation is what the code does: written from it, built, linked, and its blocks run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from dotagent import app
from dotagent.cli.main import COMMANDS, root
from dotagent.core.config import read_config
from dotagent.core.manifest import read_manifest
from dotagent.core.structure import keys_of
from dotagent.drivers.kit import registry
from tests.support import blocks
from tests.support.blocks import Command
from tests.support.daemon import run
from tests.support.house import ROOT

DOCS = ROOT / "docs"
DRIVERS = DOCS / "drivers.md"
PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(DOCS.rglob("*.md")),
]
CONTAINED = {"connect", "daemon", "install", "uninstall", "demo", "notify"}
"""Commands that need an account or a service manager, or do not end: their words are checked."""
OTHERS = {"make", ".", "systemctl"}
"""Programs that are not ours."""

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def test_up_to_date() -> None:
    """Each page is what the script writes now: whoever changes a key runs `make docs`."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.docs", "--check"], cwd=ROOT, capture_output=True, text=True
    )

    assert ("", "") == (done.stdout, done.stderr)
    assert 0 == done.returncode


def test_complete() -> None:
    """Each driver has its section, and there each of its keys and the source of each limit."""
    sections = dict(each.partition("\n")[::2] for each in DRIVERS.read_text().split("\n## ")[1:])
    for name in registry.names():
        driver = registry.load(name)
        assert driver is not None
        missing = {key for key in keys_of(driver.config) if f"\n| `{key}` |" not in sections[name]}
        missing |= {each.source for each in driver.limits if each.source not in sections[name]}
        assert set() == missing


def test_it_builds(tmp_path: Path) -> None:
    """Without a warning: every page is there, every link and anchor leads somewhere."""
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )

    assert (0, "", "") == (built.returncode, built.stdout, built.stderr)
    assert (tmp_path / "reference" / "manifest.html").exists()


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "examples" / "README.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_links(page: Path) -> None:
    """Each link inside the project leads to a file, and to a heading of it."""
    lost = []
    for link in blocks.links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in blocks.anchors(target)):
            lost.append(link)

    assert [] == lost


@pages
def test_settings(page: Path) -> None:
    """Each TOML block is right, without so much as a warning: a manifest, or a part of a manifest
    or of config.toml."""
    for text in blocks.blocks(page, "toml"):
        manifest = text if "[agent]" in text else f'agent.name = "a"\nrun.command = "x"\n{text}'
        read = read_manifest(manifest.encode(), app.drivers())
        if read[1] and "[agent]" not in text:
            read = read_config(text.encode(), app.drivers())  # type: ignore[assignment]
        assert ((), text) == (read[1], text)


@pages
def test_commands(page: Path, tmp_path: Path) -> None:
    """Each command of a page, one after the other in a fresh home, ends as the page says."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    for command in blocks.commands(page):
        program, *words = command.words
        if program != "dotagent":
            assert program in OTHERS
        elif words and words[0] in CONTAINED:
            understood(words)
        else:
            done = run(home, *words, cwd=tmp_path)
            assert (command, command.status, "") == (command, done.returncode, faults(done.stderr))


def understood(words: list[str]) -> None:
    """The command is there and takes these words."""
    name, *rest = words
    assert name in COMMANDS
    context = click.Context(root, info_name="dotagent")
    command = root.get_command(context, name)
    assert command is not None
    command.make_context(name, rest, parent=context)


def faults(stderr: str) -> str:
    return stderr if "Traceback" in stderr else ""


def test_a_wrong_word_is_noticed() -> None:
    """An option that is not there fails."""
    with pytest.raises(click.NoSuchOption):
        understood(["daemon", "--nonsense"])


def test_announced_exit(tmp_path: Path) -> None:
    """Commands are found in indented blocks too, with the status that a comment announces."""
    page = tmp_path / "page.md"
    page.write_text(
        "1. x\n\n    ```console\n    $ dotagent a 'b c'   # exits 3\n    out\n    ```\n"
    )

    (command,) = blocks.commands(page)
    assert Command(text="dotagent a 'b c'   # exits 3", status=3) == command
    assert ["dotagent", "a", "b c"] == command.words
