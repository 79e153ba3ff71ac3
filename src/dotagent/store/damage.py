"""A damaged database is set aside, kept and said; it is never silently made anew (product §8).

Only for the holder of the home's lock. Invariant: nobody is told of damage without being told where
the damaged file is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from dotagent.core.errors import StoreCorrupt
from dotagent.store import database, holders
from dotagent.store.database import Store

_COMPANIONS = ("-wal", "-shm", "-journal")
_MARK = ".damaged-"


def open_checked(path: str) -> Store:
    """Open or create the store; SQLite's own check first if the last holder died. Raises
    ``StoreError``."""
    if os.path.exists(path):
        database.roll_back(path)
        with closing(database.connect_reader(path)) as reader:
            crashed = holders.last_crashed(reader)
        if crashed:
            database.check(path)
    return database.open_store(path)


@contextmanager
def set_aside(path: str, now: Callable[[], int]) -> Iterator[None]:
    """Around everything that a holder does: where the database turns out to be damaged, it is
    renamed once it is closed, and the ``StoreCorrupt`` that goes on says so."""
    try:
        yield
    except StoreCorrupt as error:
        aside = f"{path}{_MARK}{now() // 1000}"
        for suffix in ("", *_COMPANIONS):
            if os.path.exists(path + suffix):
                os.replace(path + suffix, aside + suffix)
        raise StoreCorrupt(
            f"{error.message}; it is kept as {aside}",
            "The daemon goes on with a new record; agents and their files are untouched.",
        ) from error


def kept(path: str) -> list[str]:
    """The databases that were set aside, the oldest first."""
    folder, name = os.path.split(path)
    found = (os.path.join(folder, each) for each in os.listdir(folder))
    mark = os.path.join(folder, name + _MARK)
    return sorted(each for each in found if each.startswith(mark) and _is_whole(each))


def _is_whole(path: str) -> bool:
    return not path.endswith(_COMPANIONS)
