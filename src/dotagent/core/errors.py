"""The error tree. An error says what is wrong, where, and what to do; the edge that raises it
classifies it once, by its class, and nobody above classifies it again.

    DotagentError
     ├── UsageError        exit 2   the command line or the configuration is not right
     ├── NotFound          exit 4   the named agent, schedule or delivery does not exist
     ├── HomeError         exit 3   the home cannot be used: read-only, not a directory, full
     │    ├── HomeFull              the disk is full; freeing space is all it takes
     │    └── StoreError             the database cannot be used
     │         ├── StoreNewer        made by a newer dotagent
     │         ├── StoreCorrupt      fails SQLite's own check
     │         └── StoreBusy         held for now; the owner tries again (rules R12)
     │              └── StoreFull         the disk is full
     └── HeldError         exit 5   another process holds the home's lock
"""

from __future__ import annotations


class DotagentError(Exception):
    """Anything dotagent itself has to say to a person. ``hint`` names the next step, if any."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DotagentError):
    """The command line or the configuration is not right."""

    exit_code = 2


class NotFound(DotagentError):
    """The named agent, schedule or delivery does not exist."""

    exit_code = 4


class HomeError(DotagentError):
    """The home folder cannot be used."""

    exit_code = 3


class HomeFull(HomeError):
    """The disk that holds the home is full; freeing space is all it takes."""


class StoreError(HomeError):
    """The database cannot be used."""


class StoreNewer(StoreError):
    """The database was made by a newer dotagent; an older one must not touch it."""


class StoreCorrupt(StoreError):
    """The database fails SQLite's own check; it is never silently made anew."""


class StoreBusy(StoreError):
    """The database is held by somebody else or the disk is full; trying again may help."""


class StoreFull(StoreBusy):
    """The disk has no room for what must be written."""


class OldDaemon(DotagentError):
    """A daemon of dotagent 0.1.x runs the home: it knows no lock, and takes no requests."""

    exit_code = 5


class HeldError(DotagentError):
    """Another process holds the home's lock. ``pid`` and ``role`` name it where they are known."""

    exit_code = 5

    def __init__(self, message: str, *, pid: int | None = None, role: str | None = None) -> None:
        super().__init__(message)
        self.pid = pid
        self.role = role
