"""Starts one process, and says exactly why it could not be started and what mends it.

``locate`` looks before the start, aside, for the disk may hang; ``launch`` is one vfork
and takes well under a millisecond. The child gets a session of its own, the default signal
dispositions, the user's umask and no descriptor but its three.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import struct
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from dotagent.core.model import NotStarted
from dotagent.supervisor.aside import aside

NOT_FOUND = 127
NOT_RUNNABLE = 126

HEAD_BYTES = 4096
_PT_INTERP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The file that will be executed. ``path`` is what exec gets: relative to the working
    directory where the command was. ``head`` is its first bytes, empty if it cannot be read."""

    path: str
    seen: str
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A child that runs, and our non-blocking ends of its pipes."""

    process: subprocess.Popen[bytes]
    stdout: int
    stderr: int
    stdin: int | None

    def discard(self) -> None:
        """It cannot be supervised: end it and give everything back."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for fd in (self.stdout, self.stderr, self.stdin):
            if fd is not None:
                os.close(fd)


# ------------------------------------------------------------------------------- before the start


async def locate(
    command: str, cwd: str | None, env: Mapping[str, str] | None, patience_ms: int
) -> Found | NotStarted:
    """``find``, off the loop: a network folder that hangs is a ``NotStarted`` too."""
    try:
        return await aside(partial(find, command, cwd, env), patience_ms)
    except TimeoutError:
        place = f" in {cwd}" if cwd else ""
        return _refused(
            f"{command}{place} was not found within {patience_ms / 1000:g} s: the disk does not"
            " answer; is it a network folder that hangs?"
        )
    except RuntimeError as error:
        return _refused(f"dotagent could not start a thread ({error}); see ulimit -u")


def find(command: str, cwd: str | None, env: Mapping[str, str] | None) -> Found | NotStarted:
    """Which file ``command`` is: with a slash, relative to ``cwd``; else by the child's PATH."""
    folder = _refused_folder(cwd)
    if folder is not None:
        return folder
    if not command:
        return NotStarted(code=NOT_FOUND, why="the command is empty")
    if "/" in command:
        return _look(command, os.path.join(cwd or "", command))
    path = os.get_exec_path(dict(os.environ if env is None else env))
    refused: NotStarted | None = None
    for place in path:
        candidate = os.path.join(place or ".", command)
        answer = _look(candidate, os.path.join(cwd or "", candidate))
        if isinstance(answer, Found):
            return answer
        if answer.code != NOT_FOUND:
            refused = refused or answer
    return refused or NotStarted(code=NOT_FOUND, why=_nowhere(command, path, env))


USUAL = ("/usr/local/bin", "/opt/homebrew/bin", "/snap/bin", "/usr/local/sbin", "/usr/sbin")
USUAL_AT_HOME = (".local/bin", "bin", ".cargo/bin", "go/bin", ".npm-global/bin", ".bun/bin")
"""Where a person's shell looks too, as a rule; a service's PATH is short."""


def _nowhere(command: str, path: Sequence[str], env: Mapping[str, str] | None) -> str:
    """Not the whole PATH, but where the command is and how to say so (product §7)."""
    why = f"the command {command} is in no folder of the agent's PATH"
    home = (os.environ if env is None else env).get("HOME", "")
    at_home = [os.path.join(home, place) for place in USUAL_AT_HOME] if home else []
    for place in (*at_home, *USUAL):
        there = os.path.join(place, command)
        if place not in path and os.path.isfile(there) and os.access(there, os.X_OK):
            return f'{why}; it is here: write command = "{there}" in its agent.toml'
    return f"{why}; in your shell, command -v {command} shows where it is: write that as command"


def _refused_folder(cwd: str | None) -> NotStarted | None:
    if cwd is None:
        return None
    try:
        mode = os.stat(cwd).st_mode
    except (FileNotFoundError, ValueError):
        return NotStarted(
            code=NOT_FOUND,
            why=f"the working directory {cwd} does not exist; make it: mkdir -p {cwd}",
        )
    except OSError as error:
        return _refused(f"the working directory {cwd} cannot be used: {error.strerror}")
    if not stat.S_ISDIR(mode):
        return _refused(f"the working directory {cwd} is not a folder")
    if not os.access(cwd, os.X_OK):
        return _refused(f"the working directory {cwd} may not be entered; try chmod u+x {cwd}")
    return None


