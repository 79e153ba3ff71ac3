"""The webhook driver, and a receiver that checks CloudEvents 1.0 and Standard Webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any

import pytest

from dotagent.core.model import Message, Outcome, RejectDestination, RejectMessage, Retry, Sent
from dotagent.core.structure import structure
from dotagent.drivers import webhook
from dotagent.ports import Response
from tests.drivers.harness import NOW, kit, message, parcel
from tests.support.http_server import Answer, Received, StrictServer

_TYPE = "application/cloudevents+json; charset=utf-8"
_ATTRIBUTES = {"specversion", "id", "source", "type", "time", "datacontenttype", "data"}
BUSY = ((Answer(status=429, headers=(("Retry-After", "11"),)), 11_000),)


def whsec(text: str) -> str:
    """A secret as the specification writes it, made of this text."""
    return "whsec_" + base64.b64encode(text.ljust(24, ".").encode()).decode()


class Receiver(StrictServer):
    """Takes what is signed with its secret, not older than five minutes, and a CloudEvent."""

    def settings(self) -> dict[str, Any]:
        """Settings with which this server accepts messages."""
        return {
            "url": f"{self.url}/hook/{self.secret}",
            "secret": whsec(self.secret),
            "headers": {"Authorization": f"Bearer {self.secret}"},
        }

    def judge(self, request: Received) -> Answer:
        if (request.method, request.target) != ("POST", f"/hook/{self.secret}"):
            return Answer(status=404, body=b"no such hook")
        if request.header("authorization") != f"Bearer {self.secret}" or not self._signed(request):
            return Answer(status=401, body=b"bad signature")
        if request.header("content-type") != _TYPE:
            return Answer(status=415, body=b"send application/cloudevents+json")
        if len(request.body) > 65_536:
            return Answer(status=413, body=b"too large")
        return self._read(request)

    def _signed(self, request: Received) -> bool:
        stamp, name = request.header("webhook-timestamp"), request.header("webhook-id")
        if stamp is None or name is None or abs(int(stamp) - NOW // 1_000) > 300:
            return False
        key = base64.b64decode(whsec(self.secret).removeprefix("whsec_"))
        digest = hmac.digest(key, f"{name}.{stamp}.".encode() + request.body, hashlib.sha256)
        return request.header("webhook-signature") == f"v1,{base64.b64encode(digest).decode()}"

    def _read(self, request: Received) -> Answer:
        try:
            event = json.loads(request.body.decode(), parse_constant=float.fromhex)
        except ValueError:
            return Answer(status=400, body=b"not JSON")
        good = (
            set(event) == _ATTRIBUTES
            and event["specversion"] == "1.0"
            and event["id"] == request.header("webhook-id")
            and re.fullmatch(r"/dotagent/[!-~]*", event["source"])
            and re.fullmatch(r"dotagent\.[a-z_]+", event["type"])
            and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
            and event["data"]["message"]
            and event["data"]["title"]
        )
        return Answer(status=202) if good else Answer(status=400, body=b"not a CloudEvent")


SERVER = Receiver


def built(text: Message, plain: bool = False, **more: Any) -> Any:
    config = webhook.Config(**({"url": "https://x.example/hook"} | more))
    return webhook.request(config, text, plain)


def test_exact_request() -> None:
    """A compact CloudEvent in structured mode with the delivery's key; signed as the
    specification says."""
    text = message("a: é", "boom\n", link="https://x.example/7", facts={"code": 1})
    request = built(text, secret=whsec("k"), headers={"X-Team": "ops"}, method="PUT")

    assert ("https://x.example/hook", "PUT") == (request.url, request.method)
    assert (
        '{"specversion":"1.0","id":"01J0-delivery-1","source":"/dotagent/disk/daily",'
        '"type":"dotagent.attempt_failed","time":"2026-09-21T14:13:20.000Z",'
        '"datacontenttype":"application/json","data":{"agent":"disk","schedule":"daily",'
        '"event":"attempt_failed","severity":"warning","title":"disk","message":"a: é",'
        '"link":"https://x.example/7","facts":{"code":1},"output":"boom"}}'
    ) == request.body.decode()
    key = base64.b64decode(whsec("k")[6:])
    digest = hmac.digest(key, b"01J0-delivery-1.1790000000." + request.body, hashlib.sha256)
    assert (
        ("Content-Type", _TYPE),
        ("webhook-id", "01J0-delivery-1"),
        ("webhook-timestamp", "1790000000"),
        ("webhook-signature", f"v1,{base64.b64encode(digest).decode()}"),
        ("X-Team", "ops"),
    ) == request.headers


def test_signature_of_the_specification() -> None:
    """The example of the Standard Webhooks libraries comes out as it stands there."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'

    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == webhook.signature(
        key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body
    )


