"""SECURITY.md claims nothing that no test holds."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
ROW = re.compile(r"^\| (?!What they try|What it tries|---)(.+) \|$", re.M)


def missing(text: str) -> list[str]:
    """The tests that a text names and that are not there."""
    lost = []
    for path, name in NAMED.findall(text):
        file = ROOT / path
        if not file.is_file() or (name and name not in _tests(file)):
            lost.append(f"{path}::{name}")
    return lost


def _tests(file: Path) -> set[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(file.read_text())
    return {node.name for node in tree.body if isinstance(node, functions)}


def test_each_claim_has_its_test() -> None:
    """Each line of the tables names at least one, and each that is named is there."""
    text = (ROOT / "SECURITY.md").read_text()
    rows = ROW.findall(text)

    assert 15 < len(rows)
    assert [] == [row for row in rows if not NAMED.search(row)]
    assert [] == missing(text)


def test_a_test_that_is_gone_is_noticed() -> None:
    """A file, or a function of one."""
    gone = "`tests/test_none.py` and `tests/test_security.py::test_none` and `tests/test_house.py`"

    assert ["tests/test_none.py::", "tests/test_security.py::test_none"] == missing(gone)
