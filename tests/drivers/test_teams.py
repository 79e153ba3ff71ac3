"""The Teams driver, and a server that is as particular as a workflow."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dotagent.core.fit import visible
from dotagent.core.model import Message, Outcome, RejectDestination, RejectMessage, Retry, Sent
from dotagent.core.structure import structure
from dotagent.drivers import teams
from dotagent.ports import Response
from tests.drivers.harness import kit, message, parcel
from tests.support.http_server import Answer, Received, StrictServer

_JSON = (("Content-Type", "application/json; charset=utf-8"),)
_PATH = "/powerautomate/automations/direct/workflows/0ec4/triggers/manual/paths/invoke"
_CARD = "application/vnd.microsoft.card.adaptive"
_THROTTLED = (
    b"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429"
    b" with ContextId tcid=0."
)


def refused(status: int, code: str, words: str) -> Answer:
    """The form of an error of the service behind workflows."""
    body = json.dumps({"error": {"code": code, "message": words}}).encode()
    return Answer(status=status, body=body, headers=_JSON)


def busy(seconds: int) -> Answer:
    answer = refused(429, "WorkflowRequestsThrottled", "The rate limit was exceeded.")
    return Answer(status=429, body=answer.body, headers=(*_JSON, ("Retry-After", str(seconds))))


BUSY = ((busy(90), 90_000),)


class TeamsServer(StrictServer):
    """One workflow. Stricter in that it looks into the card, which the real one does only after it
    has answered, and that it takes nothing but text without markup."""

    def settings(self) -> dict[str, Any]:
        """Settings with which this server accepts messages."""
        return {"webhook_url": f"{self.url}{_PATH}?api-version=1&sig={self.secret}"}

    def judge(self, request: Received) -> Answer:
        path, _, query = request.target.partition("?")
        if path != _PATH:
            return refused(404, "WorkflowNotFound", "The workflow '0ec4' could not be found.")
        if query != f"api-version=1&sig={self.secret}":
            return refused(401, "DirectApiAuthorizationRequired", "Signature is missing.")
        if request.method != "POST" or request.header("content-type") != "application/json":
            return refused(400, "InvalidRequestContent", "The trigger takes JSON by POST.")
        if len(request.body) > 20_480:
            return refused(413, "RequestEntityTooLarge", "The request is too large.")
        try:
            self._read(json.loads(request.body.decode()))
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            return refused(400, "TriggerInputSchemaMismatch", str(error)[:80])
        return Answer(status=202)

    def _read(self, payload: dict[str, Any]) -> None:
        (attachment,) = payload["attachments"]
        card = attachment["content"]
        assert "message" == payload["type"]
        assert _CARD == attachment["contentType"]
        assert ("AdaptiveCard", "1.4") == (card["type"], card["version"])
        for block in card["body"]:
            assert "RichTextBlock" == block["type"]
            for run in block["inlines"]:
                assert "TextRun" == run["type"]
                assert run["text"]
                assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f]", run["text"])
        assert all(visible(block["inlines"][0]["text"]) for block in card["body"][:2])
        for action in card["actions"]:
            assert "Action.OpenUrl" == action["type"]
            assert action["url"].startswith(("https://", "http://"))


SERVER = TeamsServer
URL = "https://x.example/flow?sig=s3cr3t"


def card(text: Message, plain: bool = False) -> dict[str, Any]:
    request = teams.request(teams.Config(webhook_url=URL), text, plain)
    found: dict[str, Any] = json.loads(request.body)["attachments"][0]["content"]
    return found


def shown(text: Message, plain: bool = False) -> list[str]:
    return [block["inlines"][0]["text"] for block in card(text, plain)["body"]]


def test_exact_request() -> None:
    """The envelope of a workflow, byte for byte; each line of the output in a block of its own."""
    text = message("a/b: **é** <at>you</at>", "x\n\n[y](z)", link="https://x.example/7")
    request = teams.request(teams.Config(webhook_url=URL), text, False)

    assert (URL, (("Content-Type", "application/json"),)) == (request.url, request.headers)
    assert (
        '{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive",'
        '"contentUrl":null,"content":{"$schema":"http://adaptivecards.io/schemas/'
        'adaptive-card.json","type":"AdaptiveCard","version":"1.4","msteams":{"width":"Full"},'
        '"body":[{"type":"RichTextBlock","inlines":[{"type":"TextRun","text":"disk",'
        '"weight":"Bolder"}]},{"type":"RichTextBlock","inlines":[{"type":"TextRun",'
        '"text":"a/b: **é** <at>you</at>"}]},{"type":"RichTextBlock","inlines":[{"type":"TextRun",'
        '"text":"x","fontType":"Monospace"}],"spacing":"None"},{"type":"RichTextBlock","inlines":'
        '[{"type":"TextRun","text":"\u00a0","fontType":"Monospace"}],"spacing":"None"},'
        '{"type":"RichTextBlock","inlines":[{"type":"TextRun","text":"[y](z)",'
        '"fontType":"Monospace"}],"spacing":"None"}],"actions":[{"type":"Action.OpenUrl",'
        '"title":"Open","url":"https://x.example/7"}]}}]}'
    ) == request.body.decode()


@pytest.mark.parametrize("tail", ["", " \n", "\u200b\x07"])
def test_no_output(tail: str) -> None:
    """Without output there are title and line, and nothing that says so."""
    assert ["disk", "a/b: ok"] == shown(message("a/b: ok", tail))


def test_plain_request() -> None:
    """The plainer rendering keeps the line and says that the output is missing."""
    text = message("a", "boom", link="https://x.example/")

    assert ["disk", "a", "(output left out: the service refused the full message)"] == (
        shown(text, True)
    )
    assert [] == card(text, True)["actions"]


@pytest.mark.parametrize("unit", ["x", "é😀", '"\\', "a\n", "a\n\n", "long words \n"])
def test_limit_is_bytes_of_json(unit: str) -> None:
    """Whatever it is made of, a long output fills the payload to its limit and keeps its end."""
    text = message(unit * 4_000, unit * 20_000 + "\nthe end", title=unit * 900)
    request = teams.request(teams.Config(webhook_url=URL), text, False)

    assert 20_000 >= len(request.body) > 19_300
    assert "the end" == shown(text)[-1]
    assert re.fullmatch(r"… [\d,]+ characters cut …", shown(text)[2])


@pytest.mark.parametrize("url", ["", "x.example/flow", "https://", "http://a b/"])
def test_address_is_checked(url: str) -> None:
    """What is no web address is refused when the manifest is read, by its key."""
    found, problems = structure({"webhook_url": url}, teams.Config, "notifiers[0]")

    assert found is None
    assert ["notifiers[0].webhook_url"] == [problem.path for problem in problems]


D, P, R = RejectDestination, RejectMessage, Retry


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (Answer(status=202), Sent),
        (Answer(status=200, body=b"1"), Sent),
        (Answer(status=200, body=_THROTTLED), R),
        (Answer(status=200, body=_THROTTLED.replace(b"429", b"413")), P),
        (Answer(status=200, body=_THROTTLED.replace(b"429", b"404")), D),
        (Answer(status=200, body=_THROTTLED.replace(b"429", b"200")), R),
        (Answer(status=200, body=b"Webhook message delivery failed with error: x"), P),
        (Answer(status=200, body=b"<html>Log in"), R),
        (refused(400, "WorkflowTriggerIsNotEnabled", "its state is 'Deleted'"), D),
        (refused(400, "TriggerInputSchemaMismatch", "x"), P),
        (refused(401, "DirectApiAuthorizationRequired", "x"), D),
        (refused(404, "WorkflowNotFound", "x"), D),
        (Answer(status=413), P),
        (busy(3), R),
        (Answer(status=500), R),
        (Answer(status=502, body=b"<html>"), R),
        (Answer(status=400, body=b'{"error":"x"}'), P),
    ],
)
def test_answers(answer: Answer, meaning: type[Outcome]) -> None:
    """A status counts, and what a 200 says inside counts more."""
    response = Response(status=answer.status, body=answer.body)

    assert isinstance(teams.classify(response), meaning)


def test_answer_is_quoted() -> None:
    """The reason names status, code and words."""
    answer = refused(400, "WorkflowTriggerIsNotEnabled", "its state is 'Deleted'")
    outcome = teams.classify(Response(status=400, body=answer.body))

    said = "WorkflowTriggerIsNotEnabled: its state is 'Deleted'"
    assert RejectDestination(why=f"Teams answered 400 Bad Request: {said}") == outcome


async def test_end_to_end() -> None:
    """A card arrives; an address without its signature is told apart."""
    async with TeamsServer() as server, kit() as sender:
        sent = await sender.send(parcel("teams", server.settings(), message=message("a", "b")))
        bare = server.settings()["webhook_url"].partition("&")[0]
        wrong = await sender.send(parcel("teams", {"webhook_url": bare}))

    assert Sent() == sent
    said = "DirectApiAuthorizationRequired: Signature is missing."
    assert RejectDestination(why=f"Teams answered 401 Unauthorized: {said}") == wrong
    assert {"Host", "Accept", "Content-Type", "Content-Length"} == {
        name for name, _ in server.accepted[0].headers
    }
