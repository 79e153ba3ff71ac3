"""A home that cannot be used: a clear word about what is wrong and what to do, exit 3, and nothing
half-written. A damaged database is set aside, never silently made anew."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.home import Home
from tests.e2e.places import Said, on_full_disk, play_on_disk, read_only, tree
from tests.support.daemon import daemon as program
from tests.support.patience import until

COMMANDS = [("daemon",), ("run-now", "good"), ("tick",), ("status",)]
GOOD = '[[schedules]]\nid = "s"\nevery = "1h"\nrun_at_start = true\n'

every_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that was never used: it is not even there."""
    return Home(tmp_path / "home")


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose agent has run, and whose daemon was stopped."""
    home = Home(tmp_path_factory.mktemp("past") / "home")
    home.agent("good", GOOD)
    with home.daemon():
        until(lambda: ["success"] == home.kinds("good"), what="the first run")
    return home.path


@pytest.fixture
def used(home: Home, past: Path) -> Home:
    """A copy of it."""
    shutil.copytree(past, home.path, ignore=shutil.ignore_patterns("bell"))
    return home


def database(home: Home) -> Path:
    return home.path / "state" / "dotagent.db"


def refusal(said: Said, path: Path) -> str:
    """What is wrong with a refusal: empty for exit 3, nothing printed, and an error that names
    ``path`` and, on a line of its own, what to do."""
    first, *rest = said.stderr.splitlines() or [""]
    faults = [
        said.returncode != 3 and f"exit {said.returncode}",
        said.stdout and f"printed {said.stdout}",
        not first.startswith("dotagent: ") and "does not say who speaks",
        str(path) not in first and f"does not name {path}",
        not (rest and rest[0].startswith("  ")) and "does not say what to do",
        "Traceback" in said.stderr and "shows its insides",
    ]
    return f"{[fault for fault in faults if fault]}: {said.stderr}" if any(faults) else ""


@every_command
def test_home_is_a_file(home: Home, command: tuple[str, ...]) -> None:
    """Where a file is in the way, it is named, and it stays what it is."""
    home.path.write_text("not a folder\n")
    said = home.run(*command)

    assert "" == refusal(said, home.path)
    assert "not a folder\n" == home.path.read_text()


@every_command
def test_home_is_below_a_file(tmp_path: Path, command: tuple[str, ...]) -> None:
    """The same where the file stands higher up."""
    (tmp_path / "file").write_text("")
    home = Home(tmp_path / "file" / "home")

    assert "" == refusal(home.run(*command), home.path)
    assert ["file"] == [path.name for path in tmp_path.iterdir()]


@every_command
def test_home_is_read_only(used: Home, command: tuple[str, ...]) -> None:
    """On a read-only file system nothing can be begun."""
    before = tree(used.path)
    said = read_only(used, *command)

    assert "" == refusal(said, used.path)
    assert before == tree(used.path)


def test_doctor_on_a_read_only_disk(used: Home) -> None:
    """``doctor`` says what is really wrong: no change of modes would mend it."""
    before = tree(used.path)
    said = read_only(used, "doctor")

    assert 1 == said.returncode
    assert f"{used.path}: it lies on a read-only file system\n    mount it writable" in said.stdout
    assert "chmod" not in said.stdout
    assert before == tree(used.path)


@every_command
@pytest.mark.parametrize("which", ["new", "used"])
def test_disk_is_full(which: str, command: tuple[str, ...], request: pytest.FixtureRequest) -> None:
    """On a disk without a free byte nothing is begun, whether the home was in use before or not."""
    home: Home = request.getfixturevalue("home" if which == "new" else "used")
    home.path.mkdir(exist_ok=True)
    said, same = on_full_disk(home, *command)

    if command == ("status",) and which == "new":  # nothing has to be written to say so
        assert (0, "") == (said.returncode, said.stderr)
    else:
        assert "" == refusal(said, home.path.with_name("disk") / "home")
    assert same


def test_a_disk_that_fills_loses_nothing(tmp_path: Path) -> None:
    """As the disk fills up, the reserve is given up for the run in flight, which is settled and
    told; once there is room again the reserve is back first, then all goes on, nothing was lost,
    nothing came twice."""
    found = play_on_disk("tests.e2e.full_disk", tmp_path / "disk")

    assert [True, False, True] == found["kept"]
    assert len(found["events"]) >= 6
    assert found["events"] == found["told"]
    assert ["sent"] == found["states"]
    assert 0 == found["verified"]


def test_a_disk_without_room_for_the_reserve(tmp_path: Path) -> None:
    """A daemon that finds hardly any room starts nothing, as on a disk that fills later: what it
    began could not be settled. Once there is room it keeps its reserve, and all goes on."""
    found = play_on_disk("tests.e2e.tight_disk", tmp_path / "disk")

    assert {"before": [[0], False], "after": [[1], True]} == found


def newer(path: Path) -> None:
    """A schema that only a later dotagent knows."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 9999")


def directory(path: Path) -> None:
    """A folder in the database's place."""
    path.unlink()
    path.mkdir()


@every_command
@pytest.mark.parametrize("spoil", [newer, directory], ids=lambda spoil: spoil.__name__)
def test_database_is_not_ours(
    used: Home, spoil: Callable[[Path], None], command: tuple[str, ...]
) -> None:
    """A database of a newer dotagent, or what is no database, is left exactly as it is."""
    spoil(database(used))
    before = tree(used.path)
    said = used.run(*command)

    assert "" == refusal(said, database(used))
    assert before == tree(used.path)


def scribbled(path: Path) -> None:
    """No database any more, from the first byte on."""
    path.write_bytes(b"scribble" * 4096)


def inside(path: Path) -> None:
    """A head that is right and pages that are not."""
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))


DAMAGES = pytest.mark.parametrize("damage", [scribbled, inside], ids=lambda damage: damage.__name__)


@DAMAGES
@pytest.mark.parametrize("command", COMMANDS[1:], ids=" ".join)
def test_damage_is_only_said(
    used: Home, damage: Callable[[Path], None], command: tuple[str, ...]
) -> None:
    """Commands that meet a damaged database say so and leave it to the daemon."""
    damage(database(used))
    before = tree(used.path)
    said = used.run(*command)

    assert "" == refusal(said, database(used))
    assert "damaged" in said.stderr
    assert before == tree(used.path)


def test_a_lost_database_is_told(used: Home) -> None:
    """Where the database is gone, a new one goes on with the record that is there, and says so."""
    database(used).unlink()
    with used.daemon():
        until(lambda: "success" in used.kinds("good"), what="the agent to run again")
    with used.daemon():
        pass
    verified = used.run("audit", "verify")

    assert 1 == used.count("store_error")
    assert (0, "") == (verified.returncode, verified.stderr), verified.stdout


@DAMAGES
def test_damage_is_set_aside(used: Home, damage: Callable[[Path], None]) -> None:
    """The daemon keeps the damaged file under another name, says so and goes on with a new record,
    tells that as ``store_error``, once, and runs what is due."""
    damage(database(used))
    damaged = database(used).read_bytes()
    with program(used.path, env=used.env) as running:
        until(lambda: "success" in used.kinds("good"), what="the agent to run again")
        said = running.said()
    kept = min(used.path.glob("state/dotagent.db.damaged-*"))
    with used.daemon():
        pass

    assert f"it is kept as {kept}" in said
    assert kept.read_bytes() == damaged
    assert 1 == used.count("store_error")
    assert str(kept) in used.values("SELECT facts FROM events WHERE kind = 'store_error'")[0]
    assert 0 == used.run("audit", "verify").returncode
