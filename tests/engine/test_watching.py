"""The kernel's notices become looks: of every file that matters, and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from dotagent.engine.watching import MOST_S, Watching
from tests.engine.line import ONCE, Line, line, write_agent


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[Line]:
    """An engine that stands still; only who watches is of interest here."""
    async with line(tmp_path, env={"DOTAGENT_SECRETS_FILE": str(tmp_path / "far/s.env")}) as there:
        yield there


@pytest.fixture
async def look(made: Line, tmp_path: Path) -> AsyncIterator[Callable[[], asyncio.Event]]:
    """Begins to watch; the event is set once there is reason to look."""
    noticed = asyncio.Event()
    also = (str(tmp_path / "etc" / "localtime"),)
    watching = Watching(made.parts.paths, made.surroundings, noticed.set, also)

    def begin() -> asyncio.Event:
        watching.begin()
        made.surroundings.before_look()
        return noticed

    yield begin
    watching.close()


async def test_a_look_comes_although_something_changes_all_the_time(
    made: Line, look: Callable[[], asyncio.Event], tmp_path: Path
) -> None:
    """Folders come and go in an agent's own folder without a pause, as while a program is built
    there: the look waits for a moment of quiet, but not for ever."""
    folder = write_agent(tmp_path, "builds", ONCE)
    noticed, loop = look(), asyncio.get_running_loop()
    began_s = loop.time()
    while not noticed.is_set() and loop.time() < began_s + 4 * MOST_S:
        (folder / "build").mkdir()
        (folder / "build").rmdir()
        await made.parts.clock.sleep_until(made.parts.clock.now() + 50)

    assert noticed.is_set()
    assert loop.time() - began_s > 0.9 * MOST_S


def touched(tmp_path: Path) -> None:
    (tmp_path / "etc" / "localtime").touch()


def replaced(tmp_path: Path) -> None:
    (tmp_path / "etc" / "new").symlink_to("/usr/share/zoneinfo/UTC")
    (tmp_path / "etc" / "new").rename(tmp_path / "etc" / "localtime")


def secret(tmp_path: Path) -> None:
    (tmp_path / "far" / "s.env").write_text("A=b\n")


def behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles" / "backup.toml").write_text("[agent]\n")


def in_place_of_a_step(tmp_path: Path) -> None:
    (tmp_path / "far" / "step.toml").unlink()
    (tmp_path / "far" / "step.toml").symlink_to(tmp_path / "dotfiles" / "other.toml")


def another_folder(tmp_path: Path) -> None:
    (tmp_path / "new").symlink_to(tmp_path / "far")
    (tmp_path / "new").rename(tmp_path / "agents" / "elsewhere")


def a_new_link(tmp_path: Path) -> None:
    (tmp_path / "agents" / "fresh").symlink_to(tmp_path / "far")


def a_linked_manifest(tmp_path: Path) -> None:
    (tmp_path / "agents" / "bare" / "agent.toml").symlink_to(tmp_path / "dotfiles" / "other.toml")


LINKS = [in_place_of_a_step, another_folder, a_new_link, a_linked_manifest]


def of_no_interest(tmp_path: Path) -> None:
    (tmp_path / "etc" / "hosts").write_text("::1 localhost\n")
    (tmp_path / "dotfiles" / "other.toml").write_text("[agent]\n")


@pytest.mark.parametrize("change", [touched, replaced, secret, behind_a_link, *LINKS])
async def test_every_file_that_matters_is_watched(
    look: Callable[[], asyncio.Event], tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """The zone, the secrets file wherever it lies, the file behind a manifest that is a link."""
    arrange(tmp_path)
    noticed = look()
    change(tmp_path)
    async with asyncio.timeout(10):
        await noticed.wait()


async def test_other_files_wake_nobody(look: Callable[[], asyncio.Event], tmp_path: Path) -> None:
    """What lies beside them may change as it likes."""
    arrange(tmp_path)
    noticed = look()
    of_no_interest(tmp_path)
    touched(tmp_path)
    async with asyncio.timeout(10):
        await noticed.wait()
    noticed.clear()
    of_no_interest(tmp_path)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.6):
            await noticed.wait()


def arrange(tmp_path: Path) -> None:
    for name in ("etc", "far", "dotfiles"):
        (tmp_path / name).mkdir()
    folder = write_agent(tmp_path, "linked", ONCE)
    (folder / "agent.toml").rename(tmp_path / "dotfiles" / "backup.toml")
    (tmp_path / "far" / "step.toml").symlink_to(tmp_path / "dotfiles" / "backup.toml")
    (folder / "agent.toml").symlink_to(tmp_path / "far" / "step.toml")
    (tmp_path / "agents" / "bare").mkdir()
    (tmp_path / "agents" / "elsewhere").symlink_to(tmp_path / "dotfiles")
