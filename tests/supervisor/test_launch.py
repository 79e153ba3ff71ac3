"""What a child inherits from us besides its order: nothing. What keeps it from starting: said."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dotagent.core.model import NotStarted
from dotagent.supervisor.launch import Found, explain, find
from dotagent.supervisor.speak import speak
from tests.supervisor import children
from tests.supervisor.children import Field, powerless
from tests.support.system import require_root

ROOT = Path(children.__file__).parents[2]

CODE = """
import asyncio, os, signal
from dotagent.ports import Order
from dotagent.supervisor.spawner import RealSpawner
from tests.supervisor.children import StillClock

async def main():
    spawner = RealSpawner(StillClock())
    child = await spawner.start(Order(argv=("grep", "Sig[BI]", "/proc/self/status"), cwd="/",
        env={"PATH": os.environ["PATH"]}, marker="m", timeout_ms=60000))
    ended = await child.wait()
    print(ended.exit.code, ended.stdout.text)
    os.kill(os.getpid(), signal.SIGHUP)
    print("alive")

asyncio.run(main())
"""


def test_children_start_with_default_signals() -> None:
    """A daemon started with signals ignored and blocked hands none of that on; what it was told to
    ignore it still ignores."""
    ignored = "import os, signal, sys\n" + "\n".join(
        f"signal.signal(signal.{name}, signal.SIG_IGN)"
        for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGCHLD", "SIGUSR1")
    )
    blocked = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR2])"
    start = f"{ignored}\n{blocked}\nos.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
    done = subprocess.run(
        [sys.executable, "-c", start, CODE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    words = done.stdout.split()
    # Signals 32 and 33 are the C library's own: nobody can set them, and nobody's test may.
    ours = ~(3 << 31)

    assert "0" == words[0]
    assert ("SigBlk:", 0) == (words[1], int(words[2], 16) & ours)
    assert ("SigIgn:", 0) == (words[3], int(words[4], 16) & ours)
    assert "alive" == words[5]


async def test_child_dies_of_a_broken_pipe(field: Field) -> None:
    """SIGPIPE, which Python ignores, is its default in the child: ``yes | head`` ends quietly."""
    ended = await field.run("yes | head -n 1; echo ${PIPESTATUS[0]}")

    assert f"y\n{128 + signal.SIGPIPE}" == ended.stdout.text
    assert "" == ended.stderr.text


# --------------------------------------------------------------------------------- what find says


def refusal(answer: Found | NotStarted) -> tuple[int, str]:
    """Code and reason of a refusal."""
    assert isinstance(answer, NotStarted)
    return answer.code, answer.why


def test_file_that_may_not_run_is_not_the_end_of_path(tmp_path: Path) -> None:
    """The search goes on after a file without its execute bit; alone, that file is the reason."""
    (tmp_path / "sh").write_text("not executable")
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    found = find("sh", None, env)

    assert isinstance(found, Found)
    assert not found.path.startswith(str(tmp_path))
    assert (126, f"{tmp_path}/sh is not executable; mend it with: chmod +x {tmp_path}/sh") == (
        refusal(find("sh", None, {"PATH": str(tmp_path)}))
    )


def test_path_that_cannot_be_reached(tmp_path: Path) -> None:
    """A name longer than the system allows, and a loop of links, are reasons."""
    (tmp_path / "loop").symlink_to("loop")

    assert "cannot be reached: File name too long" in refusal(find("./" + "x" * 300, None, {}))[1]
    assert "Too many levels of symbolic links" in refusal(find("./loop", str(tmp_path), {}))[1]
    assert "cannot be used: File name too long" in refusal(find("sh", "/" + "x" * 300, {}))[1]


def test_folder_that_may_not_be_entered(tmp_path: Path) -> None:
    """A working directory without its search bit is 126 and says which bit."""
    require_root("to be somebody else for a moment")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o600)
    with powerless():
        answer = find("sh", str(folder), {})
    folder.rmdir()

    assert (
        126,
        f"the working directory {folder} may not be entered; try chmod u+x {folder}",
    ) == refusal(answer)


def unreadable_program() -> Path:
    """A program that others may run, but not read, in a folder that they may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    program = folder / "program"
    program.write_bytes(Path(shutil.which("true") or "").read_bytes())
    program.chmod(0o711)
    return program


async def test_program_that_may_not_be_read_may_run() -> None:
    """Execute permission is enough: not even its first bytes need be readable."""
    require_root("to be somebody else for a moment")
    program = unreadable_program()
    with powerless():
        spoken = await speak([str(program)], b"", None, 20_000)
    shutil.rmtree(program.parent)

    assert 0 == spoken.exit_code


async def test_too_many_open_files_is_a_reason(field: Field) -> None:
    """Without a descriptor left, the start is refused, and the limit is named."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    order = field.order("true", log_path=None)
    before = len(os.listdir("/proc/self/fd"))
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))
    try:
        answer = await field.spawner.start(order)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert isinstance(answer, NotStarted)
    assert (126, True) == (answer.code, "(ulimit -n)" in answer.why)
    assert before == len(os.listdir("/proc/self/fd"))


def test_folder_that_vanished_meanwhile(tmp_path: Path) -> None:
    """A working directory that goes between the look and the start is the reason, not the file."""
    found = find("sh", str(tmp_path), {})
    tmp_path.rmdir()
    gone = FileNotFoundError(2, "No such file or directory")

    assert isinstance(found, Found)
    assert f"directory {tmp_path} does not exist" in explain(gone, found, str(tmp_path)).why


@pytest.mark.parametrize(
    ("head", "code", "words"),
    [
        (b"#!\nexit", 127, "has just vanished"),
        (b"#! \t/opt/x\ty z\nexit", 127, "/opt/x, the interpreter"),
        (b"\x7fELF\x01\x01" + bytes(80), 127, "has just vanished"),
        (b"\x7fELF\x02\x01" + bytes(10), 127, "has just vanished"),
        (b"\x7fELF\x02\x01" + bytes(80), 127, "has just vanished"),
    ],
)
def test_odd_beginnings_are_survived(head: bytes, code: int, words: str) -> None:
    """Whatever stands at the beginning of a file, the reason is one of those there are."""
    found = Found(path="./x", seen="./x", head=head)
    reason = explain(FileNotFoundError(2, "No such file or directory"), found, None)

    assert (code, True) == (reason.code, words in reason.why)
