"""Secrets that 1Password keeps: real ``op`` stand-ins, really run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dotagent.steps.vault import Vault, fetch, names_in
from dotagent.supervisor.speak import speak


def op(folder: Path, script: str) -> dict[str, str]:
    """An environment with a program ``op``."""
    program = folder / "op"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


async def test_a_value_is_fetched_as_it_is(tmp_path: Path) -> None:
    """To the byte, spaces and line ends too; the program is asked as contract §12 says."""
    env = op(tmp_path, f'echo "$*" > {tmp_path}/asked; printf " a b\\n"')

    assert " a b\n" == await fetch(speak, env, "op://vault/item/field")
    assert "read --no-newline op://vault/item/field\n" == (tmp_path / "asked").read_text()


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'no such item canary' >&2; exit 6", "op, the program of 1Password, ended with 6"),
        ("true", "1Password has an empty value there"),
        ("printf '\\377'", "what 1Password has there is not text"),
        ("yes", "what op, the program of 1Password, printed is too long"),
    ],
)
async def test_why_there_is_no_value(tmp_path: Path, script: str, why: str) -> None:
    """A class of reason, and nothing that ``op`` said."""
    if script == "yes":
        script = "head -c 3000000 /dev/zero | tr '\\0' y"
    found = await fetch(speak, op(tmp_path, script), "op://vault/item/field")

    assert why == str(found)


async def test_without_op() -> None:
    """Not installed is a reason like any other."""
    found = await fetch(speak, {"PATH": "/nowhere"}, "op://vault/item/field")

    assert "was not found in PATH" in str(found)


async def test_what_arrives_is_there_for_everybody_and_what_goes_is_forgotten(
    tmp_path: Path,
) -> None:
    """One slow reference holds up no other; a file that no longer names one drops its value."""
    gate = tmp_path / "gate"
    env = op(
        tmp_path,
        f'case $3 in *slow*) while ! test -e {gate}; do sleep 0.02; done;; esac; echo "$3"',
    )
    vault, done = Vault(), asyncio.Event()
    wanted = {"A": "op://v/quick/f", "B": "op://v/slow/f"}
    vault.want(speak, env, wanted, done.set)
    await vault.arrived(["A", "ELSE"])
    quick = dict(vault.values)
    gate.touch()
    await vault.arrived(["B"])
    both = sorted(vault.values)
    vault.want(speak, env, {"B": "op://v/slow/f"}, done.set)

    assert {"A": "op://v/quick/f\n"} == quick
    assert (["A", "B"], ["B"]) == (both, sorted(vault.values))
    assert done.is_set()
    await vault.close()


async def test_a_failure_is_tried_again_when_the_file_is_read_again(tmp_path: Path) -> None:
    """What failed has a reason until it works."""
    vault = Vault()
    vault.want(speak, op(tmp_path, "exit 1"), {"A": "op://v/i/f"}, lambda: None)
    await vault.arrived(["A"])
    failed = dict(vault.failed)
    vault.want(speak, op(tmp_path, "printf x"), {"A": "op://v/i/f"}, lambda: None)
    await vault.arrived(["A"])

    assert ["A"] == list(failed)
    assert ({"A": "x"}, {}) == (vault.values, vault.failed)


def test_names_at_any_depth() -> None:
    """In tables and lists; a literal names none."""
    assert {"A", "B"} == names_in({"x": ["${A}", {"y": "a ${B}"}], "z": "$${C}", "n": 1})
