"""From a plain TOML table to a frozen record, with every problem and its key path.

A record says by its field types what it takes: ``str``, ``int``, ``bool``, ``float``, ``Literal``,
enums, ``tuple[T, ...]``, ``Mapping[str, T]``, records, unions, ``Any``, and ``Annotated[T, Rule]``
for rules of our own; ``check()`` adds what depends on several fields, ``caution()`` what is a
warning. A field ``from_`` is the key
``from``. Invariant: types are strict, and no message repeats a value that could be a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from dotagent.core.model import Problem
from dotagent.core.problems import Findings, Part, child, nearest
from dotagent.core.values import (
    Several,
    Steps,
    Wrong,
    WrongType,
    flat,
    has_reference,
    make_converter,
    refuse,
)

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")

MOST_UNKNOWN = 20
"""Unknown keys of one table that are reported one by one."""

_Found = tuple[Steps, Wrong]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    name: str
    type: Any
    required: bool


# ------------------------------------------------------------------------------------ public


def structure(
    table: Mapping[str, Any], into: type[T], path: str = ""
) -> tuple[T | None, list[Problem]]:
    """The record, or None if a problem is fatal; and all problems, warnings too."""
    findings = Findings()
    record = salvage(table, into, path, findings)
    return (None if findings.fatal else record), findings.found


def salvage(table: Mapping[str, Any], into: type[T], path: str, findings: Findings) -> T:
    """The record as far as it is right: what is wrong or missing is noted and keeps its default,
    or an empty value where it has none."""
    record, wrongs = _build(table, into)
    for steps, wrong in wrongs:
        findings.wrong(_join(path, steps), wrong.message, wrong.hint)
    _unknown(table, into, path, findings, ())
    return record


def inspect(
    table: Mapping[str, Any],
    into: type[Any],
    path: str,
    findings: Findings,
    also: Iterable[str] = (),
) -> None:
    """Only note the problems. A text that holds a ``${NAME}`` reference passes every rule that
    needs its value. ``also``: keys that stand elsewhere, for the nearest right name."""
    record, wrongs = _build(table, into)
    for steps, wrong in wrongs:
        if isinstance(wrong, WrongType) or not has_reference(_value_at(table, steps)):
            findings.wrong(_join(path, steps), wrong.message, wrong.hint)
    for key, message in () if wrongs else _cautions(record):
        findings.warn(child(path, key), message)
    _unknown(table, into, path, findings, tuple(also))


def _cautions(record: Any) -> Iterable[tuple[str, str]]:
    """What is allowed and dangerous, by the record's own word."""
    caution = getattr(record, "caution", None)
    return () if caution is None else tuple(caution())


def keys_of(record: type[Any]) -> tuple[str, ...]:
    """The TOML keys a record takes."""
    return tuple(_slots(record))


# ------------------------------------------------------------------------------------ records


def _slots(record: Any) -> Mapping[str, _Slot]:
    return _slots_of(record)


@cache
def _slots_of(record: Any) -> Mapping[str, _Slot]:
    hints = get_type_hints(record, include_extras=True)
    return {
        each.name.removesuffix("_"): _Slot(
            name=each.name,
            type=hints[each.name],
            required=each.default is MISSING and each.default_factory is MISSING,
        )
        for each in fields(record)
    }


def _build(table: Any, into: type[T]) -> tuple[T, list[_Found]]:
    if not isinstance(table, Mapping):
        return _draft(into, {}), [((), refuse(table, "a table"))]
    values: dict[str, Any] = {}
    wrongs: list[_Found] = []
    for key, slot in _slots(into).items():
        if key in table:
            values[slot.name], found = _taken(table[key], slot.type, key)
            wrongs.extend(found)
            if found and values[slot.name] is None:
                del values[slot.name]
        elif slot.required:
            wrongs.append(((key,), Wrong("missing; it must be set")))
    record = _draft(into, values)
    wrongs.extend(_checked(record, bad={steps[0] for steps, _ in wrongs}))
    return record, wrongs


def _taken(value: Any, kind: Any, key: str) -> tuple[Any, list[_Found]]:
    """The value as ``kind``; of a list with bad elements the good ones, else None if it is bad."""
    try:
        return _converter().structure(value, kind), []
    except Exception as error:
        wrongs = flat(error, (key,))
    bad = {steps[1] for steps, _ in wrongs if len(steps) > 1}
    if isinstance(value, list) and len(bad) < len(value) and all(len(s) > 1 for s, _ in wrongs):
        good = [each for at, each in enumerate(value) if at not in bad]
        return _converter().structure(good, kind), wrongs
    return None, wrongs


def _record(value: Any, kind: Any) -> Any:
    record, wrongs = _build(value, kind)
    if wrongs:
        raise Several(wrongs)
    return record


@cache
def _converter() -> Converter:
    return make_converter(_record)


def _draft(into: type[T], values: Mapping[str, Any]) -> T:
    missing = {
        slot.name: _empty(slot.type)
        for slot in _slots(into).values()
        if slot.required and slot.name not in values
    }
    return into(**values, **missing)


def _checked(record: Any, bad: set[Part]) -> list[_Found]:
    check = getattr(record, "check", None)
    if check is None:
        return []
    try:
        told = [(name.removesuffix("_"), message) for name, message in check()]
    except Exception as error:
        return [((), Wrong(f"its own check failed ({type(error).__name__})"))]
    return [((key,), Wrong(message)) for key, message in told if key not in bad]


def _empty(kind: Any) -> Any:
    if get_origin(kind) is Annotated:
        return _empty(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return get_args(kind)[0]
    if is_dataclass(kind) and isinstance(kind, type):
        return _draft(kind, {})
    plain = {str: "", int: 0, float: 0.0, bool: False, tuple: (), Mapping: {}, dict: {}}
    return plain.get(get_origin(kind) or kind)


def _unknown(
    table: Any, record: type[Any], path: str, findings: Findings, also: tuple[str, ...]
) -> None:
    """Warn of keys nobody reads, here and in the records inside."""
    if not isinstance(table, Mapping):
        return
    slots = _slots(record)
    strange = [key for key in table if key not in slots]
    for key in strange[:MOST_UNKNOWN]:
        hint = nearest(key, (*slots, *also))
        findings.warn(child(path, key), "unknown key, ignored", hint)
    if len(strange) > MOST_UNKNOWN:
        findings.warn(path, f"{len(strange) - MOST_UNKNOWN} more unknown keys, ignored")
    for key, slot in slots.items():
        inner = _record_in(slot.type) if key in table else None
        if inner is None:
            continue
        below = child(path, key)
        entries = table[key] if isinstance(table[key], list) else None
        if entries is None:
            _unknown(table[key], inner, below, findings, ())
        for at, entry in enumerate(entries or ()):
            _unknown(entry, inner, child(below, at), findings, ())


@cache
def _record_in(kind: Any) -> type[Any] | None:
    if isinstance(kind, type) and is_dataclass(kind):
        return kind
    if get_origin(kind) is Mapping:
        return None
    inner = (_record_in(each) for each in get_args(kind) if each is not Ellipsis)
    return next((each for each in inner if each is not None), None)


def _join(path: str, steps: Steps) -> str:
    for step in steps:
        path = child(path, step)
    return path


def _value_at(table: Any, steps: Steps) -> Any:
    for step in steps:
        try:
            table = table[step]
        except (KeyError, IndexError, TypeError):
            return None
    return table
