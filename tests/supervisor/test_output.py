"""An attempt's output: as it comes, told apart, redacted, and bounded wherever it goes."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from pathlib import Path

import pytest

from dotagent.core.model import Exited, Tail
from dotagent.core.secret import Redactor
from tests.supervisor.children import Field, heard, tell, until

HEADER = "\n=== 2026-05-19T14:30:01-0300 run started · schedule=daily · slug=default ===\n"


async def test_log_begins_with_its_header_and_tells_the_streams_apart(field: Field) -> None:
    """The header, then the output; lines of their own say when the stream changes."""
    first, second = field.fifo("first"), field.fifo("second")
    child = await field.start(
        f"printf half; read x < {first}; echo err >&2; read x < {second}; echo end",
        log_header=HEADER,
    )
    await until_log_ends(field.log, b"half")
    await tell(first)
    await until_log_ends(field.log, b"err\n")
    await tell(second)
    await child.wait()

    assert f"{HEADER}half\n--- stderr ---\nerr\n--- stdout ---\nend\n" == field.log.read_text()
    assert 0o600 == stat.S_IMODE(field.log.stat().st_mode)
    assert 0o700 == stat.S_IMODE(field.log.parent.stat().st_mode)


async def until_log_ends(path: Path, end: bytes) -> None:
    """Return when the live log ends so."""
    await until(lambda: path.exists() and path.read_bytes().endswith(end))


async def test_log_is_appended_to(field: Field) -> None:
    """A second run leaves the first one's log as it is."""
    await field.run("echo one", log_header=HEADER)
    await field.run("echo two", log_header=HEADER)

    assert f"{HEADER}one\n{HEADER}two\n" == field.log.read_text()


async def test_binary_output_is_kept_raw_and_shown_lossily(field: Field) -> None:
    """The log has the bytes, the tail has text; neither is lost for being undecodable."""
    ended = await field.run(r"printf 'ok \377\376 \0 end\n'; printf 'e\303\251\n' >&2")

    assert Tail(text="ok \ufffd\ufffd \0 end") == ended.stdout
    assert Tail(text="eé") == ended.stderr
    assert b"ok \xff\xfe \0 end\n" in field.log.read_bytes()


async def test_flood_is_bounded(field: Field) -> None:
    """Much output: a bounded tail, a bounded log that says what was dropped. (A gigabyte, with the
    daemon's memory and its loop: tests/engine/test_scale.py.)"""
    ended = await field.run(
        "yes 0123456789012345678901234567890123456789 | head -c 20000000; echo; echo end",
        log_max_bytes=1_000_000,
    )

    assert Exited(code=0) == ended.exit
    assert ended.stdout.text.endswith("\nend")
    assert 500 == len(ended.stdout.text.split("\n"))
    assert 487_806 - 499 == ended.stdout.dropped + 1
    log = field.log.read_bytes()
    assert b"\n--- limit of 1,000,000 bytes reached, the rest is dropped ---\n" in log
    assert log.endswith(b"\n--- 19,000,005 bytes were dropped here ---\n")
    assert len(log) < 1_000_200


async def test_endless_line_is_bounded(field: Field) -> None:
    """A line of 50 MB without an end: its last 64 KiB are the tail."""
    ended = await field.run("head -c 50000000 /dev/zero | tr '\\0' x", log_max_bytes=1_000)

    assert Tail(text="x" * 65_536, dropped=1) == ended.stdout


async def test_both_streams_flooded_are_both_read(field: Field) -> None:
    """Neither stream starves the other."""
    ended = await field.run("seq 1 400000 & seq 1 300000 >&2; wait", log_max_bytes=1_000)

    assert "400000" == ended.stdout.text.split("\n")[-1]
    assert "300000" == ended.stderr.text.split("\n")[-1]
    assert (399_500, 299_500) == (ended.stdout.dropped, ended.stderr.dropped)


async def test_secrets_stay_out_of_log_tail_tee_and_result(field: Field) -> None:
    """A secret printed in two halves, with a pause between, shows up nowhere."""
    go = field.fifo("go")
    tee = (str(field.folder / "out"), str(field.folder / "err"))
    child = await field.start(
        f"printf 'token=hunter'; read x < {go}; printf '2-canary!'; printf hunter2-canary >&2;"
        ' echo "summary=used hunter2-canary" > "$F/result"',
        redactor=Redactor(["hunter2-canary"]),
        tee=tee,
    )
    await until_log_ends(field.log, b"token=")
    await tell(go)
    ended = await child.wait()
    written = field.text(str(field.log), *tee)

    assert ("token=[redacted]!", "[redacted]") == (ended.stdout.text, ended.stderr.text)
    assert {"summary": "used [redacted]"} == ended.result
    assert "token=[redacted]!\n--- stderr ---\n[redacted]" in field.log.read_text()
    assert "hunter" not in written


