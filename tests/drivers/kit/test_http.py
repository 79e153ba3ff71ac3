"""The HTTP client, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import socket
import threading
import zlib
from pathlib import Path

import pytest
from aiohttp.abc import ResolveResult

from dotagent.core.model import (
    Outcome,
    RejectDestination,
    RejectMessage,
    Retry,
    Unknown,
    Unsupported,
)
from dotagent.drivers.kit.http import Client
from dotagent.drivers.kit.journey import BODY_CAP, Journey, Undelivered, unpack
from dotagent.ports import Request, Response
from tests.support.certificate import make, served
from tests.support.http_server import Answer, Fault, Received, StrictServer


async def exchange(
    url: str,
    *,
    env: dict[str, str] | None = None,
    proxy: str | None = None,
    ca_file: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"hello",
) -> tuple[Response | Outcome, Journey]:
    """One request with a client of its own."""
    client, journey = Client(env or {}), Journey()
    request = Request(url=url, headers=headers, body=body)
    try:
        async with asyncio.timeout(10):
            answer = await client.perform(request, journey, proxy=proxy, ca_file=ca_file)
            return answer, journey
    except Undelivered as error:
        return error.outcome, journey
    finally:
        await client.close()


async def test_sends_exactly_what_is_asked() -> None:
    """Method, path as written, our headers and no others but what HTTP needs."""
    async with StrictServer() as server:
        url = f"{server.url}/bot1:A-b_c/send%2Fx?a=%20b&c#top"
        answer, journey = await exchange(url, headers=(("X-Title", "t"),))

    assert Response(status=200, headers={"content-length": "2"}, body=b"ok") == answer
    assert journey.complete
    request = server.requests[0]
    assert ("POST", "/bot1:A-b_c/send%2Fx?a=%20b&c", b"hello") == (
        request.method,
        request.target,
        request.body,
    )
    assert {
        "Host": f"127.0.0.1:{server.port}".encode(),
        "Accept": b"*/*",
        "X-Title": b"t",
        "Content-Length": b"5",
    } == dict(request.headers)


async def test_follows_no_redirect_and_keeps_no_cookie() -> None:
    """A redirect is the answer, and a cookie is forgotten."""
    async with StrictServer() as server:
        client = Client({})
        server.script(
            Answer(status=302, headers=(("Location", "/next"), ("Set-Cookie", "a=b; Path=/")))
        )
        request = Request(url=f"{server.url}/first")
        first = await client.perform(request, Journey(), proxy=None, ca_file=None)
        await client.perform(request, Journey(), proxy=None, ca_file=None)
        await client.close()

    assert (302, "/next") == (first.status, first.headers["location"])
    assert ["/first", "/first"] == [each.target for each in server.requests]
    assert server.requests[1].header("cookie") is None


async def test_body_is_bounded() -> None:
    """Of an answer of megabytes only the beginning is read, and that connection is given up."""
    async with StrictServer() as server:
        server.script(Answer(status=500, body=b"x" * 3_000_000))
        answer, journey = await exchange(server.url)

    assert Response(status=500, headers=journey.headers, body=b"x" * BODY_CAP) == answer


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"no_service", mtime=0)),
        ("deflate", zlib.compress(b"no_service")),
        ("br", b"no_service"),
        ("gzip", b"no_service"),
    ],
)
async def test_packed_answers(encoding: str, packed: bytes) -> None:
    """An answer that was packed unasked is read all the same; what cannot be unpacked stays."""
    async with StrictServer() as server:
        headers = (("Content-Encoding", encoding),)
        server.script(Answer(status=404, headers=headers, body=packed))
        answer, _ = await exchange(server.url)

    assert isinstance(answer, Response)
    assert b"no_service" == answer.body


def test_bombs_are_bounded() -> None:
    """A small body that unpacks to a gigabyte is unpacked to 64 KiB."""
    assert BODY_CAP == len(unpack("gzip", gzip.compress(b"\0" * 50_000_000)))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://127.0.0.1/",
        "http://",
        "http://ä..b/",
        "//x/y",
        "http://[::1",
        "http://a:port/",
        "nonsense",
    ],
)
async def test_not_an_address(url: str) -> None:
    """What is no web address is the configuration's mistake."""
    answer, journey = await exchange(url)

    assert isinstance(answer, RejectDestination)
    assert not journey.connected


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "é", "a\x00b", "\x7f"])
async def test_headers_cannot_be_broken(value: str) -> None:
    """A header that would end early, or arrive as something else, is not sent at all."""
    async with StrictServer() as server:
        answer, _ = await exchange(server.url, headers=(("X-Title", value),))

    assert RejectMessage(why="the header 'X-Title' holds a character that no header may hold") == (
        answer
    )
    assert [] == server.requests


