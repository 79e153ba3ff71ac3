"""What a claimed send says: the message of one delivery, or of several that go as one."""

from __future__ import annotations

import hashlib
from datetime import tzinfo

from dotagent.core.model import Message
from dotagent.core.render import doubted, render
from dotagent.core.together import together
from dotagent.store import look
from dotagent.store.database import Reader
from dotagent.store.outbox import Claim


def message_of(reader: Reader, home_id: str, zone: tzinfo, claim: Claim) -> Message:
    """Only the leader's output is read: what the others printed does not fit a message anyway."""
    event, stdout, stderr = look.event(reader, claim.event_seq)
    message = render(
        event,
        key=f"{home_id}-{_key(claim)}",
        zone=zone,
        stdout=stdout,
        stderr=stderr,
        doubtful=claim.may_repeat and not claim.others,
    )
    if claim.why is None:
        return message
    seqs = [claim.event_seq, *(each.event_seq for each in claim.others)]
    folded = together(message, event, look.events(reader, seqs), claim.why, zone)
    return doubted(folded) if claim.may_repeat else folded


def _key(claim: Claim) -> str:
    """The same as long as exactly the same deliveries go as one: a receiver that drops what it has
    seen must not drop what joined it since."""
    if not claim.others:
        return str(claim.delivery_id)
    ids = ",".join(str(each) for each in sorted(claim.ids))
    return f"{claim.delivery_id}-{hashlib.sha256(ids.encode()).hexdigest()[:8]}"
