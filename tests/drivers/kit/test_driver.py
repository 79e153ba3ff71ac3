"""Reading what a driver file says about itself."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from dotagent.core.errors import UsageError
from dotagent.drivers import inbox, slack
from dotagent.drivers.kit.driver import advice, example, read


def module(**members: Any) -> ModuleType:
    made = ModuleType("made")
    vars(made).update(members)
    return made


def test_reads_a_driver() -> None:
    """Everything a file says is in the record; a driver is HTTP or it sends by itself."""
    http, other = read("slack", slack), read("inbox", inbox)

    assert (slack.request, slack.classify, None) == (http.request, http.classify, http.send)
    assert (None, None, inbox.send) == (other.request, other.classify, other.send)
    assert (("webhook_url", "channel"), ("webhook_url",)) == (http.target, http.secrets)
    assert slack.LIMITS == http.limits
    assert slack.PACE == http.pace


@pytest.mark.parametrize(
    ("members", "lacks"),
    [
        ({}, "a Config dataclass"),
        ({"Config": dict}, "a Config dataclass"),
        ({"Config": slack.Config}, "request and classify, or an async send"),
        ({"Config": slack.Config, "request": slack.request}, "request and classify"),
        (
            {"Config": inbox.Config, "send": inbox.send, "SECRETS": ("token",)},
            "the setting 'token' that its SECRETS names",
        ),
        (
            {"Config": inbox.Config, "send": inbox.send, "TARGET": ("url",)},
            "the setting 'url' that its TARGET names",
        ),
    ],
)
def test_says_what_a_driver_lacks(members: dict[str, Any], lacks: str) -> None:
    """A file that is no driver is named with what it lacks."""
    with pytest.raises(UsageError, match="driver 'x' cannot be used") as caught:
        read("x", module(**members))

    assert lacks in caught.value.message


def test_example() -> None:
    """The example is the docstring's indented block, without the prose around it."""
    text = example(read("inbox", inbox))

    assert '[[notifiers]]\ndriver = "inbox"\nevents = ["given_up", "recovered"]\n' == text


def test_no_example() -> None:
    """A docstring without an example has an empty one."""
    made = module(Config=inbox.Config, send=inbox.send, __doc__="Nothing.")

    assert "" == example(read("x", made))


def test_advice() -> None:
    """The paragraphs below the example, each on one line, without the marks of a docstring."""
    doc = 'It is x.\n\n    [[notifiers]]\n    driver = "x"\n\nWrite ``id``\nfirst.\n\nThen `b`.\n'
    made = module(Config=inbox.Config, send=inbox.send, __doc__=doc)

    assert ["Write `id` first.", "Then `b`."] == advice(read("x", made))
