"""What an engine is for, what a turn of it brought, and what a stop of it has to wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dotagent.store.attempts import Run
from dotagent.store.database import Reader
from dotagent.store.outbox import Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """What this engine is for. A daemon plans and runs until it is stopped; a command runs until
    ``until`` says that its own work is settled, and nothing runs that others asked for meanwhile.
    ``max_running`` where config.toml names none, ``stop_grace_ms`` whatever it says, if not None.
    ``own``: the request whose person is this process's own."""

    plan: bool
    max_running: int
    stop_grace_ms: int | None = None
    until: Callable[[Reader], bool] | None = None
    own: int | None = None
    failed: Callable[[Run, str], None] = lambda run, words: None
    """Told of each attempt that has failed, for who watches this process."""
    told: Callable[[int, str], None] = lambda at, words: None
    """Told of each critical event of the home, when and in words, in the recorder's thread;
    and of a look at the files that takes long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one transaction of the loop brought. ``more``: planning is not through; ``full``: more
    may be due than there are slots."""

    runs: Sequence[Run] = ()
    claims: Sequence[Claim] = ()
    wake_at: int | None = None
    more: bool = False
    full: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """What a stop waits for: runs (``agent/schedule``) for at most ``grace_ms``, and sends."""

    runs: Sequence[str]
    sends: int
    grace_ms: int
