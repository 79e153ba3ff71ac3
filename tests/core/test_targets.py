"""Who a manifest wants told: keys that last, fingerprints that give nothing away."""

from __future__ import annotations

from typing import Any

import pytest

from dotagent.core.manifest import Agent, Hook, Manifest, Notifier, Run
from dotagent.core.model import Kind
from dotagent.core.targets import Target, fingerprint, of_manifest, of_notifiers

KEY = b"k" * 32
URL = "https://hooks.example.org/services/T0/B0/secret"


def addressed(driver: str) -> tuple[str, ...]:
    return {
        "slack": ("webhook_url",),
        "ntfy": ("base_url", "topic"),
        "plugin": ("name", "config"),
    }.get(driver, ())


def slack(url: str = URL, **other: Any) -> Notifier:
    settings = {"webhook_url": url, **other.pop("settings", {})}
    return Notifier(driver="slack", settings=settings, **other)


def targets(*notifiers: Notifier) -> list[Target]:
    return of_notifiers(notifiers, KEY, addressed)


def keys(*notifiers: Notifier) -> list[str]:
    return [target.key for target in targets(*notifiers)]


def manifest(**other: Any) -> Manifest:
    return Manifest(agent=Agent(name="disk"), run=Run(command="x"), **other)


# --------------------------------------------------------------------------------------- notifiers


def test_explicit_id() -> None:
    """An explicit id is the key, whatever the address is: it follows (rules R16)."""
    assert ["ops", "ops"] == keys(slack(id="ops")) + keys(slack("https://other", id="ops"))


def test_key_without_an_id() -> None:
    """Without one the key is the driver, the target as written, and a number."""
    (key,) = keys(slack())
    driver, mark, nth = key.split(":")

    assert ("slack", 12, "1") == (driver, len(mark), nth)
    assert keys(slack()) != keys(slack("https://other"))


def test_key_is_of_what_is_written() -> None:
    """A ``${NAME}`` is part of the key, not what it stands for: a new secret is no new notifier."""
    assert keys(slack("${HOOK}")) != keys(slack("${OTHER}"))


@pytest.mark.parametrize(
    "other",
    [
        {"events": (Kind.GIVEN_UP,)},
        {"timeout_ms": 5},
        {"remind": (1,)},
        {"proxy": "http://proxy"},
        {"settings": {"channel": "#ops"}},
    ],
)
def test_key_outlives_edits(other: dict[str, Any]) -> None:
    """Whatever else is edited, a notifier stays the same one."""
    assert keys(slack()) == keys(slack(**other))


def test_equal_targets() -> None:
    """Equal targets are told apart by their order, and by nothing else in the file."""
    first, other, second = keys(slack(), slack("https://other"), slack())

    assert first.removesuffix("1") == second.removesuffix("2")
    assert [first, second] == keys(slack(), slack())
    assert [other] == keys(slack("https://other"))


def test_disabled() -> None:
    """A disabled one is no target, and its equals keep their keys and names."""
    on = targets(slack(), slack(), slack(id="x"))
    off = targets(slack(enabled=False), slack(), slack(id="x"))

    assert on[1:] == off


def test_names() -> None:
    """People read an id, or the driver with a number from the second one on."""
    found = targets(slack(), slack(), slack(id="ops"), Notifier(driver="desktop"), slack())

    assert ["slack", "slack 2", "ops", "desktop", "slack 4"] == [each.name for each in found]


def test_carried_over() -> None:
    """A target holds what a delivery needs of its entry."""
    notifier = slack(
        id="ops",
        events=(Kind.GIVEN_UP, Kind.MISSED),
        remind=(60_000,),
        timeout_ms=5_000,
        proxy="http://proxy",
        ca_file="/ca.pem",
    )

    assert [
        Target(
            key="ops",
            name="ops",
            driver="slack",
            settings={"webhook_url": URL},
            events=frozenset({Kind.GIVEN_UP, Kind.MISSED}),
            remind=(60_000,),
            timeout_ms=5_000,
            proxy="http://proxy",
            ca_file="/ca.pem",
        )
    ] == targets(notifier)


def test_no_reminders_unless_asked() -> None:
    """A manifest's notifier reminds only where it says so (product §6)."""
    assert () == targets(slack())[0].remind


# ------------------------------------------------------------------------------------------ hooks


