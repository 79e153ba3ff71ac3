"""What a person sees while a run goes on: its output as it comes, and our own words in their place.

A thread of its own reads the copies of the output and writes, so that a reader who pauses holds up
nothing but what he sees. Invariants: what is no terminal gets the output byte for byte; a terminal
gets nothing that could steer it; our words come after all output that was there before them.
"""

from __future__ import annotations

import codecs
import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TextIO

from dotagent.core.fit import clean
from dotagent.system import files

LOOK_AGAIN_S = 0.03
CHUNK = 64 * 1024
MOST_HELD = 4_096
"""An escape sequence that is longer than this is none."""


class Plain:
    """Output made safe for a terminal, as it comes. What may be the beginning of an escape sequence
    or half a character is held until the rest is there."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, chunk: bytes, *, last: bool = False) -> str:
        """The next chunk; what can be shown by now."""
        text = self._held + self._decoder.decode(chunk, last)
        cut = len(text)
        if not last:
            line = text.rfind("\n") + 1
            escape = text.find("\x1b", line)
            if escape >= 0 and len(text) - escape <= MOST_HELD:
                cut = escape
            elif text.endswith("\r"):
                cut -= 1
        self._held = text[cut:]
        return clean(text[:cut])


class Pane:
    """One of our own two streams. Whoever does not read it any more misses nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._fd = stream.fileno()
        self._encoding = stream.encoding
        self._plain = Plain() if stream.isatty() else None
        self.is_open = True
        self.is_amid_line = False

    @property
    def is_terminal(self) -> bool:
        return self._plain is not None

    def output(self, chunk: bytes, *, last: bool = False) -> None:
        """The agent's."""
        if self._plain is None:
            self._write(chunk)
        else:
            self.say(self._plain.feed(chunk, last=last))

    def say(self, text: str) -> None:
        """Ours."""
        self._write(text.encode(self._encoding, "replace"))

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        self.is_amid_line = self.is_amid_line if not data else not data.endswith(b"\n")
        try:
            while left and self.is_open:
                left = left[os.write(self._fd, left) :]
        except OSError:
            self.is_open = False


class Screen:
    """Shows copies of two streams, and words. ``say`` never waits."""

    def __init__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._panes = (Pane(sys.stdout), Pane(sys.stderr))
        self._words: queue.SimpleQueue[tuple[Pane, str] | Sequence[str] | None]
        self._words = queue.SimpleQueue()
        self._copies: list[_Copy] = []
        self._thread = threading.Thread(target=self._show, name="screen", daemon=True)
        self._thread.start()

    def follow(self, paths: Sequence[str]) -> None:
        """Show what is, and will be, in these two files; they go when all is shown."""
        self._words.put(paths)

    def say(self, text: str) -> None:
        """Our words, a line or more, on stdout."""
        self._words.put((self._panes[0], f"{text}\n"))

    def note(self, text: str) -> None:
        """Our words on stderr, marked as ours."""
        self._words.put((self._panes[1], f"dotagent: {text}\n"))

    def close(self, is_enough: Callable[[], bool]) -> None:
        """Show what is left, then end. ``is_enough``: the person does not want to wait for that."""
        self._words.put(None)
        while self._thread.is_alive() and not is_enough():
            self._thread.join(LOOK_AGAIN_S)

    # ---------------------------------------------------------------------------------- the thread

    def _show(self) -> None:
        while True:
            try:
                item = self._words.get(timeout=LOOK_AGAIN_S if self._copies else None)
            except queue.Empty:
                self._drain()
                continue
            self._drain()
            if item is None:
                break
            if isinstance(item, tuple) and isinstance(item[0], Pane):
                self._begin_line(item[0])
                item[0].say(item[1])
            else:
                self._copies = [
                    _Copy(str(path), pane) for path, pane in zip(item, self._panes, strict=True)
                ]
        for copy in self._copies:
            copy.close()

    def _begin_line(self, pane: Pane) -> None:
        """Our words begin a line of their own, also where both streams meet on one terminal."""
        for other in self._panes:
            meets = other is pane or (other.is_terminal and pane.is_terminal)
            if meets and other.is_amid_line:
                other.say("\n")

    def _drain(self) -> None:
        """Both streams in turn, until neither has more."""
        more = True
        while more:
            more = False
            for copy in self._copies:
                more = copy.show() or more


class _Copy:
    """One file that grows until its run ends."""

    def __init__(self, path: str, pane: Pane) -> None:
        self._path = path
        self._pane = pane
        self._fd: int | None = None

    def show(self) -> bool:
        """The next piece; whether there was one."""
        try:
            if self._fd is None:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            chunk = os.read(self._fd, CHUNK)
        except OSError:
            return False
        if chunk:
            self._pane.output(chunk)
        return bool(chunk)

    def close(self) -> None:
        self._pane.output(b"", last=True)
        if self._fd is not None:
            os.close(self._fd)
        files.remove_if_there(self._path)
