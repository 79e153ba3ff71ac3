"""Reading a home's record: nothing there, something there, something wrong as it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from dotagent.core.errors import HomeError, StoreCorrupt, StoreError, StoreNewer
from dotagent.store import migrations
from dotagent.store.database import connect, open_store
from dotagent.store.reading import connect_reader, record


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A database as a home has it, in a folder with signs that an address takes for its own."""
    folder = tmp_path / "100%? #1"
    folder.mkdir()
    open_store(f"{folder}/dotagent.db").close()
    return f"{folder}/dotagent.db"


def ask(path: str, sql: str) -> object:
    """The first value that the record answers with."""
    with record(path) as reader:
        assert reader is not None
        return reader.execute(sql).fetchone()[0]


def set_version(path: str, version: int) -> None:
    """As if another dotagent had made it."""
    db = connect(path, create=False)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()


def test_what_is_there_is_read_and_cannot_be_written(path: str) -> None:
    """A connection that only reads, closed at the end."""
    found = ask(path, "SELECT count(*) FROM home")

    assert 1 == found
    with pytest.raises(StoreError, match="it may only be read"):
        ask(path, "DELETE FROM home")


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    """No home, no folder, no database."""
    with record(f"{tmp_path}/home/state/dotagent.db") as reader:
        found = reader

    assert found is None
    assert [] == list(tmp_path.iterdir())


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    """Where the home should be a folder."""
    (tmp_path / "home").touch()
    with pytest.raises(HomeError, match="Not a directory"), record(f"{tmp_path}/home/dotagent.db"):
        pass

    assert (tmp_path / "home").is_file()


@pytest.mark.parametrize(
    ("version", "error"), [(migrations.LATEST + 1, StoreNewer), (-1, StoreError)]
)
def test_another_schema_is_refused(path: str, version: int, error: type[StoreError]) -> None:
    """A newer one must not be guessed at; an older one is brought up to date by who may write."""
    set_version(path, version)

    with pytest.raises(error, match=f"schema {version}"), record(path):
        pass


def test_a_database_that_is_being_made_counts_as_none(path: str) -> None:
    """Its schema comes in one commit."""
    set_version(path, 0)
    with record(path) as reader:
        found = reader

    assert found is None


def test_damage_is_classified_wherever_it_shows(path: str) -> None:
    """At the first look, or only as it is read."""
    data = Path(path).read_bytes()
    Path(path).write_bytes(data[:100] + b"\xff" * (len(data) - 100))
    with pytest.raises(StoreCorrupt):
        ask(path, "SELECT * FROM home")
    Path(path).write_bytes(b"text" * 1000)

    with pytest.raises(StoreCorrupt):
        connect_reader(path)
