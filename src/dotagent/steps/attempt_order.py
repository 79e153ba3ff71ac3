"""The order for one attempt's process: argv, folder, environment, log, limits (contract §5)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from dotagent.core.errors import UsageError
from dotagent.core.manifest import Manifest, Schedule
from dotagent.core.moment import stamp
from dotagent.core.restrict import passed, refused_command, unheld, unheld_text
from dotagent.core.secret import Redactor, Unresolved, named_as_secret
from dotagent.ports import Order
from dotagent.steps.parts import Parts
from dotagent.steps.secrecy import secret_values
from dotagent.store.attempts import Run
from dotagent.system.scratch import Scratch


def make(
    parts: Parts,
    manifest: Manifest,
    schedule: Schedule,
    run: Run,
    *,
    folder: str,
    scratch: Scratch,
    started_at: int,
    dry_run: bool,
    tee: tuple[str, str] | None,
    base: Mapping[str, str] | None = None,
) -> Order:
    """Everything the supervisor needs. ``folder`` is the manifest's; ``scratch`` is fresh;
    ``base`` is what is inherited instead of the daemon's environment. Raises ``Unresolved`` for a
    secret of ``[env] from_secrets`` that is not there, ``UsageError`` for what ``[security]`` does
    not allow."""
    cwd = os.path.join(folder, manifest.run.working_dir or "")
    _refuse(manifest, cwd)
    env = _environment(parts, manifest, base)
    env.update(_about(schedule, run, folder, scratch, started_at))
    env["AGENT_DRY_RUN"] = "true" if dry_run else "false"
    env.pop("AGENT_HEARTBEAT_FILE", None)
    if not dry_run:
        env["AGENT_HEARTBEAT_FILE"] = parts.paths.heartbeat(run.agent, schedule.slug)
    when = stamp(started_at, parts.actor.zone)
    what = f"schedule={schedule.id} · slug={schedule.slug}"
    return Order(
        argv=(manifest.run.command, *manifest.run.args, *schedule.args),
        cwd=cwd,
        env=env,
        marker=run.marker,
        timeout_ms=manifest.agent.timeout_ms,
        tail_lines=manifest.limits.output_tail_lines,
        log_path=None if dry_run else parts.paths.agent_log(run.agent),
        log_header=f"\n=== {when} run started · {what} ===\n",
        log_name=f"schedule={schedule.id}",
        log_zone=parts.actor.zone,
        log_max_bytes=manifest.limits.log_max_mb * 1024 * 1024,
        result_path=scratch.result,
        tee=tee,
        output_path=scratch.output if manifest.on_success else None,
        redactor=Redactor([*secret_values(parts, manifest), *named_as_secret(base or {})]),
    )


def _refuse(manifest: Manifest, cwd: str) -> None:
    """A command that is not allowed does not start, nor does anything under ``enforce = "require"``
    that nobody here can hold back."""
    security = manifest.security
    refusal = refused_command(security, manifest.run.command, cwd)
    if refusal is not None:
        raise UsageError(f"not run: {refusal}")
    if security.enforce == "require" and unheld(security):
        raise UsageError(
            f"not run: {unheld_text(security)} cannot be enforced by this version, and enforce ="
            ' "require" asks for it',
            'Take the restriction out, or write enforce = "warn".',
        )


def _about(
    schedule: Schedule, run: Run, folder: str, scratch: Scratch, started_at: int
) -> dict[str, str]:
    """What the script may know of its attempt."""
    return {
        "AGENT_NAME": run.agent,
        "AGENT_HOME": folder,
        "AGENT_TMPDIR": scratch.tmp,
        "AGENT_RESULT": scratch.result,
        "AGENT_SCHEDULE_ID": schedule.id,
        "AGENT_START_EPOCH": str(started_at // 1000),
        "AGENT_SLUG": schedule.slug,
        "AGENT_ARGV": json.dumps(list(schedule.args), ensure_ascii=False, separators=(",", ":")),
        "AGENT_ATTEMPT_ID": run.marker,
        "AGENT_ATTEMPT": str(run.number),
    }


def _environment(
    parts: Parts, manifest: Manifest, base: Mapping[str, str] | None
) -> dict[str, str]:
    inherited = base if base is not None else parts.environment
    env = dict(passed(inherited, manifest.security)) if manifest.env.inherit else {}
    env.update(manifest.env.extra)
    for name in manifest.env.from_secrets:
        value = parts.secrets.get(name)
        if not value:
            why = parts.vault.failed.get(name) or f"it is not in {parts.secrets_path}"
            hint = f"Add a line {name}=… to that file."
            unfetched = name in parts.vault.failed
            text = f"[env] from_secrets names {name}, and there is no such secret: {why}"
            raise Unresolved(name, text, None if unfetched else hint)
        env[name] = value
    return env
