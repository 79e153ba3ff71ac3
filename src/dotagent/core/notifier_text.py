"""A notifier as it is written: the ``[[notifiers]]`` block of config.toml and the lines of
secrets.env. Pure.

Invariants: what is written reads back as the same values; a secret stands in the secrets file only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dotagent.core.model import SEVERITY, Kind, Severity
from dotagent.core.secret import references

EVENTS = (*(kind for kind in Kind if SEVERITY[kind] is Severity.CRITICAL), Kind.RECOVERED)
"""What a first channel hears of: what needs a person, and that it is over."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_WIDTH = 96


def quoted(text: str) -> str:
    """As a TOML string: JSON's escapes are TOML's too, but for DEL, which JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def value(given: Any) -> str:
    """A text, a number, a truth, a list or a table, as TOML."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        return quoted(given)
    if isinstance(given, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {value(each)}' for key, each in given.items())} }}"
    if isinstance(given, list | tuple):
        return f"[{', '.join(value(each) for each in given)}]"
    return str(given)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else quoted(name)


def block(id: str, driver: str, settings: Mapping[str, Any]) -> str:
    """One notifier, with the events that it is told of."""
    lines = [
        "[[notifiers]]",
        f"id = {quoted(id)}",
        f"driver = {quoted(driver)}",
        *(f"{_key(key)} = {value(each)}" for key, each in settings.items()),
        "events = [",
        *_filled([f"{quoted(kind.value)}," for kind in EVENTS]),
        "]",
    ]
    return "\n".join(lines) + "\n"


def _filled(words: Iterable[str]) -> list[str]:
    lines = [" "]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append(" ")
        lines[-1] += f" {word}"
    return lines


def appended(before: bytes | None, text: str, remark: str) -> bytes:
    """The file with the block at its end, and not a byte of it changed."""
    old = before or b""
    gap = b"" if not old else b"\n" if old.endswith(b"\n") else b"\n\n"
    return old + gap + f"# {remark}\n{text}".encode(errors="surrogateescape")


# ---------------------------------------------------------------------------------------- secrets


def put_away(
    driver: str, settings: Mapping[str, Any], secret: Sequence[str], kept: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings with ``${NAME}`` in place of each secret, and what the names stand for.
    ``kept``: the names that are taken."""
    names: dict[str, str] = {}

    def away(stem: str, given: Any) -> Any:
        if isinstance(given, Mapping):
            return {key: away(f"{stem}_{key}", each) for key, each in given.items()}
        if not isinstance(given, str) or not given or references(given):
            return given
        name = _name(stem, given, {**kept, **names})
        names[name] = given
        return f"${{{name}}}"

    written = {
        key: away(f"{driver}_{key}", each) if key in secret else each
        for key, each in settings.items()
    }
    return written, {name: given for name, given in names.items() if name not in kept}


def _name(stem: str, given: str, taken: Mapping[str, str]) -> str:
    """A name that is free, or that stands for this very secret."""
    plain = re.sub(r"[^A-Z0-9]+", "_", stem.upper()).strip("_")
    name, number = plain, 1
    while taken.get(name, given) != given:
        number += 1
        name = f"{plain}_{number}"
    return name


def secret_lines(before: bytes | None, names: Mapping[str, str]) -> bytes:
    """The secrets file with these at its end."""
    old = before or b""
    gap = b"" if not old or old.endswith(b"\n") else b"\n"
    lines = (
        f'{name}="{"".join(_ESCAPED.get(char, char) for char in given)}"\n'
        for name, given in names.items()
    )
    return old + gap + "".join(lines).encode(errors="surrogateescape")
