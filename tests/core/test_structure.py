"""Tables taken as records: every problem, with its path."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotagent.core.model import Problem
from dotagent.core.problems import Findings
from dotagent.core.structure import inspect, keys_of, salvage, structure
from dotagent.core.values import Rule, Wrong, has_reference, refuse


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Even(Rule):
    def take(self, value: Any) -> int:
        if type(value) is not int:
            raise refuse(value, "a whole number")
        if value % 2:
            raise Wrong(f"{value} is odd")
        return int(value) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    size: int
    label: str = ""

    def check(self) -> Iterator[tuple[str, str]]:
        if self.label == "bad":
            yield "label", "is bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    name: str
    count: int = 1
    share: float = 0.5
    on: bool = False
    from_: str | None = None
    tags: tuple[str, ...] = ()
    mode: Literal["fast", "slow"] | None = None
    level: Literal[1, 2] = 1
    colour: Colour = Colour.RED
    chat: str | int | None = None
    network: Literal["allow", "deny"] | tuple[str, ...] = "allow"
    half: Annotated[int, Even()] = 0
    halves: tuple[Annotated[int, Even()], ...] | None = None
    plain: Annotated[int, "a remark"] = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    anything: Mapping[str, Any] | None = None
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    by_name: Mapping[str, Part] = field(default_factory=dict)

    def check(self) -> Iterator[tuple[str, str]]:
        if self.name == self.from_:
            yield "from_", "must differ from name"
        if not 1 <= self.count <= 9:
            yield "count", f"{self.count} is not 1 to 9"


def problems(table: Mapping[str, Any]) -> list[tuple[str, str, str | None]]:
    found = structure(table, Whole, "x")[1]
    assert all(problem.fatal for problem in found)
    return [(problem.path, problem.message, problem.hint) for problem in found]


def test_good() -> None:
    """Every kind of field takes its value."""
    record, found = structure(
        {
            "name": "n",
            "count": 3,
            "share": 2,
            "on": True,
            "from": "me",
            "tags": ["a", "b"],
            "mode": "slow",
            "level": 2,
            "colour": "blue",
            "chat": -100,
            "network": ["a.example"],
            "half": 8,
            "halves": [2, 4],
            "plain": 5,
            "headers": {"A": "b"},
            "anything": {"a": [1, {"b": 2}]},
            "part": {"size": 1},
            "parts": [{"size": 1}, {"size": 2, "label": "two"}],
            "by_name": {"one": {"size": 1}},
        },
        Whole,
    )

    assert found == []
    assert record == Whole(
        name="n",
        count=3,
        share=2.0,
        on=True,
        from_="me",
        tags=("a", "b"),
        mode="slow",
        level=2,
        colour=Colour.BLUE,
        chat=-100,
        network=("a.example",),
        half=4,
        halves=(1, 2),
        plain=5,
        headers={"A": "b"},
        anything={"a": [1, {"b": 2}]},
        part=Part(size=1),
        parts=(Part(size=1), Part(size=2, label="two")),
        by_name={"one": Part(size=1)},
    )


@pytest.mark.parametrize(
    ("key", "value", "message", "hint"),
    [
        ("name", 5, "a whole number, where text is needed", "write it in quotes"),
        ("name", True, "true or false, where text is needed", "write it in quotes"),
        ("name", [1], "a list, where text is needed", None),
        ("count", "5", "text, where a whole number is needed", "write it without quotes"),
        ("count", "five", "text, where a whole number is needed", None),
        ("count", True, "true or false, where a whole number is needed", None),
        ("count", 5.0, "a number, where a whole number is needed", None),
        ("count", 2**63, "a number beyond 64 bits", None),
        ("count", 12, "12 is not 1 to 9", None),
        ("share", "1", "text, where a number is needed", "write it without quotes"),
        ("share", True, "true or false, where a number is needed", None),
        ("share", math.nan, "not a finite number", None),
        ("on", 1, "a whole number, where true or false is needed", None),
        ("on", "true", "text, where true or false is needed", "write it without quotes"),
        ("tags", "a", "text, where a list is needed", "write it in brackets, as [ … ]"),
        ("tags", {}, "a table, where a list is needed", None),
        ("tags", ["a"] * 1_001, "1,001 entries; at most 1,000", None),
        ("mode", "fsat", '"fsat" is not one of the choices; allowed: "fast" or "slow"', "fast"),
        ("mode", 1, "a whole number, where text is needed", "write it in quotes"),
        ("level", 3, '3 is not one of the choices; allowed: "1" or "2"', None),
        ("level", True, "true or false, where a whole number is needed", None),
        ("colour", "rd", '"rd" is not one of the choices; allowed: "red" or "blue"', "red"),
        ("colour", 1, "a whole number, where text is needed", "write it in quotes"),
        ("chat", 1.5, "a number, where text or a whole number is needed", None),
        ("network", "den", '"den" is not one of the choices; allowed: "allow" or "deny"', "deny"),
        ("network", 1, "a whole number, where text or a list is needed", None),
        ("half", 3, "3 is odd", None),
        ("headers", [], "a list, where a table is needed", None),
        (
            "headers",
            dict.fromkeys(map(str, range(1_001)), ""),
            "1,001 entries; at most 1,000",
            None,
        ),
        ("part", 1, "a whole number, where a table is needed", None),
        ("from", "n", "must differ from name", None),
    ],
)
def test_wrong_value(key: str, value: Any, message: str, hint: str | None) -> None:
    """Types are strict; the message says what is needed, and a hint how to write it."""
    assert [(f"x.{key}", message, hint)] == problems({"name": "n", key: value})


@pytest.mark.parametrize(
    ("key", "value", "path", "message"),
    [
        ("tags", ["a", 1], "x.tags[1]", "a whole number, where text is needed"),
        ("network", ["a", 1], "x.network[1]", "a whole number, where text is needed"),
        ("halves", [2, 3], "x.halves[1]", "3 is odd"),
        ("headers", {"a b": 1}, 'x.headers."a b"', "a whole number, where text is needed"),
        ("part", {}, "x.part.size", "missing; it must be set"),
        ("part", {"size": 1, "label": "bad"}, "x.part.label", "is bad"),
        ("parts", [{"size": 1}, {"size": "1"}], "x.parts[1].size", "text, where a whole number"),
        ("parts", [1], "x.parts[0]", "a whole number, where a table is needed"),
        ("by_name", {"a": {}}, "x.by_name.a.size", "missing"),
    ],
)
def test_path(key: str, value: Any, path: str, message: str) -> None:
    """A problem names the exact element."""
    [(found_path, found_message, _)] = problems({"name": "n", key: value})

    assert path == found_path
    assert message in found_message


def test_all_at_once() -> None:
    """Wrong types, missing keys and value rules of the same table are reported together."""
    found = problems({"count": 12, "mode": 1, "tags": [1, "a", 2], "part": {"label": "bad"}})

    assert [
        "x.name",
        "x.tags[0]",
        "x.tags[2]",
        "x.mode",
        "x.part.size",
        "x.part.label",
        "x.count",
    ] == [path for path, _, _ in found]


def test_unknown_keys() -> None:
    """A key nobody reads is a warning with the nearest right name, inside records too."""
    record, found = structure(
        {"name": "n", "colr": 1, "zzz": 1, "parts": [{"size": 1, "lable": 1}], "part": 1.5},
        Whole,
        "x",
    )
    named, warned = structure({"name": "n", "part": {"size": 1, "lable": ""}}, Whole)

    assert record is None
    assert [
        Problem(path="x.part", message="a number, where a table is needed"),
        Problem(path="x.colr", message="unknown key, ignored", hint="colour", fatal=False),
        Problem(path="x.zzz", message="unknown key, ignored", fatal=False),
        Problem(path="x.parts[0].lable", message="unknown key, ignored", hint="label", fatal=False),
    ] == found
    assert named == Whole(name="n", part=Part(size=1))
    assert ["part.lable"] == [problem.path for problem in warned]


def test_very_many_unknown_keys() -> None:
    """Thousands of unknown keys are some warnings and a count."""
    record, found = structure({"size": 1} | {f"k{at}": 1 for at in range(5_000)}, Part)

    assert record is not None
    assert len(found) == 21
    assert found[-1].message == "4980 more unknown keys, ignored"


def test_salvage() -> None:
    """What is right is kept: good elements of a list, defaults for the rest."""
    findings = Findings()

    record = salvage({"tags": ["a", 1], "on": True, "count": "x"}, Whole, "x", findings)

    assert Whole(name="", tags=("a",), on=True) == record
    assert ["x.name", "x.count", "x.tags[1]"] == [problem.path for problem in findings.found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    token: str
    url: str = ""
    tags: tuple[str, ...] = ()
    mode: Literal["a", "b"] = "a"
    priority: int = 1

    def check(self) -> Iterator[tuple[str, str]]:
        if not self.url.startswith("http"):
            yield "url", "must start with http"
        if any("," in tag for tag in self.tags):
            yield "tags", "must not hold a comma"


def test_inspect_leaves_references_alone() -> None:
    """A text with ``${NAME}`` passes what needs its value; a wrong type stays wrong."""
    findings = Findings()
    table = {
        "token": "${T}",
        "url": "${URL}/x",
        "tags": ["${A}", "b,c"],
        "mode": "${M}",
        "priority": "${P}",
        "titel": 1,
    }

    inspect(table, Driver, "n[0]", findings, also=("title",))

    assert [
        Problem(path="n[0].priority", message="text, where a whole number is needed"),
        Problem(path="n[0].titel", message="unknown key, ignored", hint="title", fatal=False),
    ] == findings.found


def test_inspect_judges_the_rest() -> None:
    """Without a reference every rule holds; an escaped one is no reference."""
    findings = Findings()

    inspect({"token": "t", "url": "$${URL}", "mode": "c"}, Driver, "", findings)

    assert {"url", "mode"} == {problem.path for problem in findings.found}


@pytest.mark.parametrize(
    ("value", "refers"),
    [
        ("${A}", True),
        ("x${A", True),
        ("$${A}", False),
        ("$A", False),
        (5, False),
        (["${A}"], True),
        ({"a": "${A}"}, True),
        ([[1]], False),
    ],
)
def test_has_reference(value: Any, refers: bool) -> None:
    """A reference is found in texts, lists and tables."""
    assert refers is has_reference(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    url: str = ""

    def check(self) -> Iterator[tuple[str, str]]:
        raise RuntimeError("secret " + self.url)


def test_a_check_that_fails_is_a_problem() -> None:
    """A driver whose own check raises is reported, without what it said."""
    assert (None, [Problem(path="", message="its own check failed (RuntimeError)")]) == structure(
        {"url": "s3cret"}, Broken
    )


@dataclass(frozen=True)
class Buggy(Rule):
    def take(self, value: Any) -> Any:
        return value + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Careless:
    numbers: tuple[Annotated[int, Buggy()], ...]


def test_a_mistake_of_ours_is_not_hidden() -> None:
    """A rule that raises anything but ``Wrong`` is a bug and shows as one."""
    with pytest.raises(TypeError):
        structure({"numbers": ["a"]}, Careless)


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    mode: Literal["fast", "slow"]
    half: Annotated[int, Even()]
    part: Part
    tags: tuple[str, ...]
    headers: Mapping[str, str]
    chat: str | None


def test_salvage_of_nothing() -> None:
    """Where nothing is said, each field is empty in its own way, and each is missing."""
    findings = Findings()

    record = salvage({}, Required, "", findings)

    assert (
        Required(mode="fast", half=0, part=Part(size=0), tags=(), headers={}, chat=None) == record
    )
    assert [*keys_of(Required)] == [problem.path for problem in findings.found]


def test_keys_of() -> None:
    """A trailing underscore belongs to Python, not to the key."""
    assert "from" in keys_of(Whole)
    assert "from_" not in keys_of(Whole)


SECRET = "hunter2-hunter2"
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.datetimes()
    | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(keys_of(Whole)) | st.text(max_size=3), VALUES, max_size=6))
def test_any_table(table: dict[str, Any]) -> None:
    """Any table is a record or has a fatal problem; only choices repeat what was found."""
    record, found = structure(table, Whole)

    assert (record is None) == any(problem.fatal for problem in found)
    assert all(
        SECRET not in problem.message
        for problem in found
        if problem.path not in ("mode", "colour", "network")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Risky:
    security: str = "tls"

    def caution(self) -> Iterator[tuple[str, str]]:
        if self.security == "none":
            yield "security", "in the clear"


def test_caution() -> None:
    """What is allowed and dangerous is a warning at its key, once all else is right."""
    findings = Findings()
    inspect({"security": "none"}, Risky, "notifiers[0]", findings)
    inspect({"security": "tls"}, Risky, "notifiers[1]", findings)
    inspect({"security": 7}, Risky, "notifiers[2]", findings)
    found = [(each.path, each.message, each.fatal) for each in findings.found]

    assert ("notifiers[0].security", "in the clear", False) == found[0]
    assert [True] == [fatal for _, _, fatal in found[1:]]
