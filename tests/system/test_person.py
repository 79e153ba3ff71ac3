"""Who asks."""

from __future__ import annotations

import os
import pwd

import pytest

from dotagent.system import person

NOBODY_HAS_IT = 54_321_987


def test_the_name_of_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the system's word, not the environment's."""
    monkeypatch.setenv("USER", "somebody")
    monkeypatch.setenv("LOGNAME", "somebody")

    assert pwd.getpwuid(os.getuid()).pw_name == person.name()


def test_who_has_no_name_has_a_number() -> None:
    """A user that the password database does not know is still somebody."""
    assert "user 54321987" == person.name(NOBODY_HAS_IT)