def test_two_secrets() -> None:
    """While a secret is changed both sign, so that a receiver may know either."""
    old, new = whsec("old"), whsec("new")
    both, *each = (
        dict(built(message(), secret=secret).headers)["webhook-signature"]
        for secret in (f"{old} {new}", old, new)
    )

    assert " ".join(each) == both


def test_without_a_secret() -> None:
    """Without a secret there is no signature, but still the id."""
    names = [name for name, _ in built(message()).headers]

    assert ["Content-Type", "webhook-id", "webhook-timestamp"] == names


def test_plain_request() -> None:
    """The plainer rendering leaves output and facts away."""
    data = json.loads(built(message("a", "boom", facts={"code": 1}), True).body)["data"]

    assert {} == data["facts"]
    assert "(output left out: the service refused the full message)" == data["output"]


@pytest.mark.parametrize("facts", [{"x": float("nan")}, {"x": {1}}, {"x": "y" * 20_000}])
def test_facts_that_will_not_do(facts: dict[str, Any]) -> None:
    """Facts that are no JSON, or too many, are left away; the message goes."""
    assert {} == json.loads(built(message(facts=facts)).body)["data"]["facts"]


@pytest.mark.parametrize("unit", ["x", "é😀", '"\\', "a\n", "\ud83d"])
def test_limit_is_bytes_of_json(unit: str) -> None:
    """Whatever it is made of, a long output fills the event to its limit and keeps its end."""
    text = message(unit * 70_000, unit * 70_000 + "the end", title=unit * 900)
    body = built(text).body

    assert 65_536 >= len(body) > 65_400
    assert json.loads(body)["data"]["output"].endswith("the end")


def test_strange_names() -> None:
    """Names of any letters make a source that is a URI reference."""
    event = json.loads(built(message(agent="dück/x", schedule_id="a b\ud83d")).body)

    assert "/dotagent/d%C3%BCck%2Fx/a%20b%EF%BF%BD" == event["source"]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"url": "x.example"}, "url"),
        ({"method": "GET"}, "method"),
        ({"headers": {"X-A": "a\r\nX-B: c"}}, "headers"),
        ({"headers": {"X-A": "é"}}, "headers"),
        ({"headers": {"X A": "b"}}, "headers"),
        ({"headers": {"": "b"}}, "headers"),
        ({"headers": {"X-A:": "b"}}, "headers"),
        ({"headers": {"content-length": "7"}}, "headers"),
        ({"headers": {"Webhook-Id": "7"}}, "headers"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "headers"),
        ({"headers": {"X-A": 1}}, "headers.X-A"),
        ({"secret": "hunter2"}, "secret"),
        ({"secret": "whsec_short"}, "secret"),
        ({"secret": " "}, "secret"),
        ({"secret": f"{whsec('k')} hunter2"}, "secret"),
        ({"secret": "whsec_" + "A" * 90}, "secret"),
    ],
)
def test_settings_are_checked(more: dict[str, Any], key: str) -> None:
    """What could not be sent, or would smuggle a header in, is refused as the manifest is read."""
    table = {"url": "https://x.example/"} | more
    found, problems = structure(table, webhook.Config, "notifiers[0]")

    assert found is None
    assert [f"notifiers[0].{key}"] == [problem.path for problem in problems]


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, Sent),
        (202, Sent),
        (204, Sent),
        (302, RejectDestination),
        (400, RejectMessage),
        (401, RejectDestination),
        (404, RejectDestination),
        (410, RejectDestination),
        (413, RejectMessage),
        (422, RejectMessage),
        (408, Retry),
        (429, Retry),
        (500, Retry),
        (503, Retry),
    ],
)
def test_answers(status: int, meaning: type[Outcome]) -> None:
    """The status alone counts."""
    assert isinstance(webhook.classify(Response(status=status, body=b"anything")), meaning)


async def test_end_to_end() -> None:
    """An event arrives and its signature holds, at the time of the try; another secret is refused,
    and a header that a secret would break up is never sent."""
    async with Receiver() as server, kit() as sender:
        load = server.settings()
        sent = await sender.send(parcel("webhook", load, message=message("a", "b", tried_at=0)))
        wrong = await sender.send(parcel("webhook", load | {"secret": whsec("another")}))
        torn = await sender.send(parcel("webhook", load | {"headers": {"X-A": "a\nX-B: c"}}))

    assert Sent() == sent
    said = "the webhook answered 401 Unauthorized: bad signature"
    assert RejectDestination(why=said) == wrong
    assert isinstance(torn, RejectDestination)
    assert 2 == len(server.requests)
    assert {
        "Host",
        "Accept",
        "Content-Type",
        "Content-Length",
        "Authorization",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    } == {name for name, _ in server.accepted[0].headers}
