"""What a driver must be told before it can send: questions, made from its own record and docstring.

Nothing here knows a single driver: a new one is offered, asked about and checked by existing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from dotagent.core import toml
from dotagent.core.model import Problem
from dotagent.core.shell import word
from dotagent.drivers.kit import registry
from dotagent.drivers.kit.driver import Driver, example, summary

ALWAYS_ON = "inbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One setting. ``kinds``: the types that it takes; ``default`` as a person would write it;
    ``hint``: how it stands in the driver's example."""

    key: str
    required: bool
    secret: bool
    default: str
    hint: str
    kinds: tuple[Any, ...]


def menu() -> list[tuple[str, str]]:
    """Every driver that ships with dotagent, in its own words; the inbox needs no setting up."""
    names = [name for name in registry.names() if name != ALWAYS_ON]
    known = [*registry.KNOWN, *names]
    found = [(name, registry.load(name)) for name in sorted(names, key=known.index)]
    return [(name, summary(driver)) for name, driver in found if driver is not None]


def questions(driver: Driver) -> list[Question]:
    """Every setting that it takes, in its own order."""
    hints = get_type_hints(driver.config)
    written = _written(driver)
    found = []
    for each in fields(driver.config):
        key = each.name.removesuffix("_")
        default = "" if each.default in (MISSING, None) else str(each.default)
        question = Question(
            key=key,
            required=each.default is MISSING and each.default_factory is MISSING,
            secret=key in driver.secrets,
            default=default,
            hint=written.get(key, ""),
            kinds=_kinds(hints[each.name]),
        )
        found.append(question)
    return found


def asked(driver: Driver) -> list[Question]:
    """What everybody is asked: all that it needs, and of the rest where it points and what it must
    hide. The others are for ``--set``."""
    return [
        each
        for each in questions(driver)
        if each.required or ((each.secret or each.key in driver.target) and str in each.kinds)
    ]


def _kinds(hint: Any) -> tuple[Any, ...]:
    """``str | int | None`` is str and int; of ``tuple[str, ...]`` the tuple."""
    parts = get_args(hint)
    origin = get_origin(hint)
    if origin not in (Union, UnionType):
        return (origin or hint,)
    return tuple(kind for part in parts if part is not type(None) for kind in _kinds(part))


def _written(driver: Driver) -> Mapping[str, str]:
    """The values of its example, as they are written there, with the remark beside them."""
    found = {}
    for line in example(driver).splitlines():
        match = re.match(r"([a-z_]+)\s*=\s*(.+)", line)
        if match is not None:
            found[match[1]] = " ".join(match[2].split())
    return found


def read(question: Question, text: str) -> Any:
    """What a person wrote, as the setting takes it; what it cannot be stays text, and the check of
    the whole says so."""
    kinds = question.kinds
    if tuple in kinds and question.hint.startswith("["):
        return [each.strip() for each in text.split(",") if each.strip()]
    if str in kinds or tuple in kinds:
        return text
    if bool in kinds and text.lower() in ("yes", "true", "no", "false"):
        return text.lower() in ("yes", "true")
    if int in kinds and re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    if Mapping in kinds or any(isinstance(kind, type) and issubclass(kind, dict) for kind in kinds):
        return _table(text)
    return text


def flag(question: Question) -> str:
    """How the setting is given with ``--set``, for the shell; a table as the example has it."""
    if not question.hint.startswith("{"):
        return f"--set {question.key}=…"
    table = question.hint.rpartition("}")[0] + "}"
    return f"--set {word(f'{question.key}={table}')}"


def _table(text: str) -> Any:
    """An inline table of TOML; the text itself where it is none."""
    found = toml.read(f"given = {text}".encode(errors="surrogateescape"))
    return text if isinstance(found, Problem) else found.table["given"]
