"""Where a manifest uses plugins, and as what: for those who ask plugins whether that is right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dotagent.core.manifest import Manifest, Notifier, Security
from dotagent.core.problems import child
from dotagent.core.secret import references
from dotagent.core.targets import BUILT_IN, PLUGIN
from dotagent.drivers.kit import registry
from dotagent.plugins.client import PluginKind

KINDS = {
    "preflight": PluginKind.PREFLIGHT,
    "on_success": PluginKind.SINK,
    "on_failure": PluginKind.NOTIFY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One place that uses a plugin: its key path, the plugin's name, as what, with what."""

    path: str
    name: str
    kind: PluginKind
    config: Any = field(default=None, repr=False)
    security: Security = field(default_factory=Security)

    @property
    def stands_in(self) -> bool:
        """Whether a driver of ours does what the plugin would, where it is missing."""
        return self.kind is not PluginKind.PREFLIGHT and BUILT_IN.get(self.name) in registry.names()


def uses_of(manifest: Manifest) -> Iterator[Use]:
    """Every use of a plugin in a manifest, in its order."""
    for section, kind in KINDS.items():
        for at, hook in enumerate(getattr(manifest, section)):
            path = child(child(section, at), "plugin")
            security = manifest.security
            yield Use(path=path, name=hook.plugin, kind=kind, config=hook.config, security=security)
    yield from uses_of_notifiers(manifest.notifiers, manifest.security)


def uses_of_notifiers(notifiers: Sequence[Notifier], security: Security) -> Iterator[Use]:
    """Every use of a plugin among notifiers. A disabled one may be unfinished."""
    for at, notifier in enumerate(notifiers):
        name = notifier.settings.get("name")
        if notifier.driver != PLUGIN or not notifier.enabled or not isinstance(name, str):
            continue
        if not references(name):
            yield Use(
                path=child(child("notifiers", at), "name"),
                name=name,
                kind=PluginKind.NOTIFY,
                config=notifier.settings.get("config"),
                security=security,
            )
