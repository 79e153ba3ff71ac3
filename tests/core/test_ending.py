"""Why a window ended: one list, and nothing beside it."""

from __future__ import annotations

import ast

import pytest

from dotagent.core.ending import Ending, ending_of
from tests.support import house
from tests.support.house import PACKAGE

CLOSERS = {"shut", "give_up", "miss", "dismiss", "Close", "Closing", "_gap", "_end_waiting"}
"""What takes the reason of a window's end."""


@pytest.mark.parametrize("ending", list(Ending))
def test_each_is_recognised(ending: Ending) -> None:
    """As it stands, and with what follows it where something does."""
    follows = {
        Ending.USED_UP: f"{Ending.USED_UP} (3 of 3)",
        Ending.POINTLESS: f"exit 12 {Ending.POINTLESS}",
        Ending.BLOCKED: f"{Ending.BLOCKED} no space",
    }

    assert ending is ending_of(ending)
    assert ending is ending_of(follows.get(ending, ending))


def test_what_somebody_says_is_their_own() -> None:
    """A word of the list at the beginning of another text means nothing."""
    assert {Ending.OWN} == {
        ending_of(text) for text in ("overtaken by events", "removed all files", "exit 75", "")
    }


def test_no_reason_is_written_beside_the_list() -> None:
    """Whoever closes a window takes the reason from the list, or hands on what another one said."""
    found = [
        f"{path.name}: {text}"
        for room in ("core", "store")
        for path in house.python_files(PACKAGE / room)
        for text in literals(ast.parse(path.read_text()))
    ]

    assert [] == found
    assert ["free", "at "] == literals(ast.parse('shut(a, "free")\nClose(why=f"at {b}")'))


def literals(tree: ast.Module) -> list[str]:
    """The texts that calls of ``CLOSERS`` begin a reason with."""
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        for arg in [*call.args, *(each.value for each in call.keywords)] if name in CLOSERS else ():
            first = arg.values[0] if isinstance(arg, ast.JoinedStr) else arg
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value:
                found.append(first.value)
    return found
