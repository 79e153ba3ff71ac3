"""Finding drivers by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dotagent.core.errors import UsageError
from dotagent.drivers.kit import registry


def test_names_are_files() -> None:
    """What can be sent by is what lies in the folder: a new file needs no list."""
    folder = Path(registry.__file__).parents[1]
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}

    assert files == set(registry.names())


def test_listing_imports_no_driver() -> None:
    """Asking which drivers there are costs none of their imports."""
    code = (
        "import sys; from dotagent.drivers.kit.registry import names; names(); "
        "print([m for m in sys.modules if m in ('aiohttp', 'dotagent.drivers.slack')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[]\n" == done.stdout


def test_nothing_is_loaded_before_it_is_needed() -> None:
    """A daemon holds the HTTP client from its first message over HTTP on, and not before: the
    wiring, all drivers and a send by another way do without it."""
    code = (
        "import asyncio, sys\n"
        "from dotagent import app\n"
        "from dotagent.drivers.kit import aside, registry, sender\n"
        "from dotagent.system.clock import SystemClock\n"
        "app.drivers()\n"
        "print('aiohttp' in sys.modules)\n"
        "async def ping():\n"
        "  async with sender.Kit(clock=SystemClock(), speak=None, env={}) as kit:\n"
        "    print(await kit.ping('http://127.0.0.1:9/', 2_000))\n"
        "asyncio.run(ping())\n"
        "print('aiohttp' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    said = ["False", "no connection to 127.0.0.1:9 (Connection refused)", "True"]
    assert said == done.stdout.splitlines()


def test_known_without_a_file() -> None:
    """A known name whose driver this version lacks is no mistake."""
    for name in set(registry.KNOWN) - set(registry.names()):
        assert registry.load(name) is None


@pytest.mark.parametrize(("name", "hint"), [("slak", "did you mean 'slack'?"), ("zz", None)])
def test_unknown_name(name: str, hint: str | None) -> None:
    """A name nobody knows is an error with the nearest right one."""
    with pytest.raises(UsageError, match=f"there is no driver '{name}'") as caught:
        registry.load(name)

    assert hint == caught.value.hint


@pytest.mark.parametrize("name", ["kit", "kit.http", "../slack", "slack.py", ""])
def test_name_is_no_path(name: str) -> None:
    """A name reaches nothing but a driver file."""
    with pytest.raises(UsageError, match="there is no driver"):
        registry.load(name)


def distribution(folder: Path, source: str) -> None:
    """An installed package with one driver, as pip leaves it."""
    (folder / "acme_pager.py").write_text(source)
    info = folder / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dotagent.drivers]\nacme-pager = acme_pager\n")


DRIVER = '''"""A pager."""
from dataclasses import dataclass
from dotagent.core.model import Sent
TARGET = ("number",)
@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    number: str
async def send(tools, config, message):
    return Sent(receipt=config.number)
'''


def probe(folder: Path) -> str:
    """What a fresh process says about the driver; this one keeps its imports clean."""
    code = (
        "from dotagent.core.errors import UsageError\n"
        "from dotagent.drivers.kit.registry import load\n"
        "try:\n    print(load('acme-pager').target)\n"
        "except UsageError as error:\n    print(error.message)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_third_party(tmp_path: Path) -> None:
    """A driver of another package is found by its entry point."""
    distribution(tmp_path, DRIVER)

    assert "('number',)" == probe(tmp_path)


def test_broken_third_party(tmp_path: Path) -> None:
    """A third party's driver that does not import is named, with the kind of error."""
    distribution(tmp_path, "import nothing_like_this")
    said = probe(tmp_path)

    assert "driver 'acme-pager' of acme_pager cannot be loaded (ModuleNotFoundError)" == said