def test_hooks() -> None:
    """Hooks come after notifiers, each with what dotagent 0.1.x let it hear (contract §6.3)."""
    found = of_manifest(
        manifest(
            notifiers=(slack(id="ops"),),
            on_success=(Hook(plugin="sink-file", config={"dir": "/x"}),),
            on_failure=(Hook(plugin="notify-sms", timeout_ms=9),),
        ),
        KEY,
        addressed,
    )

    assert [
        ("ops", "slack", "notify"),
        ("sink-file", "plugin", "sink"),
        ("notify-sms", "plugin", "notify"),
    ] == [(each.name, each.driver, each.purpose) for each in found]
    assert {Kind.SUCCESS} == found[1].events
    assert {
        Kind.ATTEMPT_FAILED,
        Kind.TIMED_OUT,
        Kind.GIVEN_UP,
        Kind.RECOVERED,
        Kind.PREFLIGHT,
    } == found[2].events
    assert {"name": "sink-file", "config": {"dir": "/x"}} == found[1].settings
    assert (None, 9) == (found[1].timeout_ms, found[2].timeout_ms)


def test_hook_events() -> None:
    """A hook that names events hears those of its kind; one with none left is no target."""
    hooks = (
        Hook(plugin="a", events=(Kind.GIVEN_UP, Kind.SUCCESS)),
        Hook(plugin="b", events=(Kind.SUCCESS,)),
    )
    found = of_manifest(manifest(on_failure=hooks), KEY, addressed)

    assert [("a", frozenset({Kind.GIVEN_UP}))] == [(each.name, each.events) for each in found]


def test_hooks_of_one_plugin() -> None:
    """Two hooks of one plugin are told apart by their config: with the first one gone, what waits
    for it must not reach the other."""
    ann, ben = (Hook(plugin="notify-sms", config={"to": to}) for to in ("ann", "ben"))
    both = of_manifest(manifest(on_failure=(ann, ben)), KEY, addressed)
    left = of_manifest(manifest(on_failure=(ben,)), KEY, addressed)

    assert ["notify-sms", "notify-sms 2"] == [each.name for each in both]
    assert both[1].key == left[0].key
    assert both[0].key != both[1].key


def test_keys_are_unique() -> None:
    """However many equal entries there are, no two share a key."""
    hook = Hook(plugin="x")
    found = of_manifest(
        manifest(
            notifiers=(slack(), slack(), slack()), on_success=(hook, hook), on_failure=(hook, hook)
        ),
        KEY,
        addressed,
    )

    assert 7 == len({each.key for each in found})


# ------------------------------------------------------------------------------------ fingerprint


def test_fingerprint() -> None:
    """Equal destinations have equal fingerprints, whatever order their settings come in."""
    here = fingerprint(KEY, "ntfy", {"topic": "a", "base_url": "b"})

    assert here == fingerprint(KEY, "ntfy", {"base_url": "b", "topic": "a"})
    assert 32 == len(here)


@pytest.mark.parametrize(
    ("key", "driver", "address"),
    [
        (b"other", "ntfy", {"topic": "a"}),
        (KEY, "slack", {"topic": "a"}),
        (KEY, "ntfy", {"topic": "b"}),
        (KEY, "ntfy", {"topic": "a", "base_url": None}),
    ],
)
def test_fingerprint_tells_apart(key: bytes, driver: str, address: dict[str, Any]) -> None:
    """Another home, driver or address is another fingerprint."""
    assert fingerprint(KEY, "ntfy", {"topic": "a"}) != fingerprint(key, driver, address)


def test_nothing_of_the_address() -> None:
    """Neither the fingerprint nor the key says anything of where it points."""
    (target,) = targets(slack())
    print_ = fingerprint(KEY, "slack", {"webhook_url": URL})

    for part in (URL, "hooks", "example", "secret", "T0", "B0"):
        assert part not in print_
        assert part not in target.key


def test_address_of_any_data() -> None:
    """A plugin's config may hold anything that TOML can say, and an address whatever bytes an
    environment variable has."""
    config = {"a": [1, 2.5, None, {"b": True}], "c": "\udcff"}
    turned = dict(reversed(list(config.items())))

    assert fingerprint(KEY, "plugin", {"config": config}) == fingerprint(
        KEY, "plugin", {"config": turned}
    )
