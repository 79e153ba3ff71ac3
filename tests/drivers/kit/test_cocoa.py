"""Cocoa where there is none."""

from __future__ import annotations

import pytest

from dotagent.core.model import Unsupported
from dotagent.drivers.kit import cocoa
from dotagent.drivers.kit.journey import Undelivered
from tests.support.system import linux_only


@linux_only
def test_not_here() -> None:
    """On another system it is unsupported, and names the package that is missing."""
    with pytest.raises(Undelivered) as caught:
        cocoa.send("NSUserNotification", "alloc")

    assert isinstance(caught.value.outcome, Unsupported)
    assert "rubicon-objc" in caught.value.outcome.why