async def test_address_with_a_line_break() -> None:
    """An address cannot smuggle a second request line in."""
    async with StrictServer() as server:
        await exchange(f"{server.url}/x HTTP/1.1\r\nX-Evil: 1\r\n\r\n")

    assert all(request.header("x-evil") is None for request in server.requests)


async def test_name_that_does_not_exist() -> None:
    """A host nobody knows is a retry: names come back."""

    def unknown(host: str, port: int, family: int) -> list[ResolveResult]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    client, journey = Client({}, unknown), Journey()
    with pytest.raises(Undelivered) as caught:
        await client.perform(
            Request(url="http://gone.example/secret-path"), journey, proxy=None, ca_file=None
        )
    await client.close()

    why = "the address of host gone.example cannot be found (Name or service not known)"
    assert Retry(why=why) == caught.value.outcome
    assert not journey.connected


async def test_lookup_that_hangs() -> None:
    """A name server that never answers holds nothing but its own send."""
    held = threading.Event()

    def hang(host: str, port: int, family: int) -> list[ResolveResult]:
        held.wait(30)
        return []

    client, journey = Client({}, hang), Journey()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.perform(
                Request(url="http://slow.example/"), journey, proxy=None, ca_file=None
            )
    held.set()
    await client.close()

    assert not journey.connected


async def test_partial_answer() -> None:
    """A refusal whose body breaks off is still one; the journey says that it is not whole."""
    async with StrictServer() as server:
        server.script(Fault.CUT)
        answer, journey = await exchange(server.url)

    assert isinstance(answer, Response)
    assert (b"beginning", False) == (answer.body, journey.complete)


async def test_not_http() -> None:
    """An answer that is not HTTP leaves open what happened to the request."""
    async with StrictServer() as server:
        server.script(Fault.GARBAGE)
        answer, _ = await exchange(server.url)

    assert Unknown(why=f"what 127.0.0.1:{server.port} answered is not HTTP") == answer


# --------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that only its own file vouches for."""
    return make(tmp_path_factory.mktemp("tls"))


def secured(certificate: Path) -> StrictServer:
    return StrictServer(tls=served(certificate))


async def test_private_ca(certificate: Path) -> None:
    """With its ca_file a private certificate is trusted; without, nothing is sent."""
    async with secured(certificate) as server:
        trusted, _ = await exchange(server.url, ca_file=str(certificate))
        stranger, journey = await exchange(server.url)

    assert isinstance(trusted, Response)
    assert isinstance(stranger, Retry)
    assert "is not trusted (self-signed certificate); set ca_file" in stranger.why
    assert not journey.connected
    assert 1 == len(server.requests)


async def test_private_ca_is_for_its_host_only(certificate: Path) -> None:
    """The certificate must name the host that is asked for."""
    async with secured(certificate) as server:
        url = f"https://localhost:{server.port}/"
        answer, _ = await exchange(url, ca_file=str(certificate))

    assert isinstance(answer, Retry)
    assert "is not trusted" in answer.why


async def test_tls_where_there_is_none() -> None:
    """https against a plain server fails before the request."""

    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answer, journey = await exchange(f"https://127.0.0.1:{port}/")
    server.close()
    await server.wait_closed()

    assert Retry(why=f"no secure connection with 127.0.0.1:{port} (wrong version number)") == answer
    assert not journey.connected


