"""The agents of the long laboratory, one for each way in which a run may go, all due each second.

Every script first takes a lock that only another run of the same schedule can hold, and writes down
which attempt it is. What it does then is told apart by its name.
"""

from __future__ import annotations

from pathlib import Path

SCRIPT = """#!/bin/bash
exec 9>>"$AGENT_HOME/lock"
flock -n 9 || echo overlap >> "$AGENT_HOME/overlaps"
echo "$AGENT_ATTEMPT_ID" >> "$AGENT_HOME/runs"
runs=$(wc -l < "$AGENT_HOME/runs")
echo "run $AGENT_ATTEMPT_ID"
{body}
"""

BODIES = {
    "fast": "exit 0",
    "failing": "test $((runs % 5)) -eq 0",
    "flapping": "test $((runs % 3)) -ne 0",
    "slow": "sleep 0.4 9>&-",
    "forking": "(trap '' TERM; exec 9>&-; exec sleep 30) & setsid sleep 1 9>&- >/dev/null 2>&1 &",
    "late": "sleep 20 9>&-",
    "queueing": "sleep 1.3 9>&-; test $((runs % 2)) -eq 0",
    "skipping": "sleep 1.3 9>&-",
    "guarded": "exit 0",
    "messy": "head -c 200000 /dev/urandom; exit 3",
}
"""Name of the agent to what its script does."""

MORE = {
    "failing": "max_attempts = 3",
    "flapping": "max_attempts = 1",
    "late": "max_attempts = 2",
    "queueing": 'overlap = "queue"',
    "skipping": 'overlap = "skip"',
}
HOOKS = {"guarded": '[[preflight]]\nplugin = "gate"\n'}
TIMEOUTS = {"late": "400ms"}

GATE = """#!/bin/bash
cat > /dev/null
if [ $((RANDOM % 3)) -eq 0 ]; then echo '{"ok": false, "error": "not now"}'; exit 1; fi
echo '{"ok": true}'
"""

MANIFEST = """
[agent]
name = "{name}"
timeout = "{timeout}"
[run]
command = "./script"
warn_codes = [3]
[defaults]
max_attempts = 2
retry_backoff = ["100ms"]
{hook}
[[schedules]]
id = "often"
every = "1s"
run_at_start = true
{more}
[[notifiers]]
id = "all"
driver = "ntfy"
base_url = "{url}"
topic = "{name}-all"
[[notifiers]]
id = "end"
driver = "ntfy"
base_url = "{url}"
topic = "{name}-end"
events = ["given_up", "missed", "recovered"]
# edit {edit}
"""

CONFIG = """
[[notifiers]]
id = "ops"
driver = "ntfy"
base_url = "{url}"
topic = "ops"
events = ["recovered", "given_up", "daemon_unclean_restart"]
"""


def settle_in(home: Path, url: str) -> None:
    """Configuration, plugin and every agent."""
    home.mkdir(parents=True)
    _write(home / "config.toml", CONFIG.format(url=url), 0o600)
    _write(home / "plugins" / "dotagent-plugin-gate", GATE, 0o700)
    for name in BODIES:
        put(home, name, url)


def put(home: Path, name: str, url: str, edit: int = 0) -> None:
    """Write an agent, or another edition of it."""
    folder = home / "agents" / name
    if not (folder / "script").exists():  # bash reads a script as it goes
        _write(folder / "script", SCRIPT.format(body=BODIES[name]), 0o700)
    text = MANIFEST.format(
        name=name,
        url=url,
        edit=edit,
        more=MORE.get(name, ""),
        hook=HOOKS.get(name, ""),
        timeout=TIMEOUTS.get(name, "20s"),
    )
    draft = folder / "draft"
    _write(draft, text, 0o600)
    draft.replace(folder / "agent.toml")


def remove(home: Path, name: str) -> None:
    """Its manifest is deleted; what it wrote stays."""
    (home / "agents" / name / "agent.toml").unlink(missing_ok=True)


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
