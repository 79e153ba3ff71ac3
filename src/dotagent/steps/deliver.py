"""One delivery: look up its notifier, resolve its secrets, render, send, settle.

A claimed delivery always settles: whatever goes wrong on the way becomes an outcome. Invariant: no
resolved secret leaves this room but inside the parcel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from dotagent.core import sample, template
from dotagent.core.errors import DotagentError, StoreCorrupt
from dotagent.core.manifest import Manifest
from dotagent.core.model import Message, Outcome, RejectMessage, Retry, Sent, Skipped, Unknown
from dotagent.core.targets import PLUGIN, Resolved, Target, fingerprint
from dotagent.ports import Parcel
from dotagent.steps import plugin_call
from dotagent.steps.address import ready, resolve
from dotagent.steps.catalogue import Catalogue
from dotagent.steps.faults import fault
from dotagent.steps.message import message_of
from dotagent.steps.mirror import MIRRORED, mirror
from dotagent.steps.parts import Parts
from dotagent.steps.secrecy import secret_values, values_about
from dotagent.store import look, settle_send
from dotagent.store.outbox import Claim

TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a send brought, and what may be sent next."""

    claim: Claim
    outcome: Outcome
    next: Sequence[Claim]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Try:
    """One try: its outcome, the fingerprint of the address really used, and for the record which
    plugin it went through. ``gone``: there is no such notifier any more. ``unmade``: what was to be
    one message could not be made one, and nothing was sent. ``remark``: what else the record should
    say."""

    outcome: Outcome
    address: str
    gone: str | None = None
    unmade: bool = False
    plugin: str | None = None
    purpose: str = "notify"
    remark: str = ""
    recipient: str | None = None
    """Whom an iMessage went to."""


async def deliver(
    parts: Parts, catalogue: Catalogue, claim: Claim, *, room: Callable[[], int]
) -> Result:
    """Send one claimed delivery and settle it; ``room()`` more may follow it then."""
    try:
        tried = await _try(parts, catalogue, claim)
    except StoreCorrupt:
        raise  # nothing can be settled any more: whoever holds the home sets the file aside
    except DotagentError as error:  # an unset ${NAME}, a good copy that cannot be read
        tried = _failed(claim, error.message)
    except Exception as error:  # a fault of ours must not take the other messages down
        tried = _failed(claim, fault(error))
    following = await parts.commit(
        lambda tx: settle_send.settle(
            tx,
            parts.actor,
            parts.clock.now(),
            claim,
            tried.outcome,
            fingerprint=tried.address,
            u=parts.chance(),
            room=room(),
            gone=tried.gone,
            unmade=tried.unmade,
            plugin=tried.plugin,
            purpose=tried.purpose,
            remark=tried.remark,
        )
    )
    if tried.recipient is not None and isinstance(tried.outcome, Sent):
        await mirror(parts, tried.recipient)
    return Result(claim=claim, outcome=tried.outcome, next=following)


def _failed(claim: Claim, why: str) -> _Try:
    """What goes wrong with one of several must not keep the others."""
    return _Try(outcome=Retry(why=why), address=claim.fingerprint, unmade=bool(claim.others))


async def _try(parts: Parts, catalogue: Catalogue, claim: Claim) -> _Try:
    manifest = _manifest(parts, catalogue, claim)
    target = _target(parts, manifest, claim)
    if isinstance(target, str) and claim.others:
        return _failed(claim, target)
    if isinstance(target, str):
        outcome: Outcome = Skipped(why=f"notifier removed: {target}")
        return _Try(outcome=outcome, address=claim.fingerprint, gone=target)
    message, remark = _message(parts, target, claim)
    found = await ready(parts, target)
    address = found.address
    if address != claim.fingerprint and claim.others:
        return _failed(claim, "the channel's address has changed")  # the others' may not have
    inside = await plugin_call.stand_in(parts, target)
    if inside is not target:
        target, found = inside, resolve(parts, inside)
    marks = _Marks(parts.home_key, target.driver, claim.arrived)
    seqs = [claim.event_seq, *(each.event_seq for each in claim.others)]
    hidden = partial(_unsaid, parts, catalogue, manifest, seqs)
    wrapped = _parcel(parts, target, found, message, claim, marks, hidden)
    is_plugin = target.driver == PLUGIN
    if is_plugin:
        wrapped = await _for_plugin(parts, manifest, target, wrapped, claim)
    return _Try(
        outcome=marks.made(await _send(parts, manifest, target, wrapped)),
        address=address,
        plugin=str(target.settings["name"]) if is_plugin else None,
        purpose=target.purpose,
        remark=remark,
        recipient=str(found.settings.get("to")) if target.driver == MIRRORED else None,
    )


