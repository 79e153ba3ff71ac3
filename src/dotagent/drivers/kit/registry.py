"""Finds a driver by its name: the file name, then the entry-point group ``dotagent.drivers``.

Invariant: asking which drivers there are imports none of them, and a known name whose file this
version lacks is no mistake of the person who wrote it.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

import dotagent.drivers
from dotagent.core.errors import UsageError
from dotagent.core.problems import nearest
from dotagent.drivers.kit.driver import Driver, read

GROUP = "dotagent.drivers"

KNOWN = (
    "desktop",
    "slack",
    "ntfy",
    "pushover",
    "telegram",
    "imessage",
    "plugin",
    "inbox",
    "email",
    "webhook",
    "discord",
    "teams",
    "apprise",
)
"""Every name that a manifest may use, whether this version can send by it or not."""


@cache
def names() -> tuple[str, ...]:
    """The drivers that ship with dotagent, by file name."""
    modules = pkgutil.iter_modules(dotagent.drivers.__path__)
    return tuple(sorted(module.name for module in modules if not module.ispkg))


@cache
def load(name: str) -> Driver | None:
    """The driver called ``name``, imported when it is first wanted; None if the name is known but
    this version has no such driver.

    Raises UsageError for a name nobody knows and for a third party's driver that does not work.
    """
    if name in names():
        return read(name, import_module(f"{dotagent.drivers.__name__}.{name}"))
    if name in KNOWN:
        return None
    # Only where a third party's driver is named: it takes memory that most homes spare.
    from importlib import metadata

    for entry in metadata.entry_points(group=GROUP, name=name):
        try:
            module = entry.load()
        except Exception as error:
            message = f"driver {name!r} of {entry.value} cannot be loaded ({type(error).__name__})"
            raise UsageError(message) from error
        return read(name, module)
    near = nearest(name, (*KNOWN, *names()))
    raise UsageError(f"there is no driver {name!r}", f"did you mean {near!r}?" if near else None)
