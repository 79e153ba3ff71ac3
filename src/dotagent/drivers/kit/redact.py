"""Keeps a notifier's secrets out of what is said about a send. Pure.

A service may echo what it was sent: a whole address, its path, one part of it, encoded or not. All
of these count as the secret; its host does not, for reasons name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

from dotagent.core.fit import shorten
from dotagent.core.model import Outcome, Sent
from dotagent.core.secret import Redactor

_SHORTEST_PART = 8
_LONGEST_WORD = 15
"""A path holds words like ``services`` as well; a part without a digit counts only beyond this."""
_LONGEST_WHY = 500


@lru_cache(maxsize=256)
def redactor(values: tuple[str, ...]) -> Redactor:
    """Masks ``values``, and of those that are addresses every part that may be secret."""
    return Redactor(tuple(part for value in values for part in _parts(value)))


def _parts(value: str) -> Iterator[str]:
    yield value
    yield from (word for word in value.split() if _is_telling(word))  # as in "Bearer …"
    if "://" not in value:
        return
    try:
        address = urlsplit(value)
        user, password = address.username or "", address.password or ""
    except ValueError:
        return
    pieces = [user, password, address.path, address.query]
    pieces += [text for _, text in parse_qsl(address.query)]
    pieces += [part for part in address.path.split("/") if _is_telling(part)]
    for piece in pieces:
        yield from (piece, unquote(piece))


def _is_telling(part: str) -> bool:
    has_digit = any(char.isdigit() for char in part)
    return len(part) > _LONGEST_WORD or (len(part) >= _SHORTEST_PART and has_digit)


def seal(outcome: Outcome, secrets: Iterable[str]) -> Outcome:
    """The outcome with its words made safe to store and to show: no secret, one line, bounded."""
    if isinstance(outcome, Sent) and outcome.receipt is None:
        return outcome
    said = outcome.receipt if isinstance(outcome, Sent) else outcome.why
    words = shorten(redactor(tuple(secrets)).text(said or ""), _LONGEST_WHY)
    if isinstance(outcome, Sent):
        return replace(outcome, receipt=words or None)
    return replace(outcome, why=words or "no reason was given")
