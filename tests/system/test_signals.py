"""Signals are heard from the first moment on, kept, and told to whoever wants to know."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from dotagent.system.signals import HUP, INT, TERM, Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    """Listening until the end of the test."""
    listening = Signals(stops=(TERM, INT)).listen()
    yield listening
    listening.restore()


def send(number: int) -> None:
    """Send ourselves a signal."""
    os.kill(os.getpid(), number)


def test_early_signal_is_kept(signals: Signals) -> None:
    """What came before anybody wanted to know is told first, in order."""
    send(signal.SIGHUP)
    send(signal.SIGTERM)
    heard: list[str] = []
    with signals.told_to(heard.append):
        send(signal.SIGINT)

    assert [HUP, TERM, INT] == heard


def test_only_some_mean_the_end(signals: Signals) -> None:
    """A SIGHUP that only asks to read the files again stops nothing."""
    send(signal.SIGHUP)
    before = signals.stop, signals.stops
    send(signal.SIGINT)
    send(signal.SIGTERM)

    assert (None, 0) == before
    assert (INT, 2) == (signals.stop, signals.stops)


def test_nobody_is_told_afterwards(signals: Signals) -> None:
    """After the block the news is kept again."""
    heard: list[str] = []
    with signals.told_to(heard.append):
        pass
    send(signal.SIGTERM)

    assert ([], TERM) == (heard, signals.stop)


def test_ignored_stays_ignored() -> None:
    """A job that was started with SIGINT and SIGHUP ignored is not ended by them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signals = Signals().listen()
    try:
        send(signal.SIGINT)
    finally:
        signals.restore()
        signal.signal(signal.SIGINT, before)

    assert None is signals.stop


def test_restore_gives_back_what_was() -> None:
    """The handlers from before are in force again."""
    before = signal.getsignal(signal.SIGTERM)
    signals = Signals().listen()
    listening = signal.getsignal(signal.SIGTERM)
    signals.restore()

    assert before != listening
    assert before == signal.getsignal(signal.SIGTERM)
