"""The text that makes a service manager run the daemon: a systemd user unit or a launchd agent.

Pure: paths and environment in, the file's content out. Invariants: whatever a path or a value
holds, the manager reads back exactly that (systemd.syntax(7), launchd.plist(5)); no key limits what
the daemon may do, for agents would inherit it.
"""

from __future__ import annotations

import plistlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LABEL = "run.avelino.dotagent"
"""The name that dotagent 0.1.x gave its service (contract §18)."""
SYSTEMD_NAME = f"{LABEL}.service"
LAUNCHD_NAME = f"{LABEL}.plist"

HELD = 5
"""Exit status of a daemon that finds another one: starting it again would not help."""
RESTART_S = 10
WATCHDOG_S = 300
"""So long a daemon may be silent before it is taken for stuck. It speaks twice in that time: seldom
enough for an idle machine to stay asleep (rules R1: nobody else may act while it hangs)."""
LEFT_MS = 60_000
"""What a stop needs beside the grace: killing what does not end, settling, last messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is to be run. ``environment``: what the daemon needs to find its home, by name."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_grace_ms: int
    log: str
    """Where launchd puts what goes wrong before the daemon has a log of its own; systemd has its
    journal."""

    @property
    def stop_s(self) -> int:
        """How long a stop may take, in whole seconds."""
        return -(-(self.stop_grace_ms + LEFT_MS) // 1_000)


def systemd(service: Service) -> str:
    """The user unit. ``KillMode=mixed``: the daemon alone hears SIGTERM, so that what runs may end
    within the grace; what is left after that is killed."""
    environment = "".join(
        f"Environment={_quoted(f'{name}={value}')}\n" for name, value in service.environment.items()
    )
    program, *arguments = service.argv
    command = " ".join([_quoted(program), *(_argument(each) for each in arguments)])
    return f"""\
[Unit]
Description=dotagent: runs scheduled scripts and tells people what happened
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
{environment}Restart=always
RestartSec={RESTART_S}
RestartPreventExitStatus={HELD}
KillMode=mixed
TimeoutStopSec={service.stop_s}
WatchdogSec={WATCHDOG_S}

[Install]
WantedBy=default.target
"""


def _quoted(text: str) -> str:
    """A word of a unit file: in quotes, with C's escapes, specifiers doubled (systemd.unit(5))."""
    escaped = []
    for char in text:
        if char in '\\"':
            escaped.append(f"\\{char}")
        elif char == "%":
            escaped.append("%%")
        elif char < " " or char == "\x7f":
            escaped.append(f"\\x{ord(char):02x}")
        else:
            escaped.append(char)
    return f'"{"".join(escaped)}"'


def _argument(text: str) -> str:
    """An argument of a command, where ``$`` would stand for a variable (systemd.service(5))."""
    return _quoted(text).replace("$", "$$")


def launchd(service: Service) -> bytes:
    """The launchd agent. Untested on hardware: the keys are those of launchd.plist(5). launchd lets
    its log grow for ever: what the daemon says when all is well stands in its own log too, and the
    rest it keeps short itself (``system/service.py``)."""
    return plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": list(service.argv),
            "EnvironmentVariables": dict(service.environment),
            "RunAtLoad": True,
            "KeepAlive": True,
            "ProcessType": "Background",
            "ThrottleInterval": RESTART_S,
            "ExitTimeOut": service.stop_s,
            "StandardOutPath": "/dev/null",
            "StandardErrorPath": service.log,
        },
        sort_keys=False,
    )


# ------------------------------------------------------------------------------- the environment

KEPT = (
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "USER",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
)
"""What agents need of the shell that installed the daemon: where things are, who and in what
language, and where the screen is. A shell's exported tokens are nobody's business."""
KEPT_PREFIXES = ("DOTAGENT_", "LC_")
PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


def captured(shell: Mapping[str, str], also: Sequence[str] = ()) -> dict[str, str]:
    """What ``install`` keeps of a shell's environment; ``also``: names that a person asked for."""
    wanted = {*KEPT, *also, *PROXIES, *(name.lower() for name in PROXIES)}
    return {
        name: value
        for name, value in sorted(shell.items())
        if name in wanted or name.startswith(KEPT_PREFIXES)
    }
