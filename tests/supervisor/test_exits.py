"""How an attempt can end by itself, and how it can fail to begin."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from pathlib import Path

import pytest

from dotagent.core.model import Exited, NotStarted, Signaled
from dotagent.supervisor.launch import Found, explain, find
from tests.supervisor.children import NOW, Field

TRUE = Path("/bin/true").read_bytes()


@pytest.mark.parametrize("code", [0, 1, 2, 75, 124, 126, 127, 128, 143, 255])
async def test_exit_code_is_told(field: Field, code: int) -> None:
    """Each exit code comes back as it is, also those that shells use for other things."""
    ended = await field.run(f"exit {code}")

    assert Exited(code=code) == ended.exit
    assert NOW == ended.ended_at
    assert [] == field.left()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT])
async def test_death_by_signal_is_told(field: Field, number: int) -> None:
    """A process that a signal kills is told apart from one that exits."""
    ended = await field.run(f"kill -{number} $$")

    assert Signaled(number=number) == ended.exit


async def test_child_has_a_session_of_its_own(field: Field) -> None:
    """The child leads its session and group, reads nothing, inherits no descriptor but three."""
    child = await field.start(
        "ps -o pid=,pgid=,sid= -p $$; ls /proc/$$/fd; cat; readlink /proc/$$/fd/0"
    )
    ended = await child.wait()

    assert [str(child.pid)] * 3 == ended.stdout.text.split()[:3]
    assert ["/dev/null"] == ended.stdout.text.split()[-1:]
    assert {"0", "1", "2", "255"} == set(ended.stdout.text.split()[3:-1])  # 255: bash's script


async def test_started_ticks_name_the_process(field: Field) -> None:
    """The recorded start time is field 22 of the child's own stat."""
    child = await field.start("cut -d' ' -f22 /proc/$$/stat")
    ended = await child.wait()

    assert str(child.started_ticks) == ended.stdout.text


async def test_start_time_of_a_dead_child_is_known(field: Field) -> None:
    """A child that is gone at once still has its start time on record."""
    child = await field.spawner.start(field.order("true"))

    assert not isinstance(child, NotStarted)
    assert child.started_ticks > 0
    assert Exited(code=0) == (await child.wait()).exit


async def test_umask_and_environment_are_kept(field: Field) -> None:
    """The environment is exactly the order's, the umask the user's."""
    old = os.umask(0o027)
    os.umask(old)
    ended = await field.run('umask; env | cut -d= -f1 | sort | tr "\\n" " "', env={"A": "b=c"})

    umask, names = ended.stdout.text.split("\n")
    assert old == int(umask, 8)
    assert {"A", "AGENT_ATTEMPT_ID", "F", "PATH"} == set(names.split()) - {"PWD", "SHLVL", "_"}


# ---------------------------------------------------------------------------- where the command is


async def test_relative_command_is_sought_in_the_working_directory(field: Field) -> None:
    """``./tool`` means the one in the working directory, and is called by that name."""
    (field.folder / "work").mkdir()
    field.script('echo "$0 $1"', "work/tool.sh")
    child = await field.spawner.start(field.order("./tool.sh", "x", cwd=str(field.folder / "work")))

    assert not isinstance(child, NotStarted)
    assert "./tool.sh x" == (await child.wait()).stdout.text


async def test_bare_name_is_sought_in_the_childs_path(field: Field) -> None:
    """A name without a slash is found by the PATH of the order, not by ours."""
    (field.folder / "bin").mkdir()
    field.script("echo mine", "bin/only-here")
    child = await field.spawner.start(
        field.order("only-here", env={"PATH": f"{field.folder}/bin:/usr/bin:/bin"})
    )

    assert not isinstance(child, NotStarted)
    assert "mine" == (await child.wait()).stdout.text


async def test_relative_folder_in_path_is_of_the_working_directory(field: Field) -> None:
    """An empty element of PATH is the working directory, as exec(3) has it."""
    field.script("echo here", "only-here")
    child = await field.spawner.start(field.order("only-here", env={"PATH": ":/usr/bin:/bin"}))

    assert not isinstance(child, NotStarted)
    assert "here" == (await child.wait()).stdout.text


def test_without_path_the_system_folders_count(tmp_path: Path) -> None:
    """An environment without PATH means /bin and /usr/bin."""
    found = find("sh", str(tmp_path), {})

    assert isinstance(found, Found)
    assert found.path in ("/bin/sh", "/usr/bin/sh")


# -------------------------------------------------------------------------------- what cannot start


async def test_missing_command(field: Field) -> None:
    """An unknown name is 127, and says where it was sought."""
    reason = await field.refused("no-such-command", env={"PATH": "/usr/bin:/bin"})

    assert 127 == reason.code
    assert (
        "the command no-such-command is in no folder of the agent's PATH; in your shell,"
        " command -v no-such-command shows where it is: write that as command" == reason.why
    )


async def test_command_where_only_a_shell_looks(field: Field) -> None:
    """A name that a person's own folder has: told where it is and how to say so."""
    (field.folder / ".local" / "bin").mkdir(parents=True)
    there = field.script("true", name=".local/bin/my-tool")
    reason = await field.refused("my-tool", env={"PATH": "/usr/bin", "HOME": str(field.folder)})

    assert reason.why.endswith(f'it is here: write command = "{there}" in its agent.toml')


async def test_missing_file(field: Field) -> None:
    """A path that leads nowhere is 127, a dangling link says that it is one."""
    os.symlink("nowhere", field.folder / "link")
    missing = await field.refused("./absent.sh")
    dangling = await field.refused("./link")

    assert (
        NotStarted(code=127, why=f"the command {field.folder}/./absent.sh does not exist")
        == missing
    )
    assert (127, True) == (dangling.code, "is a link to a file that" in dangling.why)


