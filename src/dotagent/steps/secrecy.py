"""Secrets on their way: resolved where they are needed, known wherever something is written.

Invariant: a resolved value is handed to the one who needs it and to redactors, and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from dotagent.core.errors import DotagentError
from dotagent.core.manifest import Manifest
from dotagent.core.secret import Unresolved, resolve
from dotagent.core.targets import Target, of_manifest
from dotagent.steps.catalogue import Catalogue
from dotagent.steps.parts import Parts
from dotagent.store import look


def resolved(parts: Parts, settings: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings with every ``${NAME}`` replaced, and the values that came in by it. Raises
    ``Unresolved``."""
    used: list[str] = []

    def lookup(name: str) -> str | None:
        value = parts.lookup(name)
        if value:
            used.append(value)
        return value

    return {key: _resolve(value, lookup) for key, value in settings.items()}, tuple(used)


def _resolve(value: Any, lookup: Callable[[str], str | None]) -> Any:
    if isinstance(value, str):
        return resolve(value, lookup)
    if isinstance(value, Mapping):
        return {key: _resolve(item, lookup) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_resolve(item, lookup) for item in value]
    return value


def secret_values(parts: Parts, manifest: Manifest) -> list[str]:
    """Every value that must appear in no log: the whole secrets store, and what this manifest's
    and the global notifiers keep in their secret settings."""
    values = list(parts.secrets.values())
    for target in (*of_manifest(manifest, parts.home_key, parts.addressed), *parts.routes):
        values += _of_target(parts, target)
    return [value for value in values if value]


def all_values(parts: Parts, catalogue: Catalogue) -> list[str]:
    """Every secret that this home knows of: for what may speak of any of its agents."""
    values = list(parts.secrets.values())
    for name, (_, sha256) in look.running(parts.reader).items():
        with suppress(DotagentError):  # without its good copy nothing of it was resolved
            values += secret_values(parts, catalogue.manifest(name, sha256))
    return list(dict.fromkeys(values))


def _of_target(parts: Parts, target: Target) -> list[str]:
    driver = parts.driver(target.driver) if target.driver != "plugin" else None
    names = driver.secrets if driver is not None else ()
    return [value for name in names for value in _texts(parts, target.settings.get(name))]


def _texts(parts: Parts, value: object) -> list[str]:
    """Every text in a setting, however deep, resolved."""
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _texts(parts, each)]
    if isinstance(value, list | tuple):
        return [text for each in value for text in _texts(parts, each)]
    if not isinstance(value, str):
        return []
    try:
        return [resolve(value, parts.lookup)]
    except Unresolved:
        return []  # nothing was resolved, so nothing can leak
