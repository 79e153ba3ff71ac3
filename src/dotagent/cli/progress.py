"""A word to whoever waits at a terminal for longer than a second, gone when the wait is over.

Only on a terminal, and on standard error: what a command prints is never mixed with it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

AFTER_S = 1.0
ERASE = "\r\x1b[K"
"""Back to the beginning of the line, and all of it away (ECMA-48 §8.3.41)."""


@contextmanager
def doing(what: str) -> Iterator[None]:
    """While this lasts, ``what`` goes on: ``asking 3 plugins``."""
    if not sys.stderr.isatty():
        yield
        return
    shown = threading.Event()

    def show() -> None:
        shown.set()
        sys.stderr.write(f"dotagent: {what} …")
        sys.stderr.flush()

    timer = threading.Timer(AFTER_S, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if shown.is_set():
            sys.stderr.write(ERASE)
            sys.stderr.flush()
