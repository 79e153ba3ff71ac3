"""Short-lived helpers: spoken to and heard under one deadline, with nothing left behind."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from dotagent.ports import Speak, Spoken
from dotagent.supervisor.orphans import MARKER_NAME
from dotagent.supervisor.speak import CAP_BYTES, speak
from tests.supervisor.children import Field, heard, tell

DEADLINE_MS = 20_000


def environment(field: Field) -> dict[str, str]:
    """An environment by which the helper is found."""
    return {"PATH": os.environ["PATH"], MARKER_NAME: field.marker}


async def say(
    field: Field, body: str, stdin: bytes = b"", deadline_ms: int = DEADLINE_MS
) -> Spoken:
    """Speak with a bash script."""
    implementation: Speak = speak
    return await implementation([str(field.script(body))], stdin, environment(field), deadline_ms)


async def test_helper_is_spoken_to_and_heard(field: Field) -> None:
    """It reads its input to the end, and all it says and its status come back."""
    spoken = await say(field, "cat; echo err >&2; exit 3", b"payload")

    assert Spoken(exit_code=3, stdout=b"payload", stderr=b"err\n") == spoken


async def test_large_input_and_output_at_once(field: Field) -> None:
    """A megabyte both ways at the same time does not lock up."""
    payload = b"0123456789abcdef" * 65_536

    assert Spoken(exit_code=0, stdout=payload, stderr=b"") == await say(field, "cat", payload)


async def test_input_that_nobody_reads_is_no_error(field: Field) -> None:
    """A helper that ignores its input and answers has answered (EPIPE)."""
    spoken = await say(field, "exec <&-; echo '{\"ok\": true}'", b"x" * 1_000_000)

    assert Spoken(exit_code=0, stdout=b'{"ok": true}\n', stderr=b"") == spoken


async def test_unread_input_does_not_outlast_the_deadline(field: Field) -> None:
    """A helper that neither reads nor ends is killed at the deadline."""
    spoken = await say(field, "echo begun; sleep inf", b"x" * 1_000_000, deadline_ms=300)

    assert (True, b"begun\n") == (spoken.timed_out, spoken.stdout)
    assert [] == field.left()


async def test_output_is_capped(field: Field) -> None:
    """Of each stream the first megabyte is kept; the rest is read, dropped and said."""
    spoken = await say(field, "head -c 3000000 /dev/zero; echo done >&2")

    assert (True, CAP_BYTES, b"done\n") == (spoken.cut, len(spoken.stdout), spoken.stderr)
    assert 0 == spoken.exit_code


async def test_exactly_the_cap_is_not_cut(field: Field) -> None:
    """A stream of exactly the cap is whole."""
    spoken = await say(field, f"head -c {CAP_BYTES} /dev/zero")

    assert (False, CAP_BYTES) == (spoken.cut, len(spoken.stdout))


async def test_death_by_signal_is_negative(field: Field) -> None:
    """A helper killed by a signal has the signal's number, negative."""
    assert -9 == (await say(field, "kill -9 $$")).exit_code


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [("./no-such-helper", 127, "does not exist"), ("/", 126, "is a folder"), ("", 127, "is empty")],
)
async def test_helper_that_cannot_start(command: str, code: int, words: str) -> None:
    """A helper that cannot be started is a status and a reason, never an exception."""
    spoken = await speak([command], b"", None, DEADLINE_MS)

    assert (code, b"", True) == (spoken.exit_code, spoken.stdout, words in spoken.stderr.decode())


async def test_arguments_no_program_can_take() -> None:
    """A NUL byte in an argument is a reason, too."""
    assert 126 == (await speak(["true", "a\0b"], b"", None, DEADLINE_MS)).exit_code


async def test_own_environment_is_inherited_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an environment of its own a helper has ours."""
    monkeypatch.setenv("DOTAGENT_TEST_WORD", "inherited")
    spoken = await speak(["printenv", "DOTAGENT_TEST_WORD"], b"", None, DEADLINE_MS)

    assert b"inherited\n" == spoken.stdout


async def test_leftovers_are_killed(field: Field) -> None:
    """Background processes, holding the pipes or not, end with the helper."""
    began = time.monotonic()
    spoken = await say(field, "sleep inf & sleep inf >/dev/null 2>&1 & echo ok")

    assert (0, b"ok\n") == (spoken.exit_code, spoken.stdout)
    assert time.monotonic() - began < 10
    assert [] == field.left()


async def test_helper_that_obeys_term_may_say_goodbye(field: Field) -> None:
    """At the deadline TERM comes first; what is said then is heard, the deadline stays exceeded."""
    spoken = await say(
        field, "trap 'echo bye; exit 0' TERM; while :; do read -t 60 x <> <(:); done", b"", 300
    )

    assert (True, b"bye\n") == (spoken.timed_out, spoken.stdout)


async def test_cancelled_caller_leaves_nothing(field: Field) -> None:
    """When the caller is cancelled the helper and its children are killed before it returns."""
    ready = field.fifo("ready")
    speaking = asyncio.create_task(say(field, f"trap '' TERM; sleep inf & echo > {ready}; wait"))
    await heard(ready)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking

    assert [] == field.left()


async def test_many_helpers_side_by_side(field: Field) -> None:
    """Twenty helpers at once each have their own words; a slow one holds up nobody."""
    go = field.fifo("go")
    slow = asyncio.create_task(say(field, f"read x < {go}; echo slow"))
    script = str(field.script("cat", "cat.sh"))
    words = [f"word {number}".encode() for number in range(20)]
    spoken = await asyncio.gather(
        *(speak([script], word, environment(field), DEADLINE_MS) for word in words)
    )
    waiting = not slow.done()
    await tell(go)

    assert words == [answer.stdout for answer in spoken]
    assert waiting
    assert b"slow\n" == (await slow).stdout
