"""Bytes of a TOML file: its table, or what is wrong with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotagent.core.model import Problem
from dotagent.core.problems import Findings
from dotagent.core.toml import (
    LARGEST,
    MOST_PROBLEMS,
    Document,
    read,
    table_of,
    tables_of,
    warn_of_unknown,
)


def test_toml_1_1() -> None:
    """Inline tables over several lines, trailing commas, ``\\e`` and times without seconds."""
    document = read(b'a = {\n  b = 1,\n  c = "\\e\\x41",\n}\nt = 07:32\r\n')

    assert isinstance(document, Document)
    assert {"b": 1, "c": "\x1bA"} == document.table["a"]
    assert document.notes == ()


@pytest.mark.parametrize(
    ("data", "line", "says"),
    [
        (b"a = \nb = 1\n", 1, "this is no value: text needs quotes"),
        (b"[run\n", 1, "the name of the table is not closed with ]"),
        (b"a = hello\nb = 1\n", 1, "or a [ before it is not closed (Invalid value)"),
        (b"a = \n", 1, "the file or its last line ends too early"),
        (b"a = 1\na = 2\nb = 3\n", 2, "this key is set a second time"),
        (b"[a]\nx = 1\n[a]\ny = 2\n", 3, "this table is opened a second time"),
        (b"a = {b = 1, b = 2}\n", 1, "this key is set a second time"),
        (b"a = [1,\nb = 2\n", 2, "or a [ before it is not closed"),
        (b"a = [1\nb = 2\n", 2, "a [ was opened and never closed, or a comma is missing"),
        (b"a = [1\n", 2, "the file or its last line ends too early"),
        (b'a = "x\nb = 1\n', 1, "a character that TOML does not allow here"),
        (b"a 1\n", 1, "there is no = after the key"),
        (b"a = 1 2\n", 1, "Expected newline or end of document after a statement"),
        ("é = 1\n".encode(), 1, "this is neither a [table] nor a key = value line"),
        (b"a = 1\nb = \xff\n", 2, "byte 0xff is not UTF-8"),
        ("a = 1".encode("utf-16"), 1, "the file is UTF-16"),
        (b"a = " + b"[" * 3_000, None, "nested too deep"),
        (b"a = " + b"9" * 5_000, None, "a number has too many digits"),
        (b"#" * (LARGEST + 1), None, "1 MiB is the most"),
    ],
)
def test_not_toml(data: bytes, line: int | None, says: str) -> None:
    """What cannot be read is one problem, with its line, in our words and with the reader's."""
    problem = read(data)

    assert isinstance(problem, Problem)
    assert problem.fatal
    assert line == problem.line
    assert says in problem.message


def test_byte_order_mark() -> None:
    """A byte order mark is ignored, with a warning."""
    document = read(b"\xef\xbb\xbfa = 1")

    assert isinstance(document, Document)
    assert document.table == {"a": 1}
    assert [(1, False)] == [(note.line, note.fatal) for note in document.settle(())]


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a document or a problem."""
    assert isinstance(read(data), Document | Problem)


def test_settle_orders_and_places() -> None:
    """Problems come in the order of the file, those without a place first."""
    document = read(b"[a]\nx = 1\n[b]\ny = 2\n")
    assert isinstance(document, Document)
    found = [Problem(path=path, message="bad") for path in ("b.y", "a.z", "", "c", "a.x")]

    settled = document.settle(found)

    assert [("", None), ("c", None), ("a.z", 1), ("a.x", 2), ("b.y", 4)] == [
        (problem.path, problem.line) for problem in settled
    ]


def test_settle_cuts() -> None:
    """Of very many problems the first are shown, and the rest is counted, as fatal as it is."""
    document = read(b"a = 1")
    assert isinstance(document, Document)
    found = [Problem(path="a", message="odd", fatal=False)] * 500

    settled = document.settle([*found, Problem(path="a", message="bad")])

    assert MOST_PROBLEMS == len(settled)
    assert settled[-1] == Problem(path="", message="and 402 more problems; mend these first")


def test_sections() -> None:
    """A table and an array of tables are told apart, with the right brackets as advice."""
    findings = Findings()
    root = {"run": [{}], "schedules": {}, "notifiers": [{"a": 1}, 2, {"b": 1}], "hooks": 1}

    assert table_of(root, "run", findings) is None
    assert table_of(root, "agent", findings) is None
    assert {} == tables_of(root, "schedules", findings)
    assert {} == tables_of(root, "hooks", findings)
    assert {} == tables_of(root, "preflight", findings)
    assert {0: {"a": 1}, 2: {"b": 1}} == tables_of(root, "notifiers", findings)
    assert [
        Problem(
            path="run",
            message="a list, where a table is needed",
            hint="write it once, as [run]",
        ),
        Problem(
            path="schedules",
            message="a table, where a list of tables is needed",
            hint="write [[schedules]], with two brackets",
        ),
        Problem(path="hooks", message="a whole number, where a list of tables is needed"),
        Problem(path="notifiers[1]", message="a whole number, where a table is needed"),
    ] == findings.found


def test_too_many_tables() -> None:
    """Thousands of entries are one problem, not thousands."""
    findings = Findings()

    assert {} == tables_of({"schedules": [{}] * 1_001}, "schedules", findings)
    assert ["1,001 entries; at most 1,000"] == [each.message for each in findings.found]


def test_unknown_sections() -> None:
    """A section nobody reads is a warning with the nearest right name; very many are counted."""
    findings = Findings()
    warn_of_unknown({"agnet": {}, "agent": {}}, ("agent", "run"), findings)
    warn_of_unknown({f"k{at}": 1 for at in range(25)}, ("agent",), findings)

    assert not findings.fatal
    assert len(findings.found) == 22
    assert findings.found[0].hint == "agent"
    assert findings.found[-1].message == "5 more unknown sections, ignored"
