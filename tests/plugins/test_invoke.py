"""Real plugins, really run: every way a program may behave, and that none survives its call."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from dotagent.plugins.client import Answer, End, PluginKind, invoke, payload
from dotagent.plugins.find import Found, Missing, find
from dotagent.supervisor.speak import speak
from tests.plugins.scripts import bash, python, write

ENV = {"PATH": os.defpath, "LANG": "C.UTF-8"}
SECONDS = 20_000
"""Far more than any of these plugins needs, on a slow machine too."""


async def ask(
    path: str, deadline_ms: int = SECONDS, *, verb: str = "invoke", **changes: Any
) -> Answer:
    said: dict[str, Any] = {
        "kind": PluginKind.NOTIFY,
        "agent": "disk",
        "schedule": "daily",
        "event": "given_up",
        "message": "disk exited 1",
        "config": {"to": "ops"},
    }
    return await invoke(speak, path, payload(**(said | changes)), ENV, deadline_ms, verb=verb)


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_plugin_in_bash(tmp_path: Path) -> None:
    """It reads its verb and the JSON on standard input, and answers on standard output."""
    path = bash(
        tmp_path, f'[ "$1" = invoke ] && cat > {tmp_path}/got; echo \'{{"ok":true,"n":1}}\''
    )

    got = await ask(path, extra={"delivery_id": 7})

    assert got == Answer(end=End.OK, fields={"n": 1})
    assert (tmp_path / "got").read_text() == (
        '{"kind":"notify","agent":"disk","schedule":"daily","event":"given_up",'
        '"message":"disk exited 1","config":{"to":"ops"},"delivery_id":7}'
    )


async def test_a_plugin_in_python(tmp_path: Path) -> None:
    """The same protocol in Python, non-ASCII text and all."""
    path = python(
        tmp_path,
        "said = json.load(sys.stdin)\n"
        'print(json.dumps({"ok": True, "echo": said["message"], "to": said["config"]["to"]}))',
    )

    got = await ask(path, message="Füllstand 91 % 🚨")

    assert got == Answer(end=End.OK, fields={"echo": "Füllstand 91 % 🚨", "to": "ops"})


async def test_only_the_given_environment(tmp_path: Path) -> None:
    """A plugin sees what it is given and nothing of ours."""
    path = bash(tmp_path, f"env | cut -d= -f1 | sort > {tmp_path}/env; echo '{{\"ok\":true}}'")

    got = await ask(path)

    assert got.ok
    assert set((tmp_path / "env").read_text().split()) - {"_", "PWD", "SHLVL"} == set(ENV)


async def test_validate_is_the_same_call(tmp_path: Path) -> None:
    """Another verb, the same kind of answer."""
    path = bash(tmp_path, 'echo "{\\"ok\\":false,\\"error\\":\\"$1: page is required\\"}"')

    got = await ask(path, verb="validate")

    assert got == Answer(end=End.REFUSED, error="validate: page is required")


async def test_a_refusal_with_advice(tmp_path: Path) -> None:
    """A preflight says no, why, and what to do."""
    path = bash(
        tmp_path,
        """echo '{"ok":false,"error":"WARP not connected","suggest":"warp-cli connect"}'""",
    )

    got = await ask(path, kind=PluginKind.PREFLIGHT, event="preflight", message=None)

    assert got == Answer(end=End.REFUSED, error="WARP not connected", suggest="warp-cli connect")


async def test_a_status_with_json(tmp_path: Path) -> None:
    """A non-zero exit keeps the words, and the end of standard error with them."""
    path = bash(
        tmp_path,
        """echo '{"ok":false,"error":"disk full","suggest":"df -h"}'
