"""The house is in order: size, purity, docstrings, honest tests, nothing of this machine kept.

Each rule is applied to the whole tree, and beside it stands a snippet that breaks it, so that a
rule which has stopped looking is noticed.
"""

from __future__ import annotations

import ast
import functools
import re
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.support import house, system
from tests.support.house import PACKAGE, ROOT

TESTS = ROOT / "tests"
TOOLS = (ROOT / "bench", ROOT / "scripts")


def check(paths: Iterable[Path], checker: Callable[[ast.Module], list[str]]) -> str:
    """What ``checker`` finds in the files, one finding a line; empty if all is well."""
    return check_text(paths, lambda text: checker(ast.parse(text)))


def check_text(paths: Iterable[Path], checker: Callable[[str], list[str]]) -> str:
    """The same for checkers of plain text."""
    return "".join(
        f"{path.relative_to(ROOT)}: {problem}\n"
        for path in paths
        for problem in checker(path.read_text())
    )


# ------------------------------------------------------------------------------------------- size


def test_modules_are_short() -> None:
    """No module is longer than its budget; a driver's is half of that."""
    modules = house.python_files(PACKAGE, *TOOLS)
    drivers = [
        path
        for path in house.python_files(PACKAGE / "drivers")
        if house.is_driver(ast.parse(path.read_text()))
    ]

    assert "" == check_text(modules, house.too_long) + check_text(
        drivers, lambda text: house.too_long(text, driver=True)
    )


def test_functions_are_short() -> None:
    """No function has more than 40 lines."""
    assert "" == check(house.python_files(PACKAGE, *TOOLS), house.long_functions)


def test_length_is_noticed() -> None:
    """One line over a budget is too much, one line under it is not; a docstring is free."""
    body = "    x = 1\n" * house.FUNCTION_LINES
    long = ast.parse(f"class A:\n  async def f():\n{body.replace('    ', '      ')}")
    documented = ast.parse(f'def f():\n    """Say.\n\n    More.\n    """\n{body[:-10]}')

    assert ["line 2: f has 41 lines, 40 are allowed"] == house.long_functions(long)
    assert [] == house.long_functions(documented)
    assert ["401 lines, 400 are allowed"] == house.too_long("x\n" * 401)
    assert ["201 lines, 200 are allowed"] == house.too_long("x\n" * 201, driver=True)
    assert [] == house.too_long("x\n" * 400)
    assert house.is_driver(ast.parse("class Config: ..."))


# ----------------------------------------------------------------------------------------- purity


def test_time_chance_and_processes_stay_at_the_edge() -> None:
    """Only the rooms that own them use the clock, chance, identity, environment and processes."""
    found = [
        check([path], functools.partial(house.banned_calls, room=house.room_of(path)))
        for path in house.python_files(PACKAGE)
    ]

    assert "" == "".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime\ndatetime.now(tz)",
        "from datetime import datetime as moment\nmoment.utcnow()",
        "import datetime as d\nd.date.today()",
        "import time\ntime.time()",
        "import time as t\nnow = t.time_ns",
        "from time import sleep",
        "import asyncio\nasync def f():\n    await asyncio.sleep(1)",
        "import asyncio\nasyncio.create_subprocess_exec",
        "import random",
        "from random import uniform as u",
        "def f():\n    import uuid",
        "from os import environ",
        "import os\nos.environ['HOME']",
        "import os\nos.getenv('HOME')",
        "import subprocess",
        "import secrets",
    ],
)
def test_impurity_is_noticed(source: str) -> None:
    """Each way to reach time, chance, identity, environment or processes is seen."""
    assert house.banned_calls(ast.parse(source), "core")


def test_purity_is_not_accused() -> None:
    """Types, arithmetic and names that only look alike are no impurity."""
    source = (
        "import datetime, os, time\nfrom datetime import datetime as dt\n"
        "dt.fromtimestamp(0, tz); os.path.join('a'); time.monotonic(); clock.now(); self.random(); "
        "secrets.get('A'); uuid = random"
    )

    assert [] == house.banned_calls(ast.parse(source), "core")


def test_each_room_has_its_own_rights() -> None:
    """The system room may do all of it, the command line only read its environment."""
    source = ast.parse("import os, subprocess\nos.environ")

    assert [] == house.banned_calls(source, "system")
    assert [
        "line 1: subprocess belongs to system/; take it as an argument or through a port"
    ] == house.banned_calls(source, "cli")


def test_what_is_imported_is_declared() -> None:
    """The package imports the standard library, itself, and what pyproject.toml depends on."""
    check_declared = functools.partial(house.undeclared, declared=dependencies())

    assert "" == check(house.python_files(PACKAGE), check_declared)


def test_an_undeclared_import_is_noticed() -> None:
    """A package that only another one brings along is seen; the declared and our own are not."""
    source = "import os.path, dotagent.core\nfrom click import echo\ndef f():\n  import attr._make"

    assert ["line 4: attr is no dependency"] == house.undeclared(
        ast.parse(source), frozenset({"Click"})
    )


# ------------------------------------------------------------------------------------- docstrings


def test_modules_say_what_they_are() -> None:
    """Every module but an empty ``__init__`` has a docstring."""
    modules = [path for path in house.python_files(PACKAGE, TESTS, *TOOLS) if path.stat().st_size]

    assert "" == check(modules, house.without_docstring)


def test_packages_are_empty() -> None:
    """Only the root's ``__init__.py`` holds anything."""
    inits = [
        path
        for path in house.python_files(PACKAGE, TESTS, *TOOLS)
        if path.name == "__init__.py" and path != PACKAGE / "__init__.py"
    ]

    assert "" == check_text(inits, house.not_empty)


