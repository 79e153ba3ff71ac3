"""The machine's zone is what the agents' own programs take it for."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, tzinfo
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dotagent.system.zone import fingerprint, machine_zone

JULY = datetime(2026, 7, 1, 12, tzinfo=UTC)
JANUARY = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def berlin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zone file in a folder tree such as /usr/share/zoneinfo."""
    data = resources.files("tzdata.zoneinfo.Europe").joinpath("Berlin").read_bytes()
    path = tmp_path_factory.mktemp("share") / "zoneinfo" / "Europe" / "Berlin"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return path


def offsets(zone: tzinfo) -> list[float]:
    """Hours from UTC in July and in January."""
    both = (moment.replace(tzinfo=zone).utcoffset() for moment in (JULY, JANUARY))
    return [(offset or timedelta()).total_seconds() / 3600 for offset in both]


@pytest.mark.parametrize("named", ["Europe/Berlin", ":Europe/Berlin"])
def test_tz_names_a_zone(named: str) -> None:
    """TZ wins, with or without the colon of the standard."""
    zone = machine_zone({"TZ": named})

    assert "Europe/Berlin" == str(zone)
    assert [2, 1] == offsets(zone)


def test_tz_may_name_a_file(berlin: Path, tmp_path: Path) -> None:
    """An absolute path is a zone file; its key is read off the path if there is one in it."""
    plain = tmp_path / "mine"
    plain.write_bytes(berlin.read_bytes())

    assert "Europe/Berlin" == str(machine_zone({"TZ": f":{berlin}"}))
    assert [2, 1] == offsets(machine_zone({"TZ": str(plain)}))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("EST5EDT,M3.2.0,M11.1.0", [-4, -5]),
        ("<-03>3", [-3, -3]),
        ("JST-9", [9, 9]),
        ("UTC0", [0, 0]),
    ],
)
def test_tz_may_be_a_rule(rule: str, expected: list[float]) -> None:
    """A rule without a zone's name means what it means to the C library."""
    assert expected == offsets(machine_zone({"TZ": rule}))


@pytest.mark.parametrize(
    "named",
    [
        "",
        ":",
        "Europe/Berln",
        "nonsense",
        "../../etc/passwd",
        "/etc/passwd",
        "/none",
        "é",
        "America",
    ],
)
def test_what_tz_names_in_vain_is_utc(named: str, berlin: Path) -> None:
    """An unknown or empty TZ is UTC and does not fall back on the machine's zone."""
    assert UTC is machine_zone({"TZ": named}, str(berlin))


def test_the_machine_s_link_gives_the_key(berlin: Path, tmp_path: Path) -> None:
    """The name is that of the first zone file on the way, however many links lead to it."""
    first, second = tmp_path / "localtime", tmp_path / "second"
    first.symlink_to("second")
    second.symlink_to(berlin)

    assert "Europe/Berlin" == str(machine_zone({}, str(first)))


def test_a_link_to_a_zone_that_this_machine_lacks_still_names_it(tmp_path: Path) -> None:
    """A machine without zone files has its zone from our own data."""
    link = tmp_path / "localtime"
    link.symlink_to("/nowhere/zoneinfo/Asia/Tokyo")

    assert [9, 9] == offsets(machine_zone({}, str(link)))


def test_the_machine_s_zone_may_be_a_copy(berlin: Path, tmp_path: Path) -> None:
    """A zone file that was copied has no name, but its rules."""
    copy = tmp_path / "localtime"
    copy.write_bytes(berlin.read_bytes())

    assert [2, 1] == offsets(machine_zone({}, str(copy)))


@pytest.mark.parametrize("content", [None, b"", b"TZif2", b"no zone at all"])
def test_a_machine_without_a_zone_lives_in_utc(content: bytes | None, tmp_path: Path) -> None:
    """No file, or one that is no zone file, is UTC."""
    path = tmp_path / "localtime"
    if content is not None:
        path.write_bytes(content)

    assert UTC is machine_zone({}, str(path))


def test_links_in_a_ring_are_no_zone(tmp_path: Path) -> None:
    """A link to itself ends somewhere."""
    path = tmp_path / "localtime"
    path.symlink_to("localtime")

    assert UTC is machine_zone({}, str(path))
    assert fingerprint({}, str(path))


def test_the_machine_s_own_zone_is_found() -> None:
    """Whatever this machine is set to, it has a zone."""
    assert JULY.replace(tzinfo=machine_zone(os.environ)).utcoffset() is not None


def test_the_fingerprint_changes_with_the_zone(berlin: Path, tmp_path: Path) -> None:
    """A new link, another file, other rules in it, another TZ: each shows, nothing else does."""
    link, other = tmp_path / "localtime", tmp_path / "other"
    other.write_bytes(b"x")
    seen = []
    link.symlink_to("/nowhere/zoneinfo/Asia/Tokyo")
    seen.append(fingerprint({}, str(link)))
    link.unlink()
    link.symlink_to("/nowhere/zoneinfo/Asia/Seoul")
    seen.append(fingerprint({}, str(link)))
    link.unlink()
    link.symlink_to(other)
    seen.append(fingerprint({}, str(link)))
    other.write_bytes(b"xy")
    seen.append(fingerprint({}, str(link)))
    seen += [fingerprint({"TZ": name}, str(link)) for name in ("", "UTC", str(other))]

    assert len(seen) == len(set(seen))
    assert fingerprint({"TZ": "UTC"}, str(link)) == fingerprint({"TZ": "UTC"}, str(berlin))
    assert seen[3] == fingerprint({"PATH": "/bin"}, str(link))


def test_rules_that_were_updated_are_read_anew() -> None:
    """A zone is not taken from a cache that the machine's update did not reach."""
    assert machine_zone({"TZ": "Asia/Tokyo"}) is not machine_zone({"TZ": "Asia/Tokyo"})
    assert ZoneInfo("Asia/Tokyo") is not machine_zone({"TZ": "Asia/Tokyo"})
