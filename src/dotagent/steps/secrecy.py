"""Secrets on their way: resolved where they are needed, known wherever something is written.

Invariant: a resolved value is handed to the one who needs it and to redactors, and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from dotagent.core.errors import DotagentError
from dotagent.core.manifest import Manifest
from dotagent.core.restrict import is_base
from dotagent.core.secret import (
    Redactor,
    Unresolved,
    credentials,
    named_as_secret,
    pieces,
    references,
    resolve,
)
from dotagent.core.targets import PLUGIN, Target
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


def secret_values(parts: Parts, manifest: Manifest | None = None) -> list[str]:
    """Every value that must appear in no log: the whole secrets store, as it is and as it was, what
    the environment names as secret, and what this manifest and the global notifiers keep in secret
    places."""
    values = [*parts.secrets.values(), *parts.known_before, *parts.suspects]
    values += named_as_secret(parts.environment)
    if manifest is not None:
        values += _of_manifest(parts, manifest)
    for target in parts.routes:
        values += _of_target(parts, target)
    return _in_pieces(values)


def for_plugin(parts: Parts, manifest: Manifest | None, more: Iterable[str] = ()) -> Redactor:
    """What all that a plugin says goes through. Its program serves other hooks too, which may have
    given it what nobody knows now; an agent that is given secrets does not start without them."""
    return Redactor([*secret_values(parts, manifest), *more], parts.withheld)


def values_about(parts: Parts, catalogue: Catalogue, seqs: Sequence[int]) -> list[str]:
    """What the agents of these events keep in secret places: a global notifier's service may know
    it, and say it. Not of every agent there is: ten thousand manifests are too much for a send."""
    values: list[str] = []
    for agent in sorted({event.agent for event in look.events(parts.reader, seqs)} - {""}):
        row = look.agent(parts.reader, agent)
        if row is None:
            continue
        with suppress(DotagentError):  # without its good copy nothing of it was resolved
            values += _of_manifest(parts, catalogue.manifest(agent, row["sha256"]))
    return _in_pieces(values)


def _of_manifest(parts: Parts, manifest: Manifest) -> list[str]:
    values = [*named_as_secret(manifest.env.extra)]
    for hook in manifest.preflight:
        values += _of_plugin(parts, {"config": hook.config})
    for target in parts.targets_of(manifest):
        values += _of_target(parts, target)
    return values


def _in_pieces(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(piece for value in values for piece in pieces(value) if piece))


def all_values(parts: Parts, catalogue: Catalogue) -> list[str]:
    """Every secret that this home knows of: for what may speak of any of its agents."""
    values = secret_values(parts)
    for name, (_, sha256) in look.running(parts.reader).items():
        with suppress(DotagentError):  # without its good copy nothing of it was resolved
            values += secret_values(parts, catalogue.manifest(name, sha256))
    return list(dict.fromkeys(values))


def _of_target(parts: Parts, target: Target) -> list[str]:
    driver = parts.driver(target.driver) if target.driver != PLUGIN else None
    secret = {name: target.settings.get(name) for name in (driver.secrets if driver else ())}
    values = [*_texts(parts, secret), *_named(parts, {**target.settings, "proxy": target.proxy})]
    for text in _texts(parts, {**target.settings, "proxy": target.proxy}):
        values += credentials(text)
    return values if target.driver != PLUGIN else [*values, *_of_plugin(parts, target.settings)]


def _of_plugin(parts: Parts, settings: Mapping[str, Any]) -> list[str]:
    """Nobody says which settings of a plugin are secret: those that are named so, and those that
    come from elsewhere."""
    return [*named_as_secret(settings), *_named(parts, settings)]


def _named(parts: Parts, value: Any) -> list[str]:
    """The values of all ``${NAME}`` in it, but for what is no secret in any environment."""
    if isinstance(value, str):
        return [parts.lookup(name) or "" for name in references(value) if not is_base(name)]
    if isinstance(value, Mapping):
        return [found for each in value.values() for found in _named(parts, each)]
    if isinstance(value, list | tuple):
        return [found for each in value for found in _named(parts, each)]
    return []


def _texts(parts: Parts, value: Any) -> list[str]:
    """Every text in it, resolved."""
    if isinstance(value, str):
        try:
            return [resolve(value, parts.lookup)]
        except Unresolved:
            return []  # nothing was resolved, so nothing can leak
    if isinstance(value, Mapping):
        return [found for each in value.values() for found in _texts(parts, each)]
    if isinstance(value, list | tuple):
        return [found for each in value for found in _texts(parts, each)]
    return []
