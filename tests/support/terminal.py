"""The program on a terminal of its own, and somebody who answers what it asks."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.daemon import environment
from tests.support.patience import until

PATIENCE_S = 50.0
AGAIN_S = 8.0
# The terminal must be the child's controlling one: a password is asked for on /dev/tty (tty(4)).
_CHILD = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "dotagent", *sys.argv[1:]])
"""


class Terminal:
    """Use it with ``with``: the program runs, ``answer`` waits for its question, ``close`` for its
    end. ``said``: all that stood on the screen."""

    def __init__(self, home: Path, *arguments: str, width: int = 80) -> None:
        self.said = ""
        self._read_to = 0
        self._is_closed = False
        self._own, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD, *arguments],
            env={**environment(home), "NO_COLOR": "1"},
            cwd=home,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._own)

    def answer(self, question: str, *keys: str) -> None:
        """Wait until ``question`` is asked, then type."""
        end = time.monotonic() + PATIENCE_S
        while question not in self.said[self._read_to :]:
            if not self._hear(end):
                raise AssertionError(f"{question!r} was not asked:\n{self.said}")
        self._read_to = len(self.said)
        os.write(self._own, "".join(keys).encode())

    def answer_hidden(self, question: str, text: str) -> None:
        """The same for a secret: typed once the terminal shows nothing of it. What is typed before
        is thrown away (``TCSAFLUSH``, termios(3))."""
        self.answer(question)
        until(lambda: not termios.tcgetattr(self._own)[3] & termios.ECHO, what="a hidden prompt")
        os.write(self._own, f"{text}\n".encode())

    def interrupt(self, question: str) -> int:
        """Ctrl-C at the question; the exit status. Pressed again after a while: a signal that comes
        just as Python is going to read is heard with the next key."""
        self.answer(question)
        end = time.monotonic() + PATIENCE_S
        while not self._is_closed and time.monotonic() < end:
            os.write(self._own, b"\x03")
            again = time.monotonic() + AGAIN_S
            while self._hear(again):
                pass
        return self.close()

    def answers(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Each question with what is typed, and Enter; a token is hidden."""
        for question, text in pairs:
            if question == "token":
                self.answer_hidden(question, text)
            else:
                self.answer(question, text, "\n")

    def close(self) -> int:
        """Its exit status, once it has ended and all that it said was read."""
        end = time.monotonic() + PATIENCE_S
        while self._hear(end):
            pass
        return self._process.wait(PATIENCE_S)

    def _hear(self, until: float) -> bool:
        ready, _, _ = select.select([self._own], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._own, 65_536)
        except OSError:  # EIO: nobody holds the other end any more (pty(7))
            self._is_closed = True
            return False
        self.said += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)
