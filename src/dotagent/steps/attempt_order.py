"""The order for one attempt's process: argv, folder, environment, log, limits (contract §5)."""

from __future__ import annotations

import json
import os

from dotagent.core.errors import UsageError
from dotagent.core.manifest import Manifest, Schedule
from dotagent.core.moment import stamp
from dotagent.core.secret import Redactor, Unresolved
from dotagent.ports import Order
from dotagent.steps.parts import Parts
from dotagent.steps.secrecy import secret_values
from dotagent.store.attempts import Run

RESULT = "result"
"""Name of the file behind ``$AGENT_RESULT``, in the attempt's temporary folder."""


def make(
    parts: Parts,
    manifest: Manifest,
    schedule: Schedule,
    run: Run,
    *,
    folder: str,
    tmp: str,
    started_at: int,
    dry_run: bool,
    tee: tuple[str, str] | None,
) -> Order:
    """Everything the supervisor needs. ``folder`` is the manifest's; ``tmp`` is fresh and private.
    Raises ``Unresolved`` for a secret of ``[env] from_secrets`` that is not there, ``UsageError``
    for restrictions that are required and cannot be enforced."""
    _refuse_unenforced(manifest)
    result = os.path.join(tmp, RESULT)
    env = _environment(parts, manifest)
    env.update(_about(schedule, run, folder, tmp, started_at))
    env["AGENT_RESULT"] = result
    env["AGENT_DRY_RUN"] = "true" if dry_run else "false"
    env.pop("AGENT_HEARTBEAT_FILE", None)
    if not dry_run:
        env["AGENT_HEARTBEAT_FILE"] = parts.paths.heartbeat(run.agent, schedule.slug)
    when = stamp(started_at, parts.actor.zone)
    what = f"schedule={schedule.id} · slug={schedule.slug}"
    return Order(
        argv=(manifest.run.command, *manifest.run.args, *schedule.args),
        cwd=os.path.join(folder, manifest.run.working_dir or ""),
        env=env,
        marker=run.marker,
        timeout_ms=manifest.agent.timeout_ms,
        tail_lines=manifest.limits.output_tail_lines,
        log_path=None if dry_run else parts.paths.agent_log(run.agent),
        log_header=f"\n=== {when} run started · {what} ===\n",
        log_name=f"schedule={schedule.id}",
        log_zone=parts.actor.zone,
        log_max_bytes=manifest.limits.log_max_mb * 1024 * 1024,
        result_path=result,
        tee=tee,
        redactor=Redactor(secret_values(parts, manifest)),
    )


def _refuse_unenforced(manifest: Manifest) -> None:
    """What ``[security] enforce = "require"`` asks for and nobody can hold back does not start."""
    security = manifest.security
    if security.explicit and security.enforce == "require":
        raise UsageError(
            'not run: [security] enforce = "require", and this version cannot enforce what that'
            " section restricts"
        )


def _about(schedule: Schedule, run: Run, folder: str, tmp: str, started_at: int) -> dict[str, str]:
    """What the script may know of its attempt."""
    return {
        "AGENT_NAME": run.agent,
        "AGENT_HOME": folder,
        "AGENT_TMPDIR": tmp,
        "AGENT_SCHEDULE_ID": schedule.id,
        "AGENT_START_EPOCH": str(started_at // 1000),
        "AGENT_SLUG": schedule.slug,
        "AGENT_ARGV": json.dumps(list(schedule.args), ensure_ascii=False, separators=(",", ":")),
        "AGENT_ATTEMPT_ID": run.marker,
        "AGENT_ATTEMPT": str(run.number),
    }


def _environment(parts: Parts, manifest: Manifest) -> dict[str, str]:
    env = dict(parts.environment) if manifest.env.inherit else {}
    env.update(manifest.env.extra)
    for name in manifest.env.from_secrets:
        value = parts.secrets.get(name)
        if not value:
            raise Unresolved(
                name,
                f"[env] from_secrets names {name}, which is not in {parts.paths.secrets}",
                f"Add a line {name}=… to that file.",
            )
        env[name] = value
    return env
