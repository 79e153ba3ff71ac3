"""Which proxy a request goes through: the notifier's own, else the environment's. Pure.

Invariant: what is meant for this machine never goes through a proxy of the environment, which
would look for it on its own loopback.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit


def choose(url: str, wanted: str | None, env: Mapping[str, str]) -> str | None:
    """The proxy's address, or None to connect directly.

    ``wanted`` is the notifier's ``proxy``; empty means none at all. ``env`` is read for
    ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, lower case first, as curl does.
    """
    if wanted is not None:
        return _complete(wanted) if wanted else None
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if is_loopback(host) or _is_exempt(host, parts.port, _read(env, "no_proxy")):
        return None
    found = _read(env, f"{parts.scheme}_proxy") or _read(env, "all_proxy")
    return _complete(found) if found else None


def _read(env: Mapping[str, str], name: str) -> str:
    return (env.get(name) or env.get(name.upper()) or "").strip()


def _complete(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this very machine."""
    address = _address(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _is_exempt(host: str, port: int | None, listed: str) -> bool:
    return any(_covers(entry.strip().lower(), host, port) for entry in listed.split(","))


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether one element of NO_PROXY names the host: ``*``, a domain, an address, a network."""
    if entry in ("", "*"):
        return entry == "*"
    address = _address(host)
    if address is not None:
        try:
            return address in ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            return False
    name, _, only = entry.partition(":")
    name = name.lstrip("*").strip(".")
    return only in ("", str(port or "")) and (host == name or host.endswith(f".{name}"))
