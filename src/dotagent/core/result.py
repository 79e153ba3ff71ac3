"""What a script reports in ``$AGENT_RESULT``: bytes in, bounded facts and one problem text out.

Invariants: never raises, whatever the script wrote; what is returned is plain JSON data of
bounded size; what could not be used is said, and the rest is still used.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

MAX_BYTES = 64 * 1024
MAX_KEYS = 64
MAX_TEXT = 1_000
"""Characters of ``summary`` and of any other text."""
MAX_LINK = 2_000

OUTCOMES = ("ok", "warn", "skip", "fail")

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_INTEGER_CHARS = 18
_PADDED = re.compile(r"[+-]?0\d")
_SAFE_INTEGER = 2**63
_MILLIS_FROM = 10**11
"""From here on a bare ``retry_at`` counts milliseconds: as seconds it is the year 5138."""
_LATEST = 253_402_300_799_000
"""31 December 9999 in milliseconds."""


def parse_result(data: bytes) -> tuple[Mapping[str, Any], str | None]:
    """Parse ``key=value`` lines or one JSON object.

    Returns the facts and, where something could not be used, one text that says what. Known keys
    come out as: ``summary`` one line of text, ``link`` an http(s) URL, ``outcome`` one of
    ``OUTCOMES``, ``retry_at`` an instant in milliseconds. Other keys are numbers or texts. Empty
    lines and lines that begin with ``#`` are skipped, and a later line wins.
    """
    problems: list[str] = []
    cut = len(data) > MAX_BYTES
    if cut:
        problems.append(f"it is larger than {MAX_BYTES // 1024} KiB; the rest was not read")
        data = data[:MAX_BYTES]
    text = data.decode("utf-8-sig", "replace")
    if text.lstrip().startswith("{"):
        pairs = _json_pairs(text, problems)
    else:
        pairs = _line_pairs(text[: text.rfind("\n") + 1] if cut else text, problems)
    facts: dict[str, Any] = {}
    for key, value in pairs.items():
        if len(facts) == MAX_KEYS:
            problems.append(f"it has more than {MAX_KEYS} keys; the rest was not used")
            break
        try:
            facts[key] = _reader(key)(value)
        except ValueError as error:
            problems.append(f"{key}: {error}")
    return facts, "; ".join(problems) or None


def numbers(result: Mapping[str, Any]) -> str:
    """The numbers that a script reported, for people: ``cost_usd 0.02, rows 7``."""
    found = [
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in result.items()
        if name != "retry_at" and isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return ", ".join(found)


def _json_pairs(text: str, problems: list[str]) -> dict[str, Any]:
    try:
        loaded = json.loads(text)
    except RecursionError:
        problems.append("its JSON is nested too deeply")
        return {}
    except json.JSONDecodeError as error:
        problems.append(f"not valid JSON: {error.msg} at line {error.lineno} column {error.colno}")
        return {}
    except ValueError:
        problems.append("not valid JSON: a number has too many digits")
        return {}
    bad = [key for key in loaded if not _KEY.fullmatch(key)]
    if bad:
        rule = "letters, digits, '_', '.' and '-', 64 at most"
        problems.append(f"{_shown(bad[0])} is no key: {rule}")
    return {key: value for key, value in loaded.items() if key not in bad and value is not None}


def _line_pairs(text: str, problems: list[str]) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    wrong = 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        key = key.strip()
        if not equals or not _KEY.fullmatch(key):
            wrong += 1
            if wrong == 1:
                problems.append(f"line {number} is not key=value: {_shown(line.strip())}")
            continue
        pairs.pop(key, None)
        pairs[key] = value.strip() if key in _KNOWN else _number(value.strip())
    if wrong > 1:
        problems.append(f"{wrong - 1} more lines are not key=value")
    return pairs


def _number(text: str) -> str | int | float:
    """The number that ``text`` spells, else ``text``. What is rather a name than a number stays a
    text: ``007``, ``1_000``, and long rows of digits."""
    if _PADDED.match(text):
        return text
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) <= _INTEGER_CHARS else text
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _shown(value: object) -> str:
    text = str(value)
    return f"'{text[:40]}…'" if len(text) > 40 else f"'{text}'"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _bounded(text: str, limit: int) -> str:
    text = text.replace("\0", "")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _free(value: Any) -> str | int | float:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("is not a finite number")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _SAFE_INTEGER:
        return value
    if isinstance(value, float):
        return value
    return _bounded(_text(value), MAX_TEXT)


def _summary(value: Any) -> str:
    return _bounded(" ".join(_text(value).split()), MAX_TEXT)


def _link(value: Any) -> str:
    link = _text(value).strip()
    if not re.match(r"https?://[^\s/]", link, re.IGNORECASE) or re.search(r"[\s\0-\x1f]", link):
        raise ValueError(f"{_shown(link)} is no http(s) address")
    if len(link) > MAX_LINK:
        raise ValueError(f"is longer than {MAX_LINK} characters")
    return link


def _outcome(value: Any) -> str:
    word = _text(value).strip().lower()
    if word not in OUTCOMES:
        raise ValueError(f"{_shown(word)} is none of {', '.join(OUTCOMES)}")
    return word


def _retry_at(value: Any) -> int:
    """An instant: seconds (or milliseconds) since 1970, or ISO 8601 with its zone."""
    if isinstance(value, str):
        value = _number(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{_shown(_text(value))} is no instant")
    if isinstance(value, str):
        at = _iso(value)
    else:
        if not math.isfinite(value):
            raise ValueError("is not a finite number")
        at = int(value if abs(value) >= _MILLIS_FROM else value * 1000)
    if not 0 < at <= _LATEST:
        raise ValueError(f"{_shown(value)} is no instant between 1970 and 9999")
    return at


def _iso(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{_shown(text)} is neither seconds since 1970 nor a date like 2026-05-19T14:30:00Z"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(f"{_shown(text)} has no zone; write it like 2026-05-19T14:30:00+02:00")
    try:
        return int(moment.timestamp() * 1000)
    except (OverflowError, OSError):
        raise ValueError(f"{_shown(text)} is out of range") from None


def _reader(key: str) -> Callable[[Any], Any]:
    return _KNOWN.get(key, _free)


_KNOWN: Mapping[str, Callable[[Any], Any]] = {
    "summary": _summary,
    "link": _link,
    "outcome": _outcome,
    "retry_at": _retry_at,
}