async def test_held_back_text_comes_at_the_end(field: Field) -> None:
    """What only could have been a secret is not lost."""
    ended = await field.run("printf hunter", redactor=Redactor(["hunter2-canary"]))

    assert "hunter" == ended.stdout.text
    assert b"hunter" == field.log.read_bytes()


async def test_secret_in_a_reason_is_masked(field: Field) -> None:
    """The reason why a command could not start may name a path with a secret in it."""
    reason = await field.refused("/x/hunter2-canary", redactor=Redactor(["hunter2-canary"]))

    assert "the command /x/[redacted] does not exist" == reason.why
    assert "hunter" not in field.log.read_text()


async def test_tee_receives_the_streams_apart_as_they_come(field: Field) -> None:
    """A person who watches sees each stream in its file while the script still runs."""
    go = field.fifo("go")
    out, err = field.folder / "out", field.folder / "err"
    child = await field.start(f"echo a; echo b >&2; read x < {go}", tee=(str(out), str(err)))
    await until_log_ends(out, b"a\n")
    await until_log_ends(err, b"b\n")
    await tell(go)
    ended = await child.wait()

    assert ("a\n", "b\n", ()) == (out.read_text(), err.read_text(), ended.problems)


async def test_stalled_watcher_stalls_nothing(field: Field) -> None:
    """A watcher that stops reading its FIFO loses output; the attempt and the log do not."""
    out = field.fifo("out")
    reader = os.open(out, os.O_RDONLY | os.O_NONBLOCK)
    try:
        ended = await field.run("seq 1 100000", tee=(str(out), str(field.folder / "err")))
    finally:
        os.close(reader)

    assert Exited(code=0) == ended.exit
    assert field.log.read_text().endswith("\n100000\n")
    assert 1 == len(ended.problems)
    assert "bytes are missing there" in ended.problems[0]


async def test_watcher_that_is_not_there_is_a_fact(field: Field) -> None:
    """A FIFO that nobody reads is said and not waited for."""
    ended = await field.run("echo a", tee=(str(field.fifo("out")), str(field.folder / "err")))

    assert Exited(code=0) == ended.exit
    assert "a" == ended.stdout.text
    assert [True] == ["No such device or address" in problem for problem in ended.problems]


@pytest.mark.parametrize("full", [False, True])
async def test_log_that_cannot_be_written_is_a_fact(field: Field, full: bool) -> None:
    """A log that cannot be opened, or a disk that is full, is told and fails nothing."""
    path = "/dev/full" if full else str(field.folder)
    why = "No space left on device" if full else "Is a directory"
    ended = await field.run("echo important; exit 3", log_path=path)

    assert Exited(code=3) == ended.exit
    assert "important" == ended.stdout.text
    assert (f"{path} could not be written: {why}; 10 bytes are missing there",) == ended.problems


async def test_attempt_without_files(field: Field) -> None:
    """Log, result and tee are all optional."""
    ended = await field.run("echo out; echo err >&2", log_path=None, result_path=None)

    assert (Tail(text="out"), Tail(text="err")) == (ended.stdout, ended.stderr)
    assert ({}, None, ()) == (ended.result, ended.result_problem, ended.problems)


async def test_fifty_children_at_once(field: Field) -> None:
    """Fifty attempts side by side each have their own output, exit and log; no descriptor leaks."""
    before = len(os.listdir("/proc/self/fd"))
    script = str(field.script('echo "$1"; echo "e$1" >&2; exit "$1"'))
    orders = [field.order(script, str(n), log_path=f"{field.folder}/{n}.log") for n in range(1, 51)]
    children = await asyncio.gather(*map(field.spawner.start, orders))
    ends = await asyncio.gather(*(child.wait() for child in children))  # type: ignore[union-attr]

    assert [Exited(code=n) for n in range(1, 51)] == [ended.exit for ended in ends]
    assert [str(n) for n in range(1, 51)] == [ended.stdout.text for ended in ends]
    assert [f"e{n}" for n in range(1, 51)] == [ended.stderr.text for ended in ends]
    assert before == len(os.listdir("/proc/self/fd"))
    assert [] == field.left()


async def test_fast_exits_lose_nothing(field: Field) -> None:
    """A process that is gone before anybody looks has its output and exit on record."""
    for number in range(100):
        child = await field.spawner.start(field.order("echo", str(number)))
        ended = await child.wait()  # type: ignore[union-attr]

        assert (Exited(code=0), str(number)) == (ended.exit, ended.stdout.text)


async def test_waiting_child_costs_no_turns(field: Field) -> None:
    """While a silent child runs, the loop sleeps: nothing polls."""
    ready, go = field.fifo("ready"), field.fifo("go")
    child = await field.start(f"echo > {ready}; read x < {go}")
    await heard(ready)
    loop = asyncio.get_running_loop()
    used = time.process_time()
    idle = loop.create_future()
    loop.call_later(0.2, idle.set_result, None)
    await idle
    used = time.process_time() - used
    await tell(go)
    await child.wait()

    assert used < 0.05
