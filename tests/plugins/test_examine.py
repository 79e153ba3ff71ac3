"""What plugins say of themselves and of configurations, and what speaks against using one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dotagent.core.secret import Redactor
from dotagent.plugins.client import PluginKind
from dotagent.plugins.examine import Info, info, unfit, verdict
from dotagent.supervisor.speak import speak
from tests.plugins.scripts import bash

ENV = {"PATH": "/usr/bin:/bin"}
GOOD = """case $1 in info) echo '{"name":"demo"}';; validate) cat >&2; echo '{"ok":true}';; esac"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("""echo '{"name":"demo"}'""", Info(name="demo")),
        (
            """echo '{"name":"demo","version":"2","kinds":["sink"],"platforms":[],"x":1}'""",
            Info(name="demo", version="2", kinds=("sink",)),
        ),
        ("echo '{}'", 'its answer has no "name"'),
        ("""echo '{"name":"a","kinds":"sink"}'""", '"kinds" in its answer is no list of texts'),
        ("echo hello", "its answer is not JSON: hello"),
        ("echo why >&2; exit 3", "it gave no answer (exit 3): why"),
    ],
)
async def test_info(tmp_path: Path, body: str, expected: Info | str) -> None:
    """Only its name is needed; what is wrong with the answer is said."""
    assert expected == await info(speak, bash(tmp_path, body), ENV)


async def test_what_decides_is_known_where_nothing_is_shown(tmp_path: Path) -> None:
    """Words that only we know the meaning of give nothing away."""
    body = 'echo \'{"name":"demo","kinds":["sink","any"],"platforms":["linux","darwin","any"]}\''
    found = await info(speak, bash(tmp_path, body), ENV, Redactor((), "no word"))

    assert isinstance(found, Info)
    assert (None, "no word") == (unfit(found, PluginKind.SINK), found.name)
    assert ("sink", "no word") == found.kinds


@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        (Info(name="a"), PluginKind.SINK, None),
        (Info(name="a", kinds=("sink", "notify")), PluginKind.SINK, None),
        (Info(name="a", kinds=("notify",)), PluginKind.SINK, "it is made as notify"),
        (Info(name="a", platforms=("darwin",)), PluginKind.SINK, "it is made for darwin"),
        (Info(name="a", platforms=("linux",)), PluginKind.SINK, None),
    ],
)
def test_unfit(said: Info, kind: PluginKind, why: str | None) -> None:
    """Another kind, another system; what it does not say is no objection."""
    found = unfit(said, kind, "linux")

    assert (found or "").startswith(why or "")
    assert (found is None) == (why is None)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (GOOD, None),
        ("cat > /dev/null; echo unknown verb >&2; exit 1", None),
        ("exit 127", "could not be checked"),
        (
            """case $1 in info) echo '{"name":"demo"}';; *) exit 127;; esac""",
            "could not be checked",
        ),
        (
            """case $1 in info) echo '{"name":"demo"}';; *)
               echo '{"ok":false,"error":"no room for canary-value"}';; esac""",
            "it refuses its configuration: no room for [redacted]",
        ),
    ],
)
async def test_fault(tmp_path: Path, body: str, why: str | None) -> None:
    """Its own no counts, and that nothing was heard; that it knows no such verb does not: nobody
    ever asked. Secrets of the configuration do not come back."""
    redactor = Redactor(["canary-value"])
    said = await verdict(
        speak, bash(tmp_path, body), PluginKind.SINK, {"room": "canary-value"}, ENV, redactor
    )

    assert (why is None) == (said.why is None)
    assert why is None or why in (said.why or "")


async def test_who_does_not_look_at_the_verb_gets_no_configuration(tmp_path: Path) -> None:
    """It would do its work with it, only because it was asked."""
    seen = tmp_path / "seen"
    path = bash(tmp_path, f"cat >> {seen}; echo '{{\"ok\":true}}'")
    said = await verdict(speak, path, PluginKind.SINK, {"room": "x"}, ENV)

    assert said.why is None
    assert "" == seen.read_text()
