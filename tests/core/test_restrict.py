"""What ``[security]`` lets through."""

from __future__ import annotations

import pytest

from dotagent.core.manifest_sections import Security
from dotagent.core.restrict import passed, refused_command, refused_plugin, unheld

ENV = {"PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "AWS_KEY": "k", "AWS_ID": "i", "TOKEN": "t"}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ((), set(ENV)),
        (("TOKEN",), {"PATH", "HOME", "LC_ALL", "TOKEN"}),
        (("AWS_*",), {"PATH", "HOME", "LC_ALL", "AWS_KEY", "AWS_ID"}),
        (("NONE",), {"PATH", "HOME", "LC_ALL"}),
    ],
)
def test_only_what_is_named_passes(wanted: tuple[str, ...], names: set[str]) -> None:
    """An empty list restricts nothing; else what a program needs to run, and what is named."""
    assert names == set(passed(ENV, Security(env_passthrough=wanted)))


@pytest.mark.parametrize(
    ("allowed", "command", "starts"),
    [
        ((), "anything", True),
        (("python3",), "python3", True),
        (("python3",), "/opt/evil/python3", False),
        (("./run.sh",), "./run.sh", True),
        (("./run.sh",), "/agents/a/run.sh", True),
        (("/agents/a/run.sh",), "./x/../run.sh", True),
        (("bash", "sh"), "./run.sh", False),
    ],
)
def test_commands(allowed: tuple[str, ...], command: str, starts: bool) -> None:
    """The same words or the same path; a bare name allows no path that merely ends in it."""
    why = refused_command(Security(allowed_commands=allowed), command, "/agents/a")

    assert starts == (why is None)
    assert why is None or command in why


@pytest.mark.parametrize(
    ("allowed", "name", "runs"),
    [
        ((), "warp", True),
        (("warp",), "warp", True),
        (("dotagent-plugin-warp",), "warp", True),
        (("warp",), "sink-file", False),
    ],
)
def test_plugins(allowed: tuple[str, ...], name: str, runs: bool) -> None:
    """By their short or their full name."""
    assert runs == (refused_plugin(Security(allowed_plugins=allowed), name) is None)


def test_what_nobody_here_can_hold_back() -> None:
    """Network and files; the three others are held."""
    held = Security(allowed_commands=("a",), allowed_plugins=("b",), env_passthrough=("C",))
    free = Security(network=("example.org",), filesystem_writable=("/tmp",))

    assert ((), ("filesystem_writable", "network")) == (unheld(held), unheld(free))