async def test_missing_interpreter(field: Field) -> None:
    """A script whose interpreter is not there is 127 and names the interpreter."""
    path = field.script("exit 0", head="#!/opt/no/such/python3 -u")
    reason = await field.refused(str(path))

    assert (
        NotStarted(code=127, why=f"/opt/no/such/python3, the interpreter of {path}, does not exist")
        == reason
    )


async def test_windows_line_ends(field: Field) -> None:
    """A script with Windows line ends says so, and how to mend it."""
    path = field.script("exit 0\r", head="#!/bin/sh\r")
    reason = await field.refused(str(path))
    follow(reason.why.split("mend it with: ")[1])
    ended = await (await field.spawner.start(field.order(str(path)))).wait()  # type: ignore[union-attr]

    assert 127 == reason.code
    assert Exited(code=0) == ended.exit


def follow(advice: str) -> None:
    """Do what the reason says."""
    subprocess.run(advice, shell=True, check=True)


async def test_missing_execute_bit(field: Field) -> None:
    """A script that is not executable is 126, with the command that mends it."""
    path = field.script("exit 0")
    path.chmod(0o644)
    reason = await field.refused(str(path))

    assert (
        NotStarted(code=126, why=f"{path} is not executable; mend it with: chmod +x {path}")
        == reason
    )


async def test_interpreter_that_may_not_run(field: Field) -> None:
    """An interpreter that is not executable is 126 and named."""
    interpreter = field.folder / "interpreter"
    interpreter.write_text("x")
    path = field.script("exit 0", head=f"#!{interpreter}")
    reason = await field.refused(str(path))

    assert (
        NotStarted(code=126, why=f"{interpreter}, the interpreter of {path}, is not executable")
        == reason
    )


async def test_missing_hash_bang(field: Field) -> None:
    """A text without a #! line is no program; the reason says what to put there."""
    path = field.folder / "plain.sh"
    path.write_text("exit 0\n")
    path.chmod(0o755)
    reason = await field.refused(str(path))

    assert 126 == reason.code
    assert reason.why.endswith("begin it with one, for example #!/bin/sh")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\x7fELF\x02\x01\x01" + bytes(200), "made for another kind of machine"), (b"", "is empty")],
)
async def test_damaged_program(field: Field, content: bytes, words: str) -> None:
    """A file that is no program of this machine is 126."""
    path = field.program(content)
    reason = await field.refused(str(path))

    assert (126, True) == (reason.code, words in reason.why)


async def test_missing_loader(field: Field) -> None:
    """A program made for another C library names the loader that is missing."""
    path = field.program(with_loader(TRUE, b"/lib/no-such-loader"))
    reason = await field.refused(str(path))

    assert (
        NotStarted(code=127, why=f"/lib/no-such-loader, the interpreter of {path}, does not exist")
        == reason
    )


def with_loader(program: bytes, loader: bytes) -> bytes:
    """An ELF program that asks for another loader."""
    start = program.index(b"/lib")
    stop = program.index(b"\0", start)
    return program[:start] + loader.ljust(stop - start, b"\0") + program[stop:]


async def test_folder_as_command(field: Field) -> None:
    """A folder and a FIFO are no commands."""
    field.fifo("pipe")

    assert "is a folder" in (await field.refused(str(field.folder))).why
    assert "is not a regular file" in (await field.refused("./pipe")).why
    assert 127 == (await field.refused("")).code


async def test_missing_working_directory(field: Field) -> None:
    """A working directory that is gone is said, and how to make it."""
    reason = await field.refused("true", cwd="/no/such")

    assert (
        NotStarted(
            code=127,
            why="the working directory /no/such does not exist; make it: mkdir -p /no/such",
        )
        == reason
    )


async def test_working_directory_that_is_a_file(field: Field) -> None:
    """A working directory that is no folder is 126."""
    path = field.script("exit 0")
    reason = await field.refused("true", cwd=str(path))

    assert NotStarted(code=126, why=f"the working directory {path} is not a folder") == reason


async def test_arguments_no_program_can_take(field: Field) -> None:
    """A NUL byte and far too many bytes are 126."""
    nul = await field.refused("true", "a\0b")
    big = await field.refused("true", env={"BIG": "x" * 10_000_000})

    assert (126, True) == (nul.code, "hold what no program can be given" in nul.why)
    assert (126, True) == (big.code, "are larger than the system allows" in big.why)


async def test_program_being_written(field: Field) -> None:
    """A program that somebody has open for writing is 126."""
    path = field.program(TRUE)
    with path.open("ab"):
        reason = await field.refused(str(path))

    assert (126, True) == (reason.code, "it is open for writing" in reason.why)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EAGAIN, "ulimit -u"),
        (errno.ENOMEM, "not enough memory"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EIO, "Input/output error"),
        (errno.ENOENT, "has just vanished"),
    ],
)
def test_limits_of_the_system_are_said(number: int, words: str) -> None:
    """What the system refuses for reasons of its own has the reason in words."""
    found = Found(path="/bin/true", seen="/bin/true", head=b"")
    reason = explain(OSError(number, os.strerror(number)), found, None)

    assert (127 if number == errno.ENOENT else 126) == reason.code
    assert words in reason.why


async def test_refusal_is_in_the_log(field: Field) -> None:
    """The log of an attempt that could not start has its header and the reason."""
    await field.refused("no-such-command", log_header="\n=== run started ===\n")

    assert "\n=== run started ===\n--- not started: the command no-such-command is in" in (
        field.log.read_text()
    )