async def test_hangs_up_during_the_handshake() -> None:
    """A connection that ends before TLS is up is a retry too."""
    async with StrictServer() as server:
        server.script(Fault.EARLY)
        answer, journey = await exchange(f"https://127.0.0.1:{server.port}/")

    assert isinstance(answer, Retry)
    assert not journey.connected


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), ("x", "no certificate")])
async def test_bad_ca_file(tmp_path: Path, content: str | None, said: str) -> None:
    """A ca_file that is missing or holds no certificate is named."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    answer, _ = await exchange("https://127.0.0.1:1/", ca_file=str(path))

    assert isinstance(answer, RejectDestination)
    assert str(path) in answer.why
    assert said in answer.why


async def test_renewed_ca_file(certificate: Path, tmp_path: Path) -> None:
    """A ca_file that is replaced is taken up by the next send."""
    path = tmp_path / "ca.pem"
    path.write_text("not yet")
    client = Client({})
    async with secured(certificate) as server:
        request = Request(url=server.url)
        with pytest.raises(Undelivered):
            await client.perform(request, Journey(), proxy=None, ca_file=str(path))
        shutil.copyfile(certificate, path)
        answer = await client.perform(request, Journey(), proxy=None, ca_file=str(path))
    await client.close()

    assert 200 == answer.status


# ------------------------------------------------------------------------------------------ proxies


class Proxy(StrictServer):
    """Answers in place of every host it is asked for; refuses to open tunnels."""

    def judge(self, request: Received) -> Answer:
        if request.method == "CONNECT":
            return Answer(status=403, body=b"no tunnels")
        return Answer(body=b"from the proxy")


async def test_proxy_of_the_notifier() -> None:
    """A proxy is asked with the whole address, and with its own user and password."""
    async with Proxy() as proxy:
        through = f"http://bob:s3cret@127.0.0.1:{proxy.port}"
        answer, _ = await exchange("http://service.example/x", proxy=through)

    assert isinstance(answer, Response)
    assert b"from the proxy" == answer.body
    assert "http://service.example/x" == proxy.requests[0].target
    assert "Basic Ym9iOnMzY3JldA==" == proxy.requests[0].header("proxy-authorization")


async def test_proxy_of_the_environment() -> None:
    """The environment's proxy counts where the notifier names none; not for this machine."""
    async with Proxy() as proxy, StrictServer() as server:
        env = {"http_proxy": proxy.url}
        through, _ = await exchange("http://service.example/", env=env)
        direct, _ = await exchange(server.url, env=env)

    assert isinstance(through, Response)
    assert isinstance(direct, Response)
    assert (b"from the proxy", b"ok") == (through.body, direct.body)


async def test_proxy_without_tunnels() -> None:
    """A proxy that opens no tunnel is a retry: the request has not left."""
    async with Proxy() as proxy:
        answer, journey = await exchange("https://service.example/x", proxy=proxy.url)

    assert Retry(why="the proxy refused a connection to service.example (status 403)") == answer
    assert not journey.connected


async def test_proxy_is_away() -> None:
    """A proxy that does not listen is a retry, and the reason names it as the proxy."""
    proxy = Proxy()
    await proxy.start()
    await proxy.stop()
    answer, _ = await exchange("http://service.example/x", proxy=proxy.url)

    assert (
        Retry(why="the proxy for service.example cannot be reached (Connection refused)") == answer
    )


@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        ("socks5://bob:s3cret@p:1", "must start with https:// or http://"),
        ("http://", "has no host"),
        ("p:port", "is not a valid address"),
    ],
)
async def test_proxy_that_cannot_be_used(proxy: str, problem: str) -> None:
    """A proxy we cannot speak to is said, never gone around, and its password not repeated."""
    answer, _ = await exchange("http://service.example/", env={"ALL_PROXY": proxy})

    assert Unsupported(why=f"the proxy that is set {problem}") == answer


async def test_pools_are_apart() -> None:
    """One pool serves all hosts; another proxy is another pool."""
    async with StrictServer() as server, Proxy() as proxy:
        client = Client({})
        for through in (None, None, proxy.url, proxy.url):
            request = Request(url=server.url)
            await client.perform(request, Journey(), proxy=through, ca_file=None)
        await client.close()

        assert (1, 2, 1, 2) == (
            server.connections,
            len(server.requests),
            proxy.connections,
            len(proxy.requests),
        )
