"""Waiting in a command, which has no event loop of its own."""

import time


def pause(ms: int) -> None:
    """Let ``ms`` pass."""
    time.sleep(ms / 1000)


def now() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000
