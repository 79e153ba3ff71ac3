"""The service file says exactly what was meant, whatever a path holds."""

from __future__ import annotations

import plistlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.unit import LABEL, Service, captured, launchd, systemd

PLAIN = Service(
    argv=("/home/ann/.local/bin/dotagent", "daemon"),
    environment={"DOTAGENT_HOME": "/home/ann/.config/dotagent"},
    stop_grace_ms=30_000,
    log="/home/ann/.config/dotagent/logs/daemon/service.log",
)


def service(argv: tuple[str, ...], **environment: str) -> Service:
    return Service(argv=argv, environment=environment, stop_grace_ms=30_000, log="/log")


def value(unit: str, key: str) -> str:
    """What stands behind ``key=`` in its only line."""
    (found,) = [line.removeprefix(f"{key}=") for line in unit.split("\n") if f"{key}=" in line[:30]]
    return found


def read_back(word: str) -> str:
    """What systemd makes of a quoted word (systemd.syntax(7), "Quoting")."""
    assert '"' == word[0] == word[-1]
    inner, found, at = word[1:-1], [], 0
    while at < len(inner):
        if inner[at] == "\\":
            if inner[at + 1] == "x":
                found.append(chr(int(inner[at + 2 : at + 4], 16)))
                at += 4
                continue
            at += 1
        found.append(inner[at])
        at += 1
    return "".join(found)


def test_unit_runs_the_daemon() -> None:
    """Readiness, watchdog, a stop that lets runs end, no endless start beside another daemon."""
    unit = systemd(PLAIN)

    assert '"/home/ann/.local/bin/dotagent" "daemon"' == value(unit, "ExecStart")
    assert '"DOTAGENT_HOME=/home/ann/.config/dotagent"' == value(unit, "Environment")
    assert {
        "Type": "notify",
        "Restart": "always",
        "RestartPreventExitStatus": "5",
        "KillMode": "mixed",
        "TimeoutStopSec": "90",
        "WatchdogSec": "300",
    } == {key: value(unit, key) for key in UNIT_KEYS}


UNIT_KEYS = (
    "Type",
    "Restart",
    "RestartPreventExitStatus",
    "KillMode",
    "TimeoutStopSec",
    "WatchdogSec",
)


@pytest.mark.parametrize("key", ["Private", "Protect", "NoNewPrivileges", "Limit", "Memory", "CPU"])
def test_nothing_is_hardened(key: str) -> None:
    """Agents are children of the daemon: what limits it would limit them."""
    lines = [line for line in systemd(PLAIN).splitlines() if line.startswith(key)]

    assert [] == lines


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_any_value_is_read_back(text: str) -> None:
    """Spaces, quotes, ``%``, line ends: the manager sees the very value, on one line."""
    unit = systemd(service(("/bin/dotagent", text), HOME=text))
    words = value(unit, "ExecStart").removeprefix('"/bin/dotagent" ')

    assert text == read_back(words).replace("$$", "$").replace("%%", "%")
    assert f"HOME={text}".replace("%", "%%") == read_back(value(unit, "Environment"))


def test_dollar_is_no_variable_in_a_command() -> None:
    """``$`` is doubled in arguments, and left alone where systemd does not look for it."""
    unit = systemd(service(("/bin/dotagent", "$HOME"), X="$HOME"))

    assert '"/bin/dotagent" "$$HOME"' == value(unit, "ExecStart")
    assert '"X=$HOME"' == value(unit, "Environment")


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=40))
def test_launchd_reads_it_back(text: str) -> None:
    """A property list escapes by itself: ``&`` and ``<`` come back as they were."""
    found: dict[str, Any] = plistlib.loads(launchd(service(("/bin/dotagent", text), X=text)))

    assert [LABEL, ["/bin/dotagent", text], {"X": text}, 90] == [
        found["Label"],
        found["ProgramArguments"],
        found["EnvironmentVariables"],
        found["ExitTimeOut"],
    ]


def test_launchd_keeps_only_what_goes_wrong() -> None:
    """It never begins a file anew, so it is given nothing that stands elsewhere too."""
    found: dict[str, Any] = plistlib.loads(launchd(PLAIN))

    assert ("/dev/null", PLAIN.log) == (found["StandardOutPath"], found["StandardErrorPath"])


def test_no_token_is_captured() -> None:
    """What names places, language and screen is kept; a shell's secrets are not, unless named."""
    shell = {
        "PATH": "/bin",
        "LC_TIME": "de_DE",
        "DOTAGENT_ROOT": "/srv",
        "https_proxy": "http://proxy:3128",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t",
        "EDITOR": "vi",
    }

    assert ["DOTAGENT_ROOT", "LC_TIME", "PATH", "https_proxy"] == list(captured(shell))
    assert {"EDITOR": "vi"}.items() <= captured(shell, ["EDITOR"]).items()
