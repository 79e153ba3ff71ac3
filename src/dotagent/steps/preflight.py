"""Preflight: plugins that may say no before an attempt starts (contract §6, §10)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from dotagent.core.manifest import Hook, Manifest
from dotagent.core.model import Blocked
from dotagent.core.secret import Redactor
from dotagent.plugins import client, find
from dotagent.plugins.client import DEADLINE_MS, Answer, End, PluginKind
from dotagent.steps.parts import Parts
from dotagent.steps.secrecy import secret_values
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
    dirs = find.search_dirs(parts.environment, parts.user_home, parts.paths.home)
    # A stat may wait for a network share that has gone away: not on the loop.
    found = await asyncio.to_thread(find.find, hook.plugin, dirs)
    if isinstance(found, find.Missing):
        return Answer(end=End.NOT_STARTED, error=found.why)
    extra: Mapping[str, Any] = {"attempt": run.number}
    said = client.payload(
        kind=PluginKind.PREFLIGHT,
        agent=run.agent,
        schedule=run.schedule_id,
        event="preflight",
        message=None,
        config=hook.config,
        extra=extra,
    )
    deadline = hook.timeout_ms or DEADLINE_MS["preflight"]
    redactor = Redactor(secret_values(parts, manifest))
    env = parts.environment
    return await client.invoke(parts.speak, found.path, said, env, deadline, redactor=redactor)
