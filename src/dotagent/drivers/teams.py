"""A channel or chat of Microsoft Teams, by a workflow.

    [[notifiers]]
    driver = "teams"
    webhook_url = "${TEAMS_WEBHOOK_URL}"

In Teams open the channel's menu, Workflows, and take "Send webhook alerts to a channel" (older:
"Post to a channel when a webhook request is received"). Copy the whole address that it shows, its
``sig`` included. The address is the credential: whoever has it can post. "Anyone" must be allowed
to trigger the flow. The flow belongs to who made it and stops when that person leaves.

A flow that was removed or switched off, or that wants a login, parks the destination. That Teams
took a message means that the flow was started; what goes wrong in it stands in its run history.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dotagent.core.fit import clean, fit, json_bytes, visible
from dotagent.core.model import Message, Outcome, RejectDestination, RejectMessage, Retry, Sent
from dotagent.drivers.kit.driver import Limit
from dotagent.drivers.kit.wire import (
    answered,
    by_status,
    is_page,
    json_of,
    link_of,
    plain_tail,
    text_of,
    title_of,
    url_problem,
)
from dotagent.ports import Pace, Request, Response

# The page says 28 KB for the message as Teams keeps it, which is more than what is sent; from
# 21 KB on messages have been refused.
PAYLOAD = Limit(
    of="payload",
    most=20_000,
    unit="bytes of JSON",
    source="https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook",
)
LINE = Limit(of="line", most=4_000, unit="bytes of JSON", source=PAYLOAD.source)
TITLE = Limit(of="title", most=500, unit="bytes of JSON", source=PAYLOAD.source)
LIMITS = (PAYLOAD, LINE, TITLE)
# https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
# #rate-limiting-for-connectors: 4 in a second, 60 in 30 s, 100 in an hour, 150 in two hours.
PACE = Pace(burst=4, every_ms=50_000, parallel=1)
TARGET = ("webhook_url",)
SECRETS = ("webhook_url",)

# What the service behind workflows (Azure Logic Apps) answers where the flow itself is the trouble:
# https://learn.microsoft.com/rest/api/logic/workflowtriggers/run names the form of its errors;
# the codes are those that it has been seen to give.
_DEAD = {
    "AuthorizationFailed",
    "DirectApiAuthorizationRequired",
    "InvalidAuthorization",
    "InvalidSignature",
    "WorkflowDisabled",
    "WorkflowNotFound",
    "WorkflowTriggerIsNotEnabled",
    "WorkflowTriggerNotFound",
}
_INNER = re.compile(r"returned HTTP error (\d{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    webhook_url: str = field(repr=False)

    def check(self) -> Iterator[tuple[str, str]]:
        if problem := url_problem(self.webhook_url):
            yield "webhook_url", problem


# ------------------------------------------------------------------------------------ the card


def _bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _run(text: str, **style: Any) -> dict[str, Any]:
    """Text that is nothing but text: a run knows no Markdown
    (https://adaptivecards.io/explorer/TextRun.html)."""
    inline = {"type": "TextRun", "text": text or "\u00a0", **style}
    return {"type": "RichTextBlock", "inlines": [inline]}


def _lines(text: str) -> list[dict[str, Any]]:
    """The output, a block a line: a line break inside a run is not shown everywhere."""
    return [{**_run(line, fontType="Monospace"), "spacing": "None"} for line in text.split("\n")]


_LINE_COST = len(_bytes(_lines("x")))
"""Bytes around the text of one line, its comma included."""


def _cost(text: str) -> int:
    """At most what ``_lines`` adds to the payload."""
    return json_bytes(text) + _LINE_COST * (text.count("\n") + 1)


def _card(message: Message, body: list[dict[str, Any]], link: str | None) -> dict[str, Any]:
    actions = [{"type": "Action.OpenUrl", "title": "Open", "url": link}] if link else []
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
        "actions": actions,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": kind, "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


def request(config: Config, message: Message, plain: bool) -> Request:
    """An Adaptive Card in its envelope. ``plain`` leaves the output and the link away."""
    title = title_of(message, None, TITLE.most, json_bytes)
    head = fit(message.line, "", LINE.most, json_bytes)
    body = [_run(title, weight="Bolder"), _run(head)]
    link = None if plain else link_of(message)
    tail = plain_tail(message) if plain else message.tail
    room = PAYLOAD.most - len(_bytes(_card(message, body, link)))
    if visible(clean(tail)):
        body += _lines(fit("", tail, room, _cost))
    return Request(
        url=config.webhook_url,
        headers=(("Content-Type", "application/json"),),
        body=_bytes(_card(message, body, link)),
    )


# ------------------------------------------------------------------------------------ answers


def classify(response: Response) -> Outcome:
    """202 from a workflow, 200 from what speaks like an older connector, whose body may yet tell of
    an error (https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/
    connectors-using#rate-limiting-for-connectors)."""
    error = json_of(response).get("error")
    fault: Mapping[str, Any] = error if isinstance(error, dict) else {}
    code = fault.get("code")
    said = f"{code}: {fault.get('message', '')}" if isinstance(code, str) else None
    why = answered("Teams", response, said)
    if 200 <= response.status < 300:
        return _of_success(response, why)
    if isinstance(code, str) and code in _DEAD:
        return RejectDestination(why=why)
    return by_status("Teams", response, said)


def _of_success(response: Response, why: str) -> Outcome:
    if is_page(response):
        return Retry(why=why)
    text = text_of(response)
    if (inner := _INNER.search(text)) is not None:
        found = by_status("Teams", replace(response, status=int(inner[1])), text)
        return found if not isinstance(found, Sent) else Retry(why=why)
    if "failed with error" in text or "Bad payload" in text:
        return RejectMessage(why=why)
    return Sent()