def _look(path: str, seen: str) -> Found | NotStarted:
    """Whether ``path``, which from here is ``seen``, is a program."""
    try:
        status = os.stat(seen)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        dangling = os.path.islink(seen)
        state = "is a link to a file that does not exist" if dangling else "does not exist"
        return NotStarted(code=NOT_FOUND, why=f"the command {seen} {state}")
    except OSError as error:
        return _refused(f"the command {seen} cannot be reached: {error.strerror}")
    if stat.S_ISDIR(status.st_mode):
        return _refused(f"the command {seen} is a folder")
    if not stat.S_ISREG(status.st_mode):
        return _refused(f"the command {seen} is not a regular file")
    if not os.access(seen, os.X_OK):
        return _refused(_not_executable(seen))
    return Found(path=path, seen=seen, head=_head(seen))


def _not_executable(path: str) -> str:
    try:
        noexec = os.statvfs(path).f_flag & getattr(os, "ST_NOEXEC", 0)
    except OSError:
        noexec = 0
    if noexec:
        return f"{path} lies on a file system that is mounted noexec; move it elsewhere"
    return f"{path} is not executable; mend it with: chmod +x {path}"


def _head(path: str) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:  # a program may be executable without being readable
        return b""
    try:
        return os.read(file, HEAD_BYTES)
    except OSError:
        return b""
    finally:
        os.close(file)


def _refused(why: str) -> NotStarted:
    return NotStarted(code=NOT_RUNNABLE, why=why)


def lacking(found: Found) -> NotStarted | None:
    """What exec would refuse in a file that was found, as far as its first bytes show: a script's
    or a program's interpreter that is not there, a text that names none."""
    interpreter = _interpreter(found.head)
    if interpreter is not None and os.path.isabs(interpreter):
        if not os.path.exists(interpreter):
            return _bad_interpreter(found.seen, interpreter, errno.ENOENT)
        if not os.access(interpreter, os.X_OK):
            return _bad_interpreter(found.seen, interpreter, errno.EACCES)
        return None
    start = found.head[:64]
    text = all(byte >= 32 or byte in b"\t\n\r" for byte in start)
    if start and text and not start.startswith(b"#!"):
        return _refused(_not_a_program(found))
    return None


# --------------------------------------------------------------------------------------- the start


def launch(
    found: Found,
    argv: Sequence[str],
    cwd: str | None,
    env: Mapping[str, str] | None,
    *,
    stdin: bool = False,
) -> Launched:
    """Start it in a session and process group of its own. Raises ``OSError`` and ``ValueError``
    (a NUL byte), which ``explain`` understands. Needs no time: vfork, as long as there is nothing
    to run in the child (CPython's ``_posixsubprocess``)."""
    ours: list[int] = []
    theirs: list[int] = []
    try:
        for outgoing in (False, False, True)[: 3 if stdin else 2]:
            read, write = os.pipe()
            ours.append(write if outgoing else read)
            theirs.append(read if outgoing else write)
            os.set_blocking(ours[-1], False)
        process = subprocess.Popen(
            list(argv),
            executable=found.path,
            stdin=theirs[2] if stdin else subprocess.DEVNULL,
            stdout=theirs[0],
            stderr=theirs[1],
            cwd=cwd,
            env=None if env is None else dict(env),
            start_new_session=True,
        )
    except BaseException:
        for fd in ours:
            os.close(fd)
        raise
    finally:
        for fd in theirs:
            os.close(fd)
    return Launched(
        process=process, stdout=ours[0], stderr=ours[1], stdin=ours[2] if stdin else None
    )


