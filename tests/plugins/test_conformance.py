"""What the check of a plugin finds; its whole run is seen in ``tests/cli/test_plugin.py``."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dotagent.plugins.conformance import Conformance, Finding
from dotagent.ports import Spoken
from dotagent.supervisor.speak import speak
from tests.plugins.scripts import python, write

ENV = {"PATH": "/usr/bin:/bin"}
BODY = """
verb = sys.argv[1]
if verb == "info":
    print(json.dumps({"name": "demo", "kinds": ["sink"]}))
elif verb == "no-such-verb":
    sys.exit(UNKNOWN)
else:
    said = sys.stdin.buffer.read() if READS else b'{"message":""}'
    try:
        said = json.loads(said)
    except ValueError:
        said = {}
    print(json.dumps(ANSWER))
"""


async def findings(folder: Path, config: Any = None, **values: str) -> dict[str, str]:
    """What is wrong, by what was checked."""
    body = BODY
    for name, value in {"UNKNOWN": "1", "READS": "True", "ANSWER": '{"ok": bool(said)}'}.items():
        body = body.replace(name, values.get(name, value))
    run = Conformance(speak, python(folder, body), ENV, config, 20_000)
    found: list[Finding] = [each async for each in run.run()]
    return {each.what: each.why for each in found if each.why is not None}


async def test_asked_once(tmp_path: Path) -> None:
    """Each question is put once: an answer that takes its time is waited for once."""
    asked: list[str] = []

    async def listening(argv: Sequence[str], *rest: Any) -> Spoken:
        asked.append(argv[1])
        return await speak(argv, *rest)

    values = {"UNKNOWN": "1", "READS": "True", "ANSWER": '{"ok": bool(said)}'}
    body = re.sub("|".join(values), lambda found: values[found[0]], BODY)
    run = Conformance(listening, python(tmp_path, body), ENV, None, 20_000)
    found = [each async for each in run.run()]

    assert all(each.why is None for each in found)
    twice = ["validate"] * 2  # about a configuration, and about what is none
    assert ["info", *twice, *["invoke"] * 3, "no-such-verb"] == asked


async def test_nothing_is_wrong(tmp_path: Path) -> None:
    """Its own kinds only, also with a megabyte of input."""
    assert {} == await findings(tmp_path)


@pytest.mark.parametrize(
    ("values", "what", "why"),
    [
        ({"UNKNOWN": "0"}, "an unknown verb is an error", "exit 0"),
        ({"ANSWER": '{"ok": True}'}, "invoke with input that is no JSON", "all is well"),
        ({"ANSWER": '{"ok": False}'}, "invoke as sink answers", 'no "error"'),
        ({"ANSWER": '{"ok": 1}'}, "it takes a megabyte", "not true or false"),
        ({"ANSWER": "[]"}, "validate answers", "no JSON object"),
    ],
)
async def test_what_is_wrong(tmp_path: Path, values: dict[str, str], what: str, why: str) -> None:
    """Each check can fail, and says why."""
    found = await findings(tmp_path, **values)
    said = next((text for name, text in found.items() if name.startswith(what)), "")

    assert why.replace("no JSON object", "not a JSON object") in said


async def test_input_that_nobody_reads_is_no_fault(tmp_path: Path) -> None:
    """A plugin that needs no message may leave it lying there."""
    found = await findings(tmp_path, READS="False")

    assert {"invoke with input that is no JSON ends with a no, or at least ends"} == set(found)


async def test_a_configuration_that_was_given_must_work(tmp_path: Path) -> None:
    """With one, a clean no is a fault too."""
    found = await findings(tmp_path, {"a": 1}, ANSWER='{"ok": False, "error": "no a"}')

    assert "no a" in found["validate answers about a configuration"]
    assert "no a" in found["invoke as sink answers"]


async def test_what_cannot_be_started_is_said_once(tmp_path: Path) -> None:
    """Nothing else of it can be known."""
    path = write(tmp_path, "demo", "#!/no/such/interpreter\n")
    found = [each async for each in Conformance(speak, str(path), ENV, None, 20_000).run()]

    assert [None, True] == [each.why and each.grave for each in found]
    assert "/no/such/interpreter" in (found[-1].why or "")


async def test_what_others_may_write_is_doubtful(tmp_path: Path) -> None:
    """It keeps to the protocol, but would be passed over where it lies."""
    body = BODY.replace("UNKNOWN", "1").replace("READS", "True")
    text = f"#!{sys.executable}\nimport json, sys\n" + body.replace("ANSWER", '{"ok": bool(said)}')
    path = write(tmp_path, "demo", text, mode=0o777)
    found = [each async for each in Conformance(speak, str(path), ENV, None, 20_000).run()]

    assert [f"may be written by others (chmod go-w {path})"] == [
        each.why for each in found if each.why
    ]
    assert not any(each.grave for each in found if each.why)
