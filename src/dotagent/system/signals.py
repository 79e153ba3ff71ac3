"""Signals as news instead of sudden death, from the moment somebody listens.

What comes before anybody wants to be told is kept and told then. What was ignored when the process
was started (``nohup``, a job in the background of a script) stays ignored, SIGTERM excepted.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

TERM, INT, HUP = "SIGTERM", "SIGINT", "SIGHUP"


class Signals:
    """SIGTERM, SIGINT and SIGHUP, as names. ``stops``: those that mean that it should end."""

    def __init__(self, stops: Sequence[str] = (TERM, INT, HUP)) -> None:
        self._stops = stops
        self._heard: list[str] = []
        self._hear: Callable[[str], object] | None = None
        self._before: dict[signal.Signals, Any] = {}

    @property
    def stop(self) -> str | None:
        """The first signal that said so; None if none did."""
        return next((name for name in self._heard if name in self._stops), None)

    @property
    def stops(self) -> int:
        """How often it was told to end: a person who asks twice is in a hurry."""
        return sum(name in self._stops for name in self._heard)

    def listen(self) -> Signals:
        """From now on. To be called on the main thread, before anything that takes time."""
        for name in (TERM, INT, HUP):
            number = signal.Signals[name]
            if name == TERM or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._arrived)
        return self

    def restore(self) -> None:
        """Listen no longer."""
        while self._before:
            signal.signal(*self._before.popitem())

    @contextmanager
    def told_to(self, hear: Callable[[str], object]) -> Iterator[None]:
        """Call ``hear`` with what came so far, and with each that comes while this lasts: between
        any two steps of the main thread, so it must only pass the news on."""
        for name in self._heard:
            hear(name)
        self._hear = hear
        try:
            yield
        finally:
            self._hear = None

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        self._heard.append(name)
        if self._hear is not None:
            self._hear(name)
