"""config.toml and the secrets file: read, kept, put in force; what is wrong is told once.

The last good configuration stays in force while the file is wrong (product §10). A secrets file
that is refused drops what was loaded from it before (contract §12); what a service or an agent
says of it is still masked, and what a plugin says is withheld.
"""

from __future__ import annotations

import hashlib
import os
from collections import ChainMap
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from dotagent.core import events
from dotagent.core.config import Config, read_config
from dotagent.core.manifest import Security
from dotagent.core.model import Kind, Problem
from dotagent.core.problems import explain
from dotagent.core.targets import of_notifiers
from dotagent.steps.catalogue import Drivers
from dotagent.steps.discover import SETTLE_MS
from dotagent.steps.parts import Parts
from dotagent.steps.rows import route_rows
from dotagent.steps.uses import uses_of_notifiers
from dotagent.store import facts, plugin_uses, record
from dotagent.store.database import Tx
from dotagent.store.routing import set_routes
from dotagent.store.tell import tell
from dotagent.system import files, goodcopy, secrets

MAX_BYTES = 1024 * 1024
AGAIN_MS = 50
"""How often a file that may be half there is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """config.toml as found: the configuration in force, and what is wrong with the file."""

    config: Config
    problems: tuple[Problem, ...] = ()
    data: bytes | None = None
    good: bool = True


def read(path: str, good_copy: str, drivers: Drivers) -> Reading:
    """The configuration: the file's where it is right, else its last good copy's, else the
    defaults. Writes nothing."""
    try:
        data = files.read_if_there(path, MAX_BYTES)
    except OSError as error:
        problem = Problem(path="", message=f"cannot be read: {error.strerror}")
        return Reading(config=_last_good(good_copy, drivers), problems=(problem,), good=False)
    if data is None:
        return Reading(config=Config())
    config, problems = read_config(data, drivers())
    if config is not None:
        return Reading(config=config, problems=problems, data=data)
    return Reading(config=_last_good(good_copy, drivers), problems=problems, data=data, good=False)


async def _secrets(parts: Parts, named: str, env: Mapping[str, str]) -> secrets.Secrets:
    """The secrets file as it is meant: many editors empty a file and then write it, so one that was
    emptied this very moment is looked at again before it is believed, as a bad manifest is."""
    loaded, clock = secrets.load(parts.paths, named, env), parts.clock
    while loaded.emptied_at is not None and 0 <= clock.now() - loaded.emptied_at < SETTLE_MS:
        await clock.sleep_until(clock.now() + AGAIN_MS)
        loaded = secrets.load(parts.paths, named, env)
    return loaded


def _last_good(path: str, drivers: Drivers) -> Config:
    data = goodcopy.read(path)
    config = read_config(data, drivers())[0] if data is not None else None
    return config if config is not None else Config()


async def configure(
    parts: Parts,
    drivers: Drivers,
    env: Mapping[str, str],
    fetched: Callable[[], object] | None = None,
) -> tuple[Parts, Config]:
    """Read both files, commit what changed; the parts with the new secrets and notifiers.
    ``fetched`` is called when all secrets that are kept elsewhere have been asked for; without it
    this is a holder's very first look, which the record leaves out. Raises ``StoreBusy``."""
    reading = read(parts.paths.config, parts.paths.good_config, drivers)
    with suppress(OSError):  # a full disk: the file itself is good, and the older copy stands
        if reading.good and reading.data is not None:
            goodcopy.write(parts.paths.good_config, reading.data)
        elif reading.good:
            goodcopy.forget(parts.paths.good_config)
    config = reading.config
    loaded = await _secrets(parts, config.secrets_file or "", env)
    routes = tuple(of_notifiers(config.notifiers, parts.home_key, parts.addressed))
    before = dict.fromkeys([*parts.known_before, *parts.secrets.values(), *parts.suspects])
    parts.vault.want(parts.speak, parts.environment, loaded.references, fetched or (lambda: None))
    known = ChainMap(dict(loaded.values), parts.vault.values)
    actor = replace(parts.actor, storm=config.storm.waiting)
    parts = replace(parts, known_before=tuple(before))
    parts = replace(parts, suspects=loaded.suspects, withheld=loaded.withheld)
    parts = replace(parts, secrets=known, secrets_path=loaded.path, routes=routes, actor=actor)
    rows = route_rows(parts, routes)
    uses = {use.path: use.name for use in uses_of_notifiers(config.notifiers, Security())}

    def commit(tx: Tx) -> None:
        now = parts.clock.now()
        known = facts.recall(tx, "routes")
        digest = hashlib.sha256(repr(rows).encode()).hexdigest()
        if digest != known:
            facts.remember(tx, "routes", digest)
            set_routes(tx, now, "", rows)
        _tell_config(tx, parts, now, reading)
        _attest_config(tx, parts, now, reading, uses, is_first=fetched is None)
        _tell_secrets(tx, parts, now, loaded)
        if fetched is not None:
            _attest_secrets(tx, parts, now, loaded)

    await parts.store.write(commit)
    return parts, config


