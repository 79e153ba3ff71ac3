"""Preflight: plugins that may say no before an attempt starts (contract §6, §10)."""

from __future__ import annotations

from dotagent.core.manifest import Hook, Manifest
from dotagent.core.model import Blocked
from dotagent.core.restrict import refused_plugin
from dotagent.plugins import client
from dotagent.plugins.client import DEADLINE_MS, Answer, End, PluginKind
from dotagent.plugins.find import Missing
from dotagent.steps import plugin_call
from dotagent.steps.parts import Parts
from dotagent.steps.secrecy import for_plugin, resolved
from dotagent.store import record
from dotagent.store.attempts import Run
from dotagent.store.database import Tx


async def ask(parts: Parts, manifest: Manifest, run: Run) -> Blocked | None:
    """Ask each preflight plugin in order; the first that says no blocks the attempt."""
    for hook in manifest.preflight:
        answer = await _invoke(parts, manifest, hook, run)
        await _record(parts, hook, run, ok=answer.ok)
        if not answer.ok:
            return Blocked(
                by=hook.plugin,
                why=answer.error or "",
                suggest=answer.suggest,
                skip=hook.on_block == "skip",
            )
    return None


async def _record(parts: Parts, hook: Hook, run: Run, *, ok: bool) -> None:
    def append(tx: Tx) -> None:
        record.append(
            tx,
            parts.actor,
            parts.clock.now(),
            "info" if ok else "notice",
            "plugin_invoked",
            agent=run.agent,
            plugin=hook.plugin,
            plugin_kind="preflight",
            ok=ok,
        )

    await parts.commit(append)


async def _invoke(parts: Parts, manifest: Manifest, hook: Hook, run: Run) -> Answer:
    """Raises ``Unresolved`` for a ``${NAME}`` of its configuration without a value."""
    refusal = refused_plugin(manifest.security, hook.plugin)
    if refusal is not None:
        return Answer(end=End.NOT_STARTED, error=refusal)
    found = await plugin_call.locate(parts, hook.plugin)
    if isinstance(found, Missing):
        return Answer(end=End.NOT_STARTED, error=found.why)
    settings, used = resolved(parts, {"config": hook.config})
    said = client.payload(
        kind=PluginKind.PREFLIGHT,
        agent=run.agent,
        schedule=run.schedule_id,
        event="preflight",
        message=None,
        config=settings["config"],
        extra={
            "attempt": run.number,
            "attempt_id": run.marker,
            "log_path": parts.paths.agent_log(run.agent),
        },
    )
    answer = await client.invoke(
        parts.speak,
        found.path,
        said,
        plugin_call.environment(parts, manifest),
        hook.timeout_ms or DEADLINE_MS["preflight"],
        redactor=for_plugin(parts, manifest, used),
    )
    what = f"preflight {run.agent}/{run.schedule_id}"
    await plugin_call.keep_words(parts, hook.plugin, what, answer)
    return answer
