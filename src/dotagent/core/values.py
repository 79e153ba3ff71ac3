"""One TOML value taken as a type: strict scalars, choices, lists, tables, unions, and own rules.

cattrs walks the types and keeps every error with its place; the hooks here say what is taken.
Invariant: no message repeats a value that could be a secret: a wrong type is told by its name only.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from dotagent.core.problems import Part, nearest, one_of, quoted

if TYPE_CHECKING:
    from cattrs import Converter

Hook = Callable[[Any, Any], Any]
Steps = tuple[Part, ...]
"""The way from a record to a value inside it."""

LONGEST_LIST = 1_000
"""Entries, so that a mad file is refused in about a second."""

_INTEGER_BITS = 63
"""TOML's whole numbers, without the sign."""


class Wrong(ValueError):
    """A value of the right type that is not allowed. The message is for the person who wrote it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class WrongType(Wrong):
    """A value of the wrong type; the message names only the type that was found."""


class Several(Exception):
    """All that is wrong inside one record, each with the way there."""

    def __init__(self, wrongs: list[tuple[Steps, Wrong]]) -> None:
        super().__init__()
        self.wrongs = wrongs


class Rule(ABC):
    """What ``Annotated[T, Rule()]`` asks of a value."""

    @abstractmethod
    def take(self, value: Any) -> Any:
        """The value to store; raises ``Wrong`` or ``WrongType``."""


def found(value: Any) -> str:
    """What kind of value stands there, without the value."""
    if isinstance(value, bool):
        return "true or false"
    for kind, name in _FOUND:
        if isinstance(value, kind):
            return name
    return "a date or time"


_FOUND: tuple[tuple[Any, str], ...] = (
    (str, "text"),
    (int, "a whole number"),
    (float, "a number"),
    (Mapping, "a table"),
    (list, "a list"),
)


def refuse(value: Any, needed: str) -> WrongType:
    """The error for a value of the wrong type."""
    message = f"{found(value)}, where {needed} is needed"
    if needed == "text" and isinstance(value, int | float):
        return WrongType(message, "write it in quotes")
    if isinstance(value, str) and _quoted_needlessly(value, needed):
        return WrongType(message, "write it without quotes")
    if needed == "a list" and not isinstance(value, Mapping):
        return WrongType(message, "write it in brackets, as [ … ]")
    return WrongType(message)


def _quoted_needlessly(value: str, needed: str) -> bool:
    if needed == "true or false":
        return value in ("true", "false")
    return "number" in needed and value.isascii() and value.isdigit()


def has_reference(value: Any) -> bool:
    """Whether a text, or one in a list or table, holds ``${NAME}`` and so is known only at send
    time (``$${`` is a literal)."""
    if isinstance(value, Mapping):
        value = list(value.values())
    texts = value if isinstance(value, list | tuple) else (value,)
    return any(isinstance(text, str) and "${" in text.replace("$${", "") for text in texts)


def make_converter(record: Hook) -> Converter:
    """A converter that is strict as TOML is. ``record`` takes a table as a dataclass."""
    from cattrs import Converter

    converter = Converter(detailed_validation=True)
    for scalar in (str, int, bool, float):
        converter.register_structure_hook(scalar, _scalar)
    hooks: tuple[tuple[Callable[[Any], bool], Hook], ...] = (
        (_is(Literal), _choice),
        (lambda kind: isinstance(kind, type) and issubclass(kind, Enum), _member),
        (lambda kind: isinstance(kind, type) and is_dataclass(kind), record),
    )
    for fits, hook in hooks:
        converter.register_structure_hook_func(fits, hook)
    factories = (
        (_is(tuple), _tuple),
        (_is(Mapping), _mapping),
        (_is(Union, UnionType), _union),
        (_is(Annotated), _ruled),
    )
    for fits, factory in factories:
        converter.register_structure_hook_factory(fits, factory)
    return converter


def flat(error: Exception, steps: Steps) -> list[tuple[Steps, Wrong]]:
    """Every leaf of what cattrs and our hooks raised, with the way there. Raises anything else."""
    from cattrs import BaseValidationError, IterableValidationNote

    if isinstance(error, Wrong):
        return [(steps, error)]
    if isinstance(error, Several):
        return [((*steps, *inner), wrong) for inner, wrong in error.wrongs]
    if not isinstance(error, BaseValidationError):
        raise error
    leaves: list[tuple[Steps, Wrong]] = []
    for inner in error.exceptions:
        notes = getattr(inner, "__notes__", ())
        note = next((each for each in notes if isinstance(each, IterableValidationNote)), None)
        leaves.extend(flat(inner, steps if note is None else (*steps, note.index)))
    return leaves


# ------------------------------------------------------------------------------------- hooks


def _is(*origins: Any) -> Callable[[Any], bool]:
    return lambda kind: kind in origins or get_origin(kind) in origins


def _scalar(value: Any, kind: Any) -> Any:
    if issubclass(kind, Enum):  # cattrs looks a StrEnum up as the str that it also is
        return _member(value, kind)
    if kind is float and type(value) is int and abs(value) < 2**53:
        return float(value)
    if type(value) is not kind:
        raise refuse(value, _needed(kind))
    if kind is int and value.bit_length() > _INTEGER_BITS:
        raise Wrong("a number beyond 64 bits")
    if kind is float and not math.isfinite(value):
        raise Wrong("not a finite number")
    return value


def _choice(value: Any, kind: Any) -> Any:
    choices = get_args(kind)
    if any(type(value) is type(choice) and value == choice for choice in choices):
        return value
    if type(value) not in {type(choice) for choice in choices}:
        raise refuse(value, _needed(kind))
    raise _not_one_of(value, [str(choice) for choice in choices])


def _member(value: Any, kind: Any) -> Any:
    if not isinstance(value, str):
        raise refuse(value, "text")
    names = [str(member.value) for member in kind]
    if value not in names:
        raise _not_one_of(value, names)
    return kind(value)


def _not_one_of(value: Any, choices: list[str]) -> Wrong:
    shown = quoted(value) if isinstance(value, str) else str(value)[:24]
    message = f"{shown} is not one of the choices; allowed: {one_of(choices)}"
    return Wrong(message, nearest(str(value), choices))


def _tuple(kind: Any, converter: Converter) -> Hook:
    elements: Any = list[get_args(kind)[0]]  # type: ignore[misc]

    def take(value: Any, _: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise refuse(value, "a list")
        if len(value) > LONGEST_LIST:
            raise Wrong(f"{len(value):,} entries; at most {LONGEST_LIST:,}")
        return tuple(converter.structure(value, elements))

    return take


def _mapping(kind: Any, converter: Converter) -> Hook:
    names, values = get_args(kind) or (str, Any)
    plain: Any = dict[names, values]  # type: ignore[valid-type]

    def take(value: Any, _: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise refuse(value, "a table")
        if len(value) > LONGEST_LIST:
            raise Wrong(f"{len(value):,} entries; at most {LONGEST_LIST:,}")
        taken: Mapping[str, Any] = converter.structure(value, plain)
        return taken

    return take


def _union(kind: Any, converter: Converter) -> Hook:
    """The first member that takes the value. If none does, the error of the member whose type
    fits, else one that names all types. TOML has no null, so ``None`` takes nothing."""
    members = [member for member in get_args(kind) if member is not type(None)]
    needed = " or ".join(dict.fromkeys(_needed(member) for member in members))

    def take(value: Any, _: Any) -> Any:
        errors: list[Exception] = []
        for member in members:
            try:
                return converter.structure(value, member)
            except Exception as error:
                errors.append(error)
        typed = [error for error in errors if not isinstance(error, WrongType)]
        if typed or len(errors) == 1:
            raise (typed or errors)[0]
        raise refuse(value, needed)

    return take


def _ruled(kind: Any, converter: Converter) -> Hook:
    base, *marks = get_args(kind)
    rule = next((mark for mark in marks if isinstance(mark, Rule)), None)
    if rule is None:
        return lambda value, _: converter.structure(value, base)
    return lambda value, _: rule.take(value)


def _needed(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        return _needed(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return _needed(type(get_args(kind)[0]))
    if get_origin(kind) is tuple:
        return "a list"
    names = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}
    return names.get(kind, "a table")
