"""What every test may ask for, and how long a property may take to find its example."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings

from tests.support import desktop

settings.register_profile("dotagent", deadline=None)
settings.load_profile("dotagent")


@pytest.fixture
def desktop_session() -> Iterator[desktop.DesktopSession]:
    """A private session bus, a virtual display and a real notification daemon on both."""
    with desktop.session() as session:
        yield session


@pytest.fixture
def open_desktop() -> Iterator[Callable[[], desktop.DesktopSession]]:
    """Opens further desktop sessions, which end with the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(desktop.session())


# ------------------------------------------------------------------------------- the laboratories


KNOWN_SEED = 1


def pytest_addoption(parser: pytest.Parser) -> None:
    """``make crash`` explores more than ``make test``."""
    parser.addoption("--times", type=int, default=1, help="how much more a laboratory explores")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes a ``chance`` runs once a seed. ``make test`` tries the same ones each time,
    so that it says something of the change it is run for; ``make crash`` goes where nobody was yet:
    its seeds follow from that of the whole run, which its head prints and ``SEED=`` repeats."""
    if "chance" in metafunc.fixturenames:
        times = metafunc.config.getoption("times")
        run = KNOWN_SEED if times == 1 else metafunc.config.getoption("randomly_seed", KNOWN_SEED)
        most = times * metafunc.module.SEEDS
        metafunc.parametrize("chance", [f"{run}-{number}" for number in range(most)])
