"""What a claimed send says: the message of one delivery, or of several that go as one."""

from __future__ import annotations

import hashlib
from datetime import tzinfo

from dotagent.core.model import Message
from dotagent.core.render import doubted, render, resent
from dotagent.core.together import together
from dotagent.store import look
from dotagent.store.database import Reader
from dotagent.store.event_row import Content
from dotagent.store.outbox import Claim
from dotagent.store.outbox_view import Unit


def message_of(reader: Reader, home_id: str, zone: tzinfo, claim: Claim) -> Message:
    """What this claim says."""
    unit = Unit(
        seqs=[claim.event_seq, *(each.event_seq for each in claim.others)],
        why=claim.why,
        doubtful=claim.may_repeat,
        resent=claim.resent,
    )
    content = claim.content or look.event(reader, claim.event_seq)
    return _composed(reader, zone, unit, content, key=f"{home_id}-{_key(claim)}")


def composed(reader: Reader, zone: tzinfo, unit: Unit) -> Message:
    """What goes, or went, as one message."""
    return _composed(reader, zone, unit, look.event(reader, unit.seqs[0]), key="")


def _composed(reader: Reader, zone: tzinfo, unit: Unit, lead: Content, *, key: str) -> Message:
    """Only the leader's output is read: what the others printed does not fit a message anyway."""
    others = unit.seqs[1:]
    message = render(lead.event, key=key, zone=zone, stdout=lead.stdout, stderr=lead.stderr)
    if unit.why is not None:
        message = together(message, lead.event, look.events(reader, unit.seqs), unit.why, zone)
    if unit.resent and not others:
        message = resent(message, zone)
    return doubted(message) if unit.doubtful else message


def _key(claim: Claim) -> str:
    """The same as long as exactly the same deliveries go as one: a receiver that drops what it has
    seen must not drop what joined it since."""
    if not claim.others:
        return str(claim.delivery_id)
    ids = ",".join(str(each) for each in sorted(claim.ids))
    return f"{claim.delivery_id}-{hashlib.sha256(ids.encode()).hexdigest()[:8]}"
