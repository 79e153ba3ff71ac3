"""A process of our own that runs beside a command and never outlives it: the daemon of ``demo``.

Invariants: it leads a session of its own, so that a Ctrl-C meant for the command does not reach it;
after ``end`` it and what is left of its group are gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress


class Companion:
    """Started with exactly ``env``; whatever it prints goes to the file ``output``."""

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], output: str, cwd: str | None = None
    ) -> None:
        """Start it. Raises ``OSError``."""
        fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=fd,
                stderr=fd,
                cwd=cwd,
                env=dict(env),
                start_new_session=True,
            )
        finally:
            os.close(fd)

    @property
    def pid(self) -> int:
        return self._process.pid

    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def end(self, patience_ms: int) -> int:
        """TERM, up to ``patience_ms`` for its own goodbye, then KILL for the group; its exit
        status. Blocks; does nothing to a process that has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.terminate()
            self._process.wait(patience_ms / 1000)
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()