def _tell_config(tx: Tx, parts: Parts, now: int, reading: Reading) -> None:
    wrong = [] if reading.good else [p for p in reading.problems if p.fatal]
    path = parts.paths.config
    text = "\n".join(explain(problem, path) for problem in wrong)
    if facts.remember(tx, "config_problem", text) and text:
        line = f"{path} is not right and changes nothing until it is mended"
        event = events.of_system(Kind.CONFIG_INVALID, now, line, text)
        tell(tx, parts.actor, now, [event])


def _attest_config(
    tx: Tx, parts: Parts, now: int, reading: Reading, uses: Mapping[str, str], *, is_first: bool
) -> None:
    """That another configuration is in force (contract §13), but for what a start finds; its
    plugins are to be asked about it."""
    if not reading.good:
        return
    digest = hashlib.sha256(reading.data).hexdigest() if reading.data is not None else "none"
    is_known = facts.recall(tx, "config_digest") is not None
    if not facts.remember(tx, "config_digest", digest):
        return
    plugin_uses.set_uses(tx, "", uses)
    if is_known and not is_first:
        reason = "config.toml was changed" if reading.data is not None else "config.toml is gone"
        record.append(tx, parts.actor, now, "notice", "config_reloaded", reason=reason)


def _tell_secrets(tx: Tx, parts: Parts, now: int, loaded: secrets.Secrets) -> None:
    problem = loaded.problem or ""
    if facts.remember(tx, "secrets_problem", problem) and problem:
        fields = {"path": loaded.path, "reason": problem}
        record.append(tx, parts.actor, now, "critical", "secrets_refused", **fields)
        name = os.path.basename(loaded.path)
        line = f"the secrets file {name} is not used: {problem}"
        event = events.of_system(Kind.SECRETS_REFUSED, now, line, loaded.hint or "")
        tell(tx, parts.actor, now, [event])


def _attest_secrets(tx: Tx, parts: Parts, now: int, loaded: secrets.Secrets) -> None:
    """The record of what was loaded: how many, never what (contract §13)."""
    count = len(loaded.values) + len(loaded.references)
    kept = f"{loaded.path} {count}" if loaded.present and loaded.problem is None else ""
    if facts.remember(tx, "secrets_loaded", kept) and kept:
        fields = {
            "path": loaded.path,
            "key_count": count,
            "unresolved_references": len(loaded.references) - len(parts.vault.values),
        }
        record.append(tx, parts.actor, now, "notice", "secrets_loaded", **fields)


async def tell_unfetched(parts: Parts) -> None:
    """Secrets that 1Password did not give are told, once for each reason. Raises ``StoreBusy``."""

    def commit(tx: Tx) -> None:
        reasons = sorted(set(parts.vault.failed.values()))
        if facts.remember(tx, "secrets_unfetched", "; ".join(reasons)) and reasons:
            count = len(parts.vault.failed)
            what = "1 secret that 1Password keeps" if count == 1 else f"{count} secrets"
            line = f"{what} could not be fetched: {'; '.join(reasons)}"
            now = parts.clock.now()
            hint = "Where it works again: dotagent reload"
            tell(tx, parts.actor, now, [events.of_system(Kind.SECRETS_REFUSED, now, line, hint)])

    await parts.store.write(commit)
