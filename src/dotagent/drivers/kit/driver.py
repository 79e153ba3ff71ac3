"""What a driver file says about itself, read once into a record.

A driver is one module of ``dotagent.drivers`` (or of an entry point): ``Config``, ``TARGET``,
``SECRETS``, ``PACE``, ``LIMITS``, a docstring with a TOML example, and either ``request`` with
``classify`` (plain HTTP, pure; ``again`` where an answer can ask for another request) or ``async
send`` (everything else); ``RECALLS`` where that is true, ``FOLDS`` where that is
false.
"""

from __future__ import annotations

import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, is_dataclass
from types import ModuleType
from typing import Any

from dotagent.core.errors import UsageError
from dotagent.core.model import Message, Outcome
from dotagent.ports import Pace, Request, Response, Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most a service takes of something, and where it says so."""

    of: str
    most: int
    unit: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A loaded driver. Either ``request`` and ``classify`` are set, or ``send`` is."""

    name: str
    config: type[Any]
    target: tuple[str, ...]
    """The settings that make up its destination."""
    secrets: tuple[str, ...]
    """The settings that must appear nowhere."""
    pace: Pace
    limits: tuple[Limit, ...]
    doc: str
    folds: bool = True
    """Whether it may be given several events as one message: false where programs read it."""
    request: Callable[[Any, Message, bool], Request] | None = None
    classify: Callable[[Response], Outcome] | None = None
    again: Callable[[Request, Response], Request | None] | None = None
    """The one other request that an answer asks for, if it does: the service has moved it."""
    send: Callable[[Tools, Any, Message], Awaitable[Outcome]] | None = None
    recalls: bool = False
    """Whether a send wants the receipt of the one before it about the same schedule."""


def read(name: str, module: ModuleType) -> Driver:
    """The driver in ``module``; UsageError names what it lacks."""
    config = getattr(module, "Config", None)
    if not (isinstance(config, type) and is_dataclass(config)):
        raise _lacks(name, "a Config dataclass")
    request, classify = getattr(module, "request", None), getattr(module, "classify", None)
    send = getattr(module, "send", None)
    if not ((callable(request) and callable(classify)) or callable(send)):
        raise _lacks(name, "request and classify, or an async send")
    keys = {field.name.removesuffix("_") for field in fields(config)}
    for label in ("TARGET", "SECRETS"):
        if strangers := sorted(set(getattr(module, label, ())) - keys):
            raise _lacks(name, f"the setting {strangers[0]!r} that its {label} names")
    return Driver(
        name=name,
        config=config,
        target=tuple(getattr(module, "TARGET", ())),
        secrets=tuple(getattr(module, "SECRETS", ())),
        pace=getattr(module, "PACE", Pace()),
        limits=tuple(getattr(module, "LIMITS", ())),
        doc=module.__doc__ or "",
        folds=getattr(module, "FOLDS", True),
        request=request,
        classify=classify,
        again=getattr(module, "again", None),
        send=send,
        recalls=getattr(module, "RECALLS", False),
    )


def _lacks(name: str, what: str) -> UsageError:
    return UsageError(f"driver {name!r} cannot be used: it lacks {what}")


def example(driver: Driver) -> str:
    """The TOML of its docstring: the indented block that starts with ``[[notifiers]]``."""
    lines = driver.doc.splitlines()
    starts = [at for at, line in enumerate(lines) if line.strip() == "[[notifiers]]"]
    if not starts:
        return ""
    indent = lines[starts[0]].index("[")
    block = []
    for line in lines[starts[0] :]:
        if line.strip() and len(line) - len(line.lstrip()) < indent:
            break
        block.append(line)
    return textwrap.dedent("\n".join(block)).strip() + "\n"


def summary(driver: Driver) -> str:
    """What it is, in the words of the first paragraph of its docstring."""
    return " ".join(driver.doc.strip().partition("\n\n")[0].split())


def advice(driver: Driver) -> list[str]:
    """The paragraphs below its example: how to get what it needs, what each failure means."""
    paragraphs = driver.doc.strip().split("\n\n")[1:]
    prose = [each for each in paragraphs if not each.lstrip("\n").startswith(" ")]
    # On a terminal as in Markdown one mark is enough.
    return [" ".join(each.split()).replace("``", "`") for each in prose]
