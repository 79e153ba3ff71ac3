"""Keeps a notifier's secrets out of what is said about a send. Pure.

A service may echo what it was sent: a whole address, its path, one part of it, encoded or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from dotagent.core.fit import shorten
from dotagent.core.model import Outcome, Sent
from dotagent.core.secret import Redactor, pieces

_LONGEST_WHY = 500


@lru_cache(maxsize=256)
def redactor(values: tuple[str, ...]) -> Redactor:
    """Masks ``values``, and of those that are addresses every part that may be secret."""
    return Redactor(tuple(part for value in values for part in pieces(value)))


def seal(outcome: Outcome, secrets: Iterable[str]) -> Outcome:
    """The outcome with its words made safe to store and to show: no secret, one line, bounded."""
    if isinstance(outcome, Sent) and outcome.receipt is None:
        return outcome
    said = outcome.receipt if isinstance(outcome, Sent) else outcome.why
    words = shorten(redactor(tuple(secrets)).text(said or ""), _LONGEST_WHY)
    if isinstance(outcome, Sent):
        return replace(outcome, receipt=words or None)
    return replace(outcome, why=words or "no reason was given")
