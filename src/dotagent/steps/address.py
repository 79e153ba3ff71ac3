"""Where a notifier's messages go: what it says with every ``${NAME}`` in place.

Made again only where a value that it names has changed. Invariant: what is kept holds no more
secrets than the notifier's own driver keeps, and is shown nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dotagent.core.targets import Resolved, Target, fingerprint
from dotagent.steps.parts import Parts, Written
from dotagent.steps.secrecy import resolved
from dotagent.steps.vault import names_in


async def ready(parts: Parts, target: Target) -> Resolved:
    """The notifier, resolved, once what it needs from elsewhere is there. Raises ``Unresolved``."""
    written = parts.written.of(target, lambda: _written(target))
    if written.names:
        await parts.vault.arrived(written.names)
    values = [parts.lookup(name) for name in written.names]
    if written.last is None or values != written.values:
        written.last, written.values = resolve(parts, target), values
    return written.last


def _written(target: Target) -> Written:
    return Written(names=tuple(names_in([target.settings, target.proxy])))


def resolve(parts: Parts, target: Target) -> Resolved:
    """The same, made anew and not kept. Raises ``Unresolved``."""
    settings, secrets = resolved(parts, target.settings)
    address = address_of(parts, target, settings)
    proxy, hidden = resolved(parts, {"proxy": target.proxy})
    return Resolved(
        settings=settings, proxy=proxy["proxy"], secrets=(*secrets, *hidden), address=address
    )


def address_of(parts: Parts, target: Target, settings: Mapping[str, Any]) -> str:
    """The fingerprint of where these settings point."""
    address = {name: settings.get(name) for name in parts.addressed(target.driver)}
    return fingerprint(parts.home_key, target.driver, address)
