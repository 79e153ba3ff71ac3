"""Waiting in a command, which has no event loop of its own, and in a thread."""

import select
import time


def pause(ms: int) -> None:
    """Let ``ms`` pass. By a span, as select(2) takes it: a sleep waits for an instant, which
    libfaketime refuses when it sets the clock meanwhile."""
    select.select((), (), (), ms / 1000)


def now() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000
