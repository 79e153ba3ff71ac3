"""Choosing a proxy."""

from __future__ import annotations

import pytest

from dotagent.drivers.kit.proxy import choose

ENV = {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:2"}


@pytest.mark.parametrize(
    ("url", "wanted", "env", "through"),
    [
        ("https://a.example/", None, {}, None),
        ("https://a.example/", None, ENV, "http://p:2"),
        ("http://a.example/", None, ENV, "http://p:1"),
        ("http://a.example/", None, {"ALL_PROXY": "socks5://p:3"}, "socks5://p:3"),
        ("http://a.example/", None, ENV | {"http_proxy": "p:9"}, "http://p:9"),
        ("http://a.example/", "http://mine:1", ENV, "http://mine:1"),
        ("http://a.example/", "mine:1", ENV, "http://mine:1"),
        ("http://a.example/", "", ENV, None),
        ("http://127.0.0.1:8080/", None, ENV, None),
        ("http://[::1]/", None, ENV, None),
        ("http://localhost/", None, ENV, None),
        ("http://x.localhost/", None, ENV, None),
        ("http://127.0.0.1:8080/", "http://mine:1", {}, "http://mine:1"),
    ],
)
def test_choose(url: str, wanted: str | None, env: dict[str, str], through: str | None) -> None:
    """The notifier's own word counts first, then the environment, never for this machine."""
    assert through == choose(url, wanted, env)


@pytest.mark.parametrize(
    ("listed", "host", "exempt"),
    [
        ("*", "a.example", True),
        ("a.example", "a.example", True),
        ("a.example", "x.a.example", True),
        ("a.example", "xa.example", False),
        (".a.example", "x.a.example", True),
        ("*.a.example", "x.a.example", True),
        ("b.example, A.EXAMPLE ,", "a.example", True),
        ("a.example:8080", "a.example:8080", True),
        ("a.example:8080", "a.example", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("[fd00::]/8", "[fd00::1]", False),
        ("fd00::/8", "[fd00::1]", True),
        ("nonsense/99", "10.1.2.3", False),
        ("", "a.example", False),
    ],
)
def test_no_proxy(listed: str, host: str, exempt: bool) -> None:
    """NO_PROXY names hosts, domains, ports, addresses and networks."""
    through = choose(f"http://{host}/", None, ENV | {"no_proxy": listed})

    assert (None if exempt else "http://p:1") == through
