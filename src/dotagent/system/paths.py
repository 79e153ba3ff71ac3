"""Where everything of one home lies. Names only: nothing is looked at, nothing is made.

Invariants: every path is absolute; a name that came from a manifest or a person can only name a
child of the folder it is meant for. Imported by the hot commands: ``os`` and nothing slower.
"""

from __future__ import annotations

import os

from dotagent.core.errors import HomeError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def home(env: Mapping[str, str]) -> str:
    """The home folder: ``DOTAGENT_HOME``, else ``~/.config/dotagent``, else ``./.dotagent``.

    ``~`` is ``HOME``, else the user's entry in the password database. A relative path counts from
    the current directory; HomeError if that is gone.
    """
    if named := env.get("DOTAGENT_HOME"):
        return _absolute(named)
    if user := env.get("HOME") or _home_of_record():
        return _absolute(os.path.join(user, ".config", "dotagent"))
    return _absolute(".dotagent")


class Paths:
    """The files and folders of the home ``home``, as plain attributes."""

    __slots__ = (
        "agent_logs",
        "agents",
        "audit",
        "bell",
        "config",
        "daemon_log",
        "daemon_logs",
        "database",
        "environment",
        "good_config",
        "heartbeats",
        "home",
        "legacy_audit",
        "legacy_known",
        "legacy_pid",
        "legacy_windows",
        "lock",
        "logs",
        "manifests",
        "plugin_logs",
        "rate_files",
        "requests",
        "reserve",
        "secrets",
        "service_log",
        "state",
    )

    def __init__(self, home: str) -> None:
        """``home`` is absolute, as ``home()`` returns it."""
        self.home = home
        self.agents = f"{home}/agents"
        self.config = f"{home}/config.toml"
        self.secrets = f"{home}/secrets.env"
        self.legacy_audit = f"{home}/audit.log"

        self.state = state = f"{home}/state"
        self.audit = f"{state}/audit.jsonl"
        self.bell = f"{state}/bell"
        self.database = f"{state}/dotagent.db"
        self.environment = f"{state}/environment"
        self.good_config = f"{state}/config.toml"
        self.heartbeats = f"{state}/agents"
        self.legacy_known = f"{state}/known_manifests.json"
        self.legacy_pid = f"{state}/daemon.pid"
        self.legacy_windows = f"{state}/windows"
        self.lock = f"{state}/lock"
        self.manifests = f"{state}/manifests"
        self.rate_files = f"{state}/notify/imessage"
        self.requests = f"{state}/requests"
        self.reserve = f"{state}/reserve"

        self.logs = logs = f"{home}/logs"
        self.agent_logs = f"{logs}/agents"
        self.daemon_logs = f"{logs}/daemon"
        self.plugin_logs = f"{logs}/plugins"
        self.daemon_log = f"{logs}/daemon/dotagent.log"
        self.service_log = f"{logs}/daemon/launchd.log"

    def heartbeat(self, agent: str, slug: str) -> str:
        """The heartbeat file of a schedule."""
        return f"{self.heartbeats}/{_child(agent)}/{_child(slug)}.heartbeat.json"

    def good_manifest(self, agent: str) -> str:
        """The last good copy of an agent's manifest."""
        return f"{self.manifests}/{_child(agent)}.toml"

    def rate_file(self, name: str) -> str:
        """The file that says when an iMessage was last sent to somebody."""
        return f"{self.rate_files}/{_child(name)}"

    def agent_log_dir(self, agent: str) -> str:
        """The folder of an agent's log and its older pieces."""
        return f"{self.agent_logs}/{_child(agent)}"

    def agent_log(self, agent: str) -> str:
        """The log that an agent's attempts append to."""
        return f"{self.agent_log_dir(agent)}/{agent}.log"

    def plugin_log(self, name: str) -> str:
        """What a plugin said on standard error."""
        return f"{self.plugin_logs}/{_child(name)}.log"


def _child(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise UsageError(
            f"{name!r} cannot be the name of a file", "a name has no '/' and is not '.' or '..'"
        )
    return name


def _absolute(path: str) -> str:
    if os.path.isabs(path):
        return path
    try:
        return os.path.join(os.getcwd(), path)
    except FileNotFoundError:
        raise HomeError(
            f"the home folder {path!r} counts from the current directory, which no longer exists",
            "go to a folder that exists, or set DOTAGENT_HOME to an absolute path",
        ) from None


def _home_of_record() -> str | None:
    import pwd  # only where HOME is not set: rare, and a lookup may ask the network

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return None
