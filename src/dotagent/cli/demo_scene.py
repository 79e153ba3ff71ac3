"""What ``demo`` puts on stage: a home, three agents, the environment that the daemon gets.

Invariant: nothing of the caller's own set-up (home, roots, proxies, service manager) gets in, and
everything that is made lies below the scratch home.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from dotagent.core.model import Kind
from dotagent.system import files

NEEDED = ("PATH", "TZ", "LANG", "LANGUAGE", "USER", "LOGNAME")
NEEDED_FAMILIES = ("LC_", "PYTHON", "LD_", "DYLD_", "COVERAGE_")
"""What an interpreter may need to start and to speak; all else stays outside."""

CONFIG = """\
[daemon]
stop_grace = "0s"
"""

MANIFEST = """\
[agent]
name = "{name}"
timeout = "{timeout}"

[run]
command = "/bin/sh"
args = ["{name}.sh"]

[[schedules]]
id = "every-30s"
every = "30s"
run_at_start = true
max_attempts = {attempts}
retry_backoff = ["3s"]

[[notifiers]]
driver = "slack"
webhook_url = "{webhook}"
events = [{events}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """One agent: what it does, how often it may try, and what Slack is to hear of it, in order."""

    name: str
    does: str
    script: str
    attempts: int
    tells: tuple[Kind, ...]
    timeout: str = "10s"


ACTORS = (
    Actor(
        name="backup",
        does="fails once, then works",
        script="""\
if [ "$AGENT_ATTEMPT" = 1 ]; then
    echo "the backup disk is not mounted" >&2
    exit 1
fi
echo "1,204 files copied"
""",
        attempts=3,
        tells=(Kind.ATTEMPT_FAILED, Kind.RECOVERED),
    ),
    Actor(
        name="report",
        does="fails every time, and may try twice",
        script="""\
echo "the sales database does not answer" >&2
exit 1
""",
        attempts=2,
        tells=(Kind.GIVEN_UP,),
    ),
    Actor(
        name="import",
        does="hangs, and may take one second",
        script="""\
echo "waiting for the export to appear"
exec sleep 20
""",
        attempts=1,
        tells=(Kind.TIMED_OUT,),
        timeout="1s",
    ),
)


def build(home: str, webhook: str) -> None:
    """Write the home's configuration and agents. Raises ``OSError``."""
    _write(os.path.join(home, "config.toml"), CONFIG)
    for actor in ACTORS:
        folder = os.path.join(home, "agents", actor.name)
        files.make_folder(folder)
        manifest = MANIFEST.format(
            name=actor.name,
            timeout=actor.timeout,
            attempts=actor.attempts,
            webhook=webhook,
            events=", ".join(f'"{kind}"' for kind in actor.tells),
        )
        _write(os.path.join(folder, f"{actor.name}.sh"), actor.script)
        _write(os.path.join(folder, "agent.toml"), manifest)


def environment(home: str, callers: Mapping[str, str]) -> dict[str, str]:
    """What the daemon and the commands of the demo run with."""
    env = {
        name: value
        for name, value in callers.items()
        if name in NEEDED or name.startswith(NEEDED_FAMILIES)
    }
    temporary = os.path.join(home, "tmp")
    files.make_folder(temporary)
    return {**env, "DOTAGENT_HOME": home, "HOME": home, "TMPDIR": temporary}


def _write(path: str, text: str) -> None:
    files.write_atomic(path, text.encode(), durable=False)