def test_silence_and_clutter_are_noticed() -> None:
    """A module without a docstring and an ``__init__`` with an import are found."""
    assert ["has no module docstring"] == house.without_docstring(ast.parse("x = 1"))
    assert ["must be empty"] == house.not_empty("from a import b\n")


# ------------------------------------------------------------------------------------------ tests

HONESTY = (
    house.idle_asserts,
    house.unsaid_tests,
    house.skips,
    house.sleeps,
    house.patches,
)


@pytest.mark.parametrize("checker", HONESTY, ids=lambda checker: checker.__name__)
def test_tests_are_honest(checker: Callable[[ast.Module], list[str]]) -> None:
    """Tests assert something, say what, skip nothing, wait for no time and patch nothing."""
    support = TESTS / "support"
    tests = [path for path in house.python_files(TESTS) if support not in path.parents]

    assert "" == check(tests, checker)


@pytest.mark.parametrize(
    ("checker", "source"),
    [
        (house.idle_asserts, "assert True"),
        (house.idle_asserts, "assert 1, 'fine'"),
        (house.unsaid_tests, "class TestIt:\n  async def test_x(self): ..."),
        (house.skips, "import pytest\npytest.skip('later')"),
        (house.skips, "from pytest import skip"),
        (house.skips, "import pytest\n@pytest.mark.skipif(True)\ndef f(): ..."),
        (house.skips, "import pytest\npytestmark = pytest.mark.xfail"),
        (house.sleeps, "import time\ntime.sleep(0.1)"),
        (house.sleeps, "import asyncio\nasync def f(): await asyncio.sleep(0.1)"),
        (house.patches, "from unittest import mock"),
        (house.patches, "def test(monkeypatch): monkeypatch.setattr(a, 'b', c)"),
    ],
)
def test_dishonesty_is_noticed(checker: Callable[[ast.Module], list[str]], source: str) -> None:
    """Each kind of test that proves nothing is seen."""
    assert checker(ast.parse(source))


def test_honesty_is_not_accused() -> None:
    """Yielding to others, setting a variable and marking by parameters are all allowed."""
    source = ast.parse(
        "import asyncio, pytest\nasync def f(monkeypatch):\n  await asyncio.sleep(0)\n"
        "  monkeypatch.setenv('A', 'b')\n  assert f\n@pytest.mark.parametrize('a', [1])\n"
        "def test_a():\n  '''Says.'''"
    )

    assert [] == [problem for checker in HONESTY for problem in checker(source)]


# ------------------------------------------------------------------------------------------ files


def test_nothing_of_this_machine_is_kept() -> None:
    """No kept file names a folder of this machine or the host of a package index."""
    places = house.machine_places(ROOT, Path.home())

    assert "" == check_text(house.kept_files(), lambda text: house.foreign_places(text, places))


def test_foreign_places_are_noticed() -> None:
    """The project's own path, a home and an index are seen; what merely contains them is not."""
    places = house.machine_places(Path("/build/7/dotagent"), Path("/home/ana"))
    bad = f"cd /build/7/dotagent/src\nsee /home/ana\nhttps://{house.INDEX_HOSTS[0]}/x\n"

    assert 4 == len(house.foreign_places(bad, places)) + (places == ("/build/7",))
    assert [] == house.foreign_places("a/home/ana, $HOME/home/ana, /home/anabel", places)
    assert ("/home/ana", "/tmp/dotagent") == house.machine_places(
        Path("/tmp/dotagent"), Path("/home/ana")
    )


def test_locks_hold_only_pins_and_hashes() -> None:
    """Every line of every requirements file is a pinned version or a hash."""
    locks = sorted((ROOT / "requirements").glob("*.txt"))

    assert ["build.txt", "dev.txt", "lock.txt", "runtime.txt"] == [path.name for path in locks]
    assert "" == check_text(locks, house.loose_pins)


def test_locks_cover_what_is_declared() -> None:
    """What pyproject.toml depends on is locked, extras for the tests only; and the development set
    agrees with the others."""
    runtime, build, dev = (pins(name) for name in ("runtime", "build", "dev"))

    assert set() == dependencies(extras=False) - {pin.partition("==")[0] for pin in runtime}
    assert set() == dependencies() - {pin.partition("==")[0] for pin in dev}
    assert set() == (runtime | build) - dev


@pytest.mark.parametrize(
    "line",
    ["--index-url https://example.org", "a>=1 \\", "a @ file:///a.whl", "# via b", "-e .", "a==1"],
)
def test_a_loose_pin_is_noticed(line: str) -> None:
    """Addresses, ranges, local files, comments and pins without a hash are seen."""
    assert house.loose_pins(line)


def test_system_packages_are_those_that_tests_require() -> None:
    """The script that installs and the helper that skips know the same programs and packages."""
    script = (ROOT / "scripts" / "system-packages").read_text()
    wanted = re.findall(r"^want (\S+) (\S+)$", script, re.MULTILINE)

    assert system.PACKAGES == dict(wanted)


def pins(name: str) -> set[str]:
    """The ``name==version`` of one requirements file."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return {line.split()[0] for line in text.splitlines() if "==" in line}


def dependencies(*, extras: bool = True) -> frozenset[str]:
    """The names of all that pyproject.toml depends on at run time, with or without the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    more = project.get("optional-dependencies", {}).values() if extras else ()
    wanted = [*project["dependencies"], *(each for extra in more for each in extra)]
    return frozenset(re.split(r"[<>=!~;\[ ]", each)[0] for each in wanted)