def default_signals() -> None:
    """Make sure that children start with the default signals, whatever we were started with.

    A signal that is ignored (``nohup``, a job in a shell's background) or blocked stays so over
    exec (signal(7)); one that is *handled* goes back to its default. So a handler that does nothing
    takes the place of "ignore". SIGCHLD ignored would take our children's exit status. Acts on
    the main thread only; SIGPIPE and SIGXFSZ, which Python itself ignores, ``Popen`` restores.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is signal.SIG_IGN:
            to_default = number == signal.SIGCHLD
            signal.signal(number, signal.SIG_DFL if to_default else lambda *_: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


# --------------------------------------------------------------------------------- what went wrong

_OUR_LIMITS = {
    errno.E2BIG: "its arguments and environment together are larger than the system allows",
    errno.EAGAIN: "the limit of processes of this user or this machine is reached (ulimit -u)",
    errno.ENOMEM: "there is not enough memory",
    errno.EMFILE: "dotagent has too many files open (ulimit -n)",
    errno.ENFILE: "this machine has too many files open",
    errno.ETXTBSY: "it is open for writing; try again when it is written",
    errno.ELOOP: "its path or its #! line leads round in circles",
}


def explain(error: Exception, found: Found, cwd: str | None) -> NotStarted:
    """Why exec refused a file that ``find`` had found."""
    if isinstance(error, OSError):
        number = error.errno or 0
        gone = _refused_folder(cwd) if number in (errno.ENOENT, errno.EACCES) else None
        if gone is not None:
            return gone
        interpreter = _interpreter(found.head)
        if number in (errno.ENOENT, errno.EACCES) and interpreter is not None:
            return _bad_interpreter(found.seen, interpreter, number)
        if number == errno.ENOENT:
            return NotStarted(code=NOT_FOUND, why=f"the command {found.seen} has just vanished")
        if number == errno.ENOEXEC:
            return _refused(_not_a_program(found))
        if number == errno.EACCES:
            return _refused(_not_executable(found.seen))
        why = _OUR_LIMITS.get(number) or error.strerror or str(error)
        return _refused(f"{found.seen} could not be started: {why}")
    return _refused(
        f"{found.seen} could not be started: its arguments or its environment hold what no program"
        f" can be given ({error})"
    )


def _bad_interpreter(script: str, interpreter: str, number: int) -> NotStarted:
    if interpreter.endswith("\r"):
        return NotStarted(
            code=NOT_FOUND,
            why=f"{script} has Windows line ends, so its interpreter is not found; mend it with:"
            f" sed -i 's/\\r$//' {script}",
        )
    if number == errno.EACCES:
        return _refused(f"{interpreter}, the interpreter of {script}, is not executable")
    return NotStarted(
        code=NOT_FOUND, why=f"{interpreter}, the interpreter of {script}, does not exist"
    )


def _not_a_program(found: Found) -> str:
    if found.head.startswith(b"\x7fELF"):
        return f"{found.seen} is damaged or made for another kind of machine"
    if not found.head:
        return f"{found.seen} is empty or cannot be read"
    return (
        f"{found.seen} is neither a program nor a script with a #! line; begin it with one, for"
        " example #!/bin/sh"
    )


def _interpreter(head: bytes) -> str | None:
    """What the kernel starts in the file's place: of a script (execve(2)) or of an ELF program."""
    if head.startswith(b"#!"):
        line = head[2:].split(b"\n", 1)[0].strip(b" \t")
        return os.fsdecode(re.split(rb"[ \t]", line)[0]) or None
    if head.startswith(b"\x7fELF"):
        return _loader(head)
    return None


def _loader(head: bytes) -> str | None:
    """The PT_INTERP of a 64-bit little-endian ELF file (elf(5))."""
    if head[4:6] != b"\x02\x01" or len(head) < 64:
        return None
    (table,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    for at in range(table, table + size * count, size or 1):
        if at + 56 > len(head):
            return None
        kind, offset, length = struct.unpack_from("<I4xQ16xQ", head, at)
        if kind == _PT_INTERP and offset + length <= len(head):
            return os.fsdecode(head[offset : offset + length].rstrip(b"\0"))
    return None
