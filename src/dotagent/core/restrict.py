"""``[security]``: what is held back of one agent and of its plugins, and what nobody here can hold.

Commands, plugins and the inherited environment are held back on every machine. Invariant: an empty
list restricts nothing (contract §2.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from posixpath import join, normpath

from dotagent.core.manifest_sections import Security
from dotagent.core.problems import one_of, quoted

BASE = frozenset({"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER"})
"""What a program needs to run at all and what is no secret: passes whatever the list says. So do
the locale's ``LC_…``."""


def passed(environment: Mapping[str, str], security: Security) -> Mapping[str, str]:
    """What of the inherited environment ``env_passthrough`` lets through. An entry that ends in
    ``*`` stands for all names that begin so."""
    wanted = security.env_passthrough
    if not wanted:
        return environment
    names = frozenset(wanted)
    heads = tuple(name[:-1] for name in wanted if name.endswith("*"))
    return {
        name: value
        for name, value in environment.items()
        if name in names or is_base(name) or (heads and name.startswith(heads))
    }


def is_base(name: str) -> bool:
    """Whether a variable is one of those that hold no secret."""
    return name in BASE or name.startswith("LC_")


def refused_command(security: Security, command: str, cwd: str) -> str | None:
    """Why ``allowed_commands`` does not let ``command`` start in ``cwd``; None if it does. An entry
    allows the command that is written the same way, or that is the same path."""
    allowed = security.allowed_commands
    if not allowed or command in allowed:
        return None
    if "/" in command:
        place = normpath(join(cwd, command))
        if any("/" in each and normpath(join(cwd, each)) == place for each in allowed):
            return None
    shown = one_of(allowed)
    return f"[security] allowed_commands does not name {quoted(command)}; it allows {shown}"


def refused_plugin(security: Security, name: str) -> str | None:
    """Why ``allowed_plugins`` does not let the plugin ``name`` run; None if it does."""
    allowed = security.allowed_plugins
    short = [each.removeprefix("dotagent-plugin-") for each in allowed]
    if not allowed or name in short:
        return None
    return f"[security] allowed_plugins does not name {quoted(name)}; it allows {one_of(short)}"


def unheld(security: Security) -> tuple[str, ...]:
    """The keys that restrict something which this version cannot hold back."""
    found = ["filesystem_writable"] if security.filesystem_writable else []
    if security.network != "allow":
        found.append("network")
    return tuple(found)


def unheld_text(security: Security) -> str:
    """Those keys for a person: ``[security] network and filesystem_writable``."""
    return f"[security] {' and '.join(unheld(security))}"
