"""The three verbs of the plugins that come with dotagent, as the installed programs answer them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dotagent import __version__
from dotagent.plugins import preflight_cmd, preflight_warp, sink_file
from dotagent.plugins.examine import Info, info, validate
from dotagent.plugins.find import Found, find, search_dirs
from dotagent.plugins.program import Program
from dotagent.supervisor.speak import speak

PROGRAMS = [module.PROGRAM for module in (preflight_cmd, preflight_warp, sink_file)]
ENV = {"PATH": "/usr/bin:/bin"}


def installed(name: str) -> str:
    """The program as discovery finds it, without a PATH that names its folder."""
    found = find(name, search_dirs(ENV, "", "/nowhere"))
    assert isinstance(found, Found)
    return found.path


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
async def test_info(program: Program) -> None:
    """It is found, and says who it is and what it is for."""
    said = await info(speak, installed(program.name), ENV)

    platforms = ("darwin", "linux")
    kinds = program.kinds
    assert Info(name=program.name, version=__version__, kinds=kinds, platforms=platforms) == said


@pytest.mark.parametrize(
    ("name", "config", "why"),
    [
        ("preflight-cmd", {"command": "true", "args": ["x"], "expect_exit": 0}, None),
        ("preflight-cmd", {}, "command is required"),
        ("preflight-cmd", None, "command is required"),
        ("preflight-cmd", {"command": "x", "args": "y"}, "args must be a list of texts"),
        ("preflight-cmd", {"command": "x", "expect_exit": None}, None),
        ("preflight-warp", {}, None),
        ("preflight-warp", {"binary": 3}, "binary must be a text"),
        ("sink-file", {"path": "/tmp/x", "mode": "append", "full_output": True}, None),
        ("sink-file", {"path": ""}, "path is required"),
        ("sink-file", {"path": "x", "full_output": "yes"}, "full_output must be true or false"),
    ],
)
async def test_validate(name: str, config: Any, why: str | None) -> None:
    """Required keys and the types of all."""
    said = await validate(speak, installed(name), config, ENV)

    assert (why is None, why) == (said.ok, said.error)


@pytest.mark.parametrize("stdin", [b"", b"no json", b"[1]", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
async def test_nothing_on_standard_input_breaks_it(program: Program, stdin: bytes) -> None:
    """To ``validate`` it is an empty configuration; ``invoke`` ends with a word, no traceback."""
    path = installed(program.name)
    checked = await speak((path, "validate"), stdin, ENV, 20_000)
    invoked = await speak((path, "invoke"), stdin, ENV, 20_000)

    assert json.loads(checked.stdout)["ok"] is not bool(program.required)
    assert (invoked.exit_code == 1) == program.needs_payload
    assert b"Traceback" not in checked.stderr + invoked.stderr


@pytest.mark.parametrize("argv", [(), ("what",)])
async def test_a_verb_is_needed(argv: tuple[str, ...]) -> None:
    """None or an unknown one: exit 1, a word on standard error, no answer."""
    spoken = await speak((installed("sink-file"), *argv), b"", ENV, 20_000)

    assert (1, b"") == (spoken.exit_code, spoken.stdout)
    assert b"verb" in spoken.stderr


def test_the_programs_import_next_to_nothing(tmp_path: Path) -> None:
    """Nothing of dotagent but the frame they share: they start for every single attempt."""
    for program in PROGRAMS:
        text = Path(str(program.invoke.__code__.co_filename)).read_text()
        ours = [line for line in text.splitlines() if line.startswith("from dotagent")]
        assert all(line.startswith("from dotagent.plugins.program") for line in ours)
