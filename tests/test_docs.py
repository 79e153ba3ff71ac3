"""docs/drivers.md says what the drivers say."""

from __future__ import annotations

import subprocess
import sys

from dotagent.core.structure import keys_of
from dotagent.drivers.kit import registry
from tests.support.house import ROOT

DRIVERS = ROOT / "docs" / "drivers.md"


def test_up_to_date() -> None:
    """The file is what the script writes now: whoever changes a driver runs `make docs`."""
    done = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )

    assert ("", "") == (done.stdout, done.stderr)
    assert 0 == done.returncode


def test_complete() -> None:
    """Each driver has its section, and there each of its keys and the source of each limit."""
    sections = dict(each.partition("\n")[::2] for each in DRIVERS.read_text().split("\n## ")[1:])
    for name in registry.names():
        driver = registry.load(name)
        assert driver is not None
        missing = {key for key in keys_of(driver.config) if f"\n| `{key}` |" not in sections[name]}
        missing |= {each.source for each in driver.limits if each.source not in sections[name]}
        assert set() == missing