echo 'no space' >&2
exit 3""",
    )

    got = await ask(path)

    assert got == Answer(
        end=End.REFUSED,
        error="disk full (exit 3): no space",
        suggest="df -h",
        stderr="no space",
    )


async def test_a_status_with_a_traceback(tmp_path: Path) -> None:
    """A Python plugin that breaks is told by the last line of its traceback."""
    path = python(tmp_path, 'raise RuntimeError("the vault is sealed")')

    got = await ask(path)

    assert got.end == End.REFUSED
    assert got.error is not None
    assert got.error.startswith("it gave no answer (exit 1): ")
    assert got.error.endswith("RuntimeError: the vault is sealed")


async def test_warnings_of_a_success_are_kept(tmp_path: Path) -> None:
    """What a plugin says on standard error is there for the log even if all went well."""
    path = bash(tmp_path, """echo 'config is old' >&2; echo '{"ok":true}'""")

    assert await ask(path) == Answer(end=End.OK, stderr="config is old")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("echo done", "its answer is not JSON: done"),
        ("true", "it gave no answer"),
        (r"printf '\xff\xfe{}'", "its answer is not UTF-8"),
        (
            """echo '{"ok":true}'; echo '{"ok":true}'""",
            'it printed more than one JSON object: then came {"ok":true}',
        ),
        ("""echo '{"ok":"true"}'""", '"ok" in its answer is "true", not true or false'),
        ("kill -KILL $$", "it gave no answer (killed by SIGKILL)"),
    ],
)
async def test_garbage(tmp_path: Path, body: str, why: str) -> None:
    """What cannot be understood is a failure that says what came."""
    got = await ask(bash(tmp_path, body))

    assert got == Answer(end=End.BROKEN, error=why)


async def test_a_plugin_that_hangs(tmp_path: Path) -> None:
    """Past its deadline it is stopped, with everything it started, and nobody knows what it did."""
    path = bash(tmp_path, f"echo $$ > {tmp_path}/pid\nsleep 600 & echo $! >> {tmp_path}/pid\nwait")

    got = await ask(path, 200)

    assert got == Answer(end=End.TIMED_OUT, error="it did not finish within 0.2 s and was stopped")
    if (tmp_path / "pid").exists():  # a machine under load may not even have come to its first line
        assert not any(alive(int(pid)) for pid in (tmp_path / "pid").read_text().split())


@pytest.mark.parametrize("stream", ["1", "2"])
async def test_a_plugin_that_floods(tmp_path: Path, stream: str) -> None:
    """Ten million bytes on either stream: bounded, and never taken for an answer."""
    path = bash(tmp_path, f"head -c 10000000 /dev/zero | tr '\\0' x >&{stream}")

    got = await ask(path)

    assert got.end == End.BROKEN
    assert got.error is not None
    assert len(got.error) < 500
    assert len(got.stderr) <= 8_192


async def test_a_plugin_that_floods_standard_error_and_answers(tmp_path: Path) -> None:
    """However much it logs, its answer counts."""
    path = bash(tmp_path, """head -c 5000000 /dev/zero | tr '\\0' x >&2; echo '{"ok":true}'""")

    assert (await ask(path)).ok


async def test_a_plugin_that_does_not_read(tmp_path: Path) -> None:
    """A message that fills the pipe and is never read is no failure of the plugin."""
    path = bash(tmp_path, """echo '{"ok":true}'""")

    assert await ask(path, message="x" * 1_048_576) == Answer(end=End.OK)


async def test_a_plugin_that_does_not_read_and_hangs(tmp_path: Path) -> None:
    """Writing to it is under the deadline too."""
    path = bash(tmp_path, "exec sleep 600")
    began = time.monotonic()

    got = await ask(path, 200, message="x" * 1_048_576)

    assert got.end == End.TIMED_OUT
    assert time.monotonic() - began < 10


async def test_a_plugin_that_talks_before_it_reads(tmp_path: Path) -> None:
    """Both pipes full at once: reading and writing go on side by side."""
    path = python(
        tmp_path,
        'sys.stderr.write("y" * 300_000)\nsys.stderr.flush()\n'
        'said = json.load(sys.stdin)\nprint(json.dumps({"ok": True, "n": len(said["message"])}))',
    )

    got = await ask(path, message="x" * 1_048_576)

    assert (got.end, got.fields) == (End.OK, {"n": 1_048_576})


async def test_a_plugin_that_leaves_a_child_with_the_pipes(tmp_path: Path) -> None:
    """It answered and went: its child neither holds the answer up nor lives on."""
    path = bash(tmp_path, f"""sleep 600 & echo $! > {tmp_path}/pid\necho '{{"ok":true}}'\nexit 0""")
    began = time.monotonic()

    got = await ask(path)

    assert got == Answer(end=End.OK)
    assert time.monotonic() - began < 15
    assert not alive(int((tmp_path / "pid").read_text()))


async def test_many_at_once(tmp_path: Path) -> None:
    """One that waits delays none of the others."""
    os.mkfifo(tmp_path / "go")
    quick = bash(tmp_path, """echo '{"ok":true}'""", short="quick")
    slow = bash(tmp_path, f"""read < {tmp_path}/go; echo '{{"ok":true}}'""", short="slow")

    waiting = asyncio.create_task(ask(slow))
    answers = await asyncio.gather(*(ask(quick) for _ in range(5)))
    still_waiting = not waiting.done()
    await asyncio.to_thread((tmp_path / "go").write_text, "\n")

    assert still_waiting
    assert [each.end for each in [*answers, await waiting]] == [End.OK] * 6


async def test_a_plugin_that_is_gone(tmp_path: Path) -> None:
    """Removed between the search and the start: nothing happened, and that is known."""
    got = await ask(str(tmp_path / "dotagent-plugin-gone"))

    assert (got.end, got.invoked, got.unknown) == (End.NOT_STARTED, False, False)
    assert got.error is not None
    assert got.error.startswith("it could not be started (exit 127)")


async def test_a_plugin_that_cannot_be_run(tmp_path: Path) -> None:
    """No x bit, or an interpreter that is not there: not started."""
    dull = write(tmp_path, "dull", "#!/bin/bash\n", mode=0o644)
    odd = write(tmp_path, "odd", "#!/no/such/interpreter\n")

    got = [await ask(str(each)) for each in (dull, odd)]

    assert [each.end for each in got] == [End.NOT_STARTED, End.NOT_STARTED]


async def test_from_the_name_to_the_answer(tmp_path: Path) -> None:
    """A foreign-writable one is passed over, the good one further on is found and answers."""
    write(tmp_path / "a", "demo", "#!/bin/bash\necho '{\"ok\":false}'\n", mode=0o777)
    good = bash(tmp_path / "b", """echo '{"ok":true}'""")

    found = find("demo", [str(tmp_path / "a"), str(tmp_path / "b")])
    missing = find("demo", [str(tmp_path / "a")])

    assert isinstance(missing, Missing)
    assert isinstance(found, Found)
    assert found.path == good
    assert (await ask(found.path)).ok


async def test_a_payload_with_everything(tmp_path: Path) -> None:
    """What the plugin reads is what was meant, at any depth."""
    path = python(tmp_path, 'print(json.dumps({"ok": True, "said": json.load(sys.stdin)}))')
    config = {"list": [1, 2.5, None, True], "text": 'quote " and \\ and \u2028', "deep": {"a": {}}}

    got = await ask(path, config=config)

    assert got.fields["said"]["config"] == json.loads(json.dumps(config))
