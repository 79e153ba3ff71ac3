"""Who a manifest wants told: its notifiers and its legacy hooks, as one kind of thing.

A *target* is what a delivery points to. Its key is stable over edits of everything but the target
itself, its fingerprint names the destination without saying where it is (rules R16).
"""

from __future__ import annotations

import hmac
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dotagent.core.manifest import Hook, Manifest, Notifier
from dotagent.core.manifest_notifier import QuietHours
from dotagent.core.model import Kind

PLUGIN = "plugin"

_ON_SUCCESS = frozenset({Kind.SUCCESS})
_ON_FAILURE = frozenset(
    {Kind.ATTEMPT_FAILED, Kind.TIMED_OUT, Kind.GIVEN_UP, Kind.RECOVERED, Kind.PREFLIGHT}
)

BUILT_IN = {f"notify-{name}": name for name in ("desktop", "imessage", "slack", "ntfy", "pushover")}
"""The notifying plugins of dotagent 0.1.x that are drivers now, by the name a hook gives them."""

Addressed = Callable[[str], Sequence[str]]
"""The settings that make up a driver's destination, by driver name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One notifier or hook. ``purpose`` is the plugin protocol's kind: ``notify`` or ``sink``."""

    key: str
    name: str
    driver: str
    settings: Mapping[str, Any]
    events: frozenset[Kind] = frozenset()
    remind: tuple[int, ...] = ()
    timeout_ms: int | None = None
    proxy: str | None = None
    ca_file: str | None = None
    template: str | None = None
    purpose: str = "notify"
    quiet_hours: QuietHours | None = None
    rate_limit_ms: int = 0
    collapse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A target's settings and proxy with every ``${NAME}`` in place, the values that came in by it,
    and the fingerprint of its address."""

    settings: Mapping[str, Any] = field(repr=False)
    proxy: str | None = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    address: str


def of_manifest(manifest: Manifest, home_key: bytes, addressed: Addressed) -> list[Target]:
    """All targets of a manifest, in the order of the file: notifiers, then hooks."""
    targets = of_notifiers(manifest.notifiers, home_key, addressed)
    targets += _of_hooks("on_success", manifest.on_success, home_key, _ON_SUCCESS, "sink")
    targets += _of_hooks("on_failure", manifest.on_failure, home_key, _ON_FAILURE, "notify")
    return targets


def of_notifiers(
    notifiers: Sequence[Notifier], home_key: bytes, addressed: Addressed
) -> list[Target]:
    """The targets of ``[[notifiers]]`` entries. A disabled one is no target, but keeps its place
    among its equals, so that switching it off renames no other."""
    targets, seen, names = [], Counter[str](), Counter[str]()
    for notifier in notifiers:
        written = {name: notifier.settings.get(name) for name in addressed(notifier.driver)}
        stem = f"{notifier.driver}:{fingerprint(home_key, notifier.driver, written)[:12]}"
        seen[stem] += 1
        names[notifier.driver] += 1
        if not notifier.enabled:
            continue
        nth = names[notifier.driver]
        plain = notifier.driver if nth == 1 else f"{notifier.driver} {nth}"
        targets.append(
            Target(
                key=notifier.id or f"{stem}:{seen[stem]}",
                name=notifier.id or plain,
                driver=notifier.driver,
                settings=notifier.settings,
                events=frozenset(notifier.events),
                remind=tuple(notifier.remind or ()),
                quiet_hours=notifier.quiet_hours,
                rate_limit_ms=notifier.rate_limit_ms,
                collapse=notifier.collapse,
                timeout_ms=notifier.timeout_ms,
                proxy=notifier.proxy,
                ca_file=notifier.ca_file,
                template=notifier.template,
            )
        )
    return targets


def _of_hooks(
    place: str, hooks: Sequence[Hook], home_key: bytes, can: frozenset[Kind], purpose: str
) -> list[Target]:
    # Two hooks of one plugin differ by their config: the key must tell them apart, or what waits
    # for one would go to the other once a third is removed.
    targets, seen, names = [], Counter[str](), Counter[str]()
    for hook in hooks:
        settings = {"name": hook.plugin, "config": hook.config}
        stem = f"{place}:{hook.plugin}:{fingerprint(home_key, PLUGIN, settings)[:12]}"
        seen[stem] += 1
        names[hook.plugin] += 1
        nth = names[hook.plugin]
        events = can & frozenset(hook.events) if hook.events else can
        if not events:
            continue  # it asks only for what this hook never gets; the manifest check says so
        targets.append(
            Target(
                key=f"{stem}:{seen[stem]}",
                name=hook.plugin if nth == 1 else f"{hook.plugin} {nth}",
                driver=PLUGIN,
                settings=settings,
                events=events,
                timeout_ms=hook.timeout_ms,
                purpose=purpose,
            )
        )
    return targets


def fingerprint(home_key: bytes, driver: str, address: Mapping[str, Any]) -> str:
    """HMAC-SHA-256 under the home's own key of driver and resolved address: equal where the
    destination is the same, and useless to whoever reads the database."""
    text = _SPELLED.encode([driver, dict(address)])
    data = text.encode("utf-8", "surrogatepass")  # an environment variable may be no text
    return hmac.digest(home_key, data, "sha256").hex()[:32]


_SPELLED = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=str)
