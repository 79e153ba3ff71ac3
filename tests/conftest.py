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