def _message(parts: Parts, target: Target, claim: Claim) -> tuple[Message, str]:
    """What it says, in the notifier's own words where it has some; and what to remark of these."""
    plain = message_of(parts.reader, parts.home_id, parts.actor.zone, claim)
    own_words = target.template if not claim.others else None  # a template is about one event
    message, remark = template.apply(plain, own_words, parts.actor.zone)
    return sample.marked(message), remark  # whatever its template says


def _parcel(
    parts: Parts,
    target: Target,
    found: Resolved,
    message: Message,
    claim: Claim,
    marks: _Marks,
    hidden: Callable[[], Sequence[str]],
) -> Parcel:
    """What the sender gets; a hook's purpose travels in its settings, for the plugin sender."""
    hook = {"purpose": target.purpose} if target.driver == PLUGIN else {}
    return Parcel(
        driver=target.driver,
        settings={**found.settings, **hook},
        message=message,
        timeout_ms=target.timeout_ms or TIMEOUT_MS,
        proxy=found.proxy,
        ca_file=target.ca_file,
        secrets=found.secrets,
        hidden=hidden,
        plain=claim.plain,
        previous=_previous(parts, claim, message),
        arrived=marks.known,
    )


async def _for_plugin(
    parts: Parts, manifest: Manifest | None, target: Target, wrapped: Parcel, claim: Claim
) -> Parcel:
    """A plugin's parcel: its own deadline, its environment, what it is told besides."""
    is_sink = target.purpose == "sink"
    told = await plugin_call.facts(parts, claim.event_seq, is_sink=is_sink)
    return replace(
        wrapped,
        timeout_ms=plugin_call.deadline_ms(target),
        withheld=parts.withheld,
        env=plugin_call.environment(parts, manifest),
        facts={**told, "send": claim.number, "may_repeat": claim.may_repeat},
    )


def _unsaid(
    parts: Parts, catalogue: Catalogue, manifest: Manifest | None, seqs: Sequence[int]
) -> tuple[str, ...]:
    """What nothing that is said or stored of an answer may show: the notifier's own manifest's
    secrets, and those of the agents that the events are about."""
    return (*secret_values(parts, manifest), *values_about(parts, catalogue, seqs))


async def _send(
    parts: Parts, manifest: Manifest | None, target: Target, wrapped: Parcel
) -> Outcome:
    """A planned stop cancels the send; whether it arrived is then not known."""
    refusal = plugin_call.refusal(manifest, target)
    if refusal is not None:
        return RejectMessage(why=refusal)
    try:
        return await parts.sender.send(wrapped)
    except asyncio.CancelledError:
        return Unknown(why="dotagent was stopped before the answer came")


class _Marks:
    """Who of several recipients has a message already. An address may come from the secrets: only
    its fingerprint under the home's key is stored."""

    def __init__(self, home_key: bytes, driver: str, arrived: frozenset[str]) -> None:
        self._home_key = home_key
        self._driver = driver
        self._arrived = arrived

    def known(self, recipient: str) -> bool:
        return self._mark(recipient) in self._arrived

    def made(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Retry | RejectMessage) and outcome.arrived:
            return replace(outcome, arrived=tuple(map(self._mark, outcome.arrived)))
        return outcome

    def _mark(self, recipient: str) -> str:
        return fingerprint(self._home_key, self._driver, {"recipient": recipient})


def _previous(parts: Parts, claim: Claim, message: Message) -> str | None:
    """The receipt of the last message about this schedule; what is about none follows none."""
    driver = parts.driver(claim.driver) if claim.driver != PLUGIN else None
    if driver is None or not driver.recalls or not message.schedule_id:
        return None
    return look.last_receipt(parts.reader, claim.delivery_id)


def _manifest(parts: Parts, catalogue: Catalogue, claim: Claim) -> Manifest | None:
    """Whose notifier it is; None for those of config.toml."""
    if not claim.scope:
        return None
    return catalogue.manifest(claim.scope, claim.manifest_sha256)


def _target(parts: Parts, manifest: Manifest | None, claim: Claim) -> Target | str:
    """The notifier in force, or why there is none any more."""
    targets: Sequence[Target] = parts.routes
    where = "config.toml"
    if manifest is not None:
        targets = parts.targets_of(manifest)
        where = f"the manifest of {claim.scope}"
    for target in targets:
        if target.key == claim.notifier:
            return target
    return f"“{claim.name}” is no longer in {where}"
