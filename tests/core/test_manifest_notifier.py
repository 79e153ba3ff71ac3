"""``[[notifiers]]``: shared keys, the driver's own, and who may hear of what."""

from __future__ import annotations

import pytest
import tomli

from dotagent.core.duration import HOUR_MS, MINUTE_MS
from dotagent.core.manifest_notifier import Notifier, QuietHours, read_notifiers
from dotagent.core.model import Kind, Problem
from dotagent.core.problems import Findings
from tests.core.records import DRIVERS


def read(text: str, *, everywhere: bool = False) -> tuple[tuple[Notifier, ...], list[Problem]]:
    """The notifiers in ``text``: one, without its header, or several with theirs."""
    findings = Findings()
    text = text if text.startswith("[[") else f"[[notifiers]]\n{text}"
    tables = dict(enumerate(tomli.loads(text)["notifiers"]))
    return read_notifiers(tables, DRIVERS, findings, everywhere=everywhere), findings.found


def test_defaults() -> None:
    """A notifier that says only its driver hears of everything, at once, without limits."""
    [notifier], problems = read('driver = "desktop"')

    assert problems == []
    assert Notifier(driver="desktop", timeout_ms=10_000) == notifier


def test_every_shared_key() -> None:
    """Every key that all drivers share is taken, and the rest is the driver's, as written."""
    [notifier], problems = read(
        """
        driver = "ntfy"
        id = "phone"
        events = ["given_up", "recovered"]
        enabled = false
        timeout_seconds = 30
        proxy = "http://proxy.example:3128"
        ca_file = "/etc/ssl/own.pem"
        rate_limit_minutes = 60
        quiet_hours = { from = "22:00", to = "07:00", events = ["success"] }
        remind = ["1h", "6h"]
        collapse = true
        template = "{{ line }}"
        topic = "t"
        token = "${NTFY_TOKEN}"
        """
    )

    assert problems == []
    assert notifier == Notifier(
        driver="ntfy",
        id="phone",
        events=(Kind.GIVEN_UP, Kind.RECOVERED),
        enabled=False,
        timeout_ms=30_000,
        proxy="http://proxy.example:3128",
        ca_file="/etc/ssl/own.pem",
        rate_limit_ms=60 * MINUTE_MS,
        quiet_hours=QuietHours(from_minute=22 * 60, to_minute=7 * 60, events=(Kind.SUCCESS,)),
        remind=(HOUR_MS, 6 * HOUR_MS),
        collapse=True,
        template="{{ line }}",
        settings={"topic": "t", "token": "${NTFY_TOKEN}"},
    )


def test_plugin() -> None:
    """A plugin has 15 seconds, and its configuration is JSON data."""
    [notifier], problems = read(
        'driver = "plugin"\nname = "notify-x"\nevents = ["given_up"]\n'
        "[notifiers.config]\nsince = 1979-05-27\nratio = nan"
    )

    assert problems == []
    assert notifier.timeout_ms == 15_000
    assert notifier.settings == {
        "name": "notify-x",
        "config": {"since": {"$__toml_private_datetime": "1979-05-27"}, "ratio": None},
    }


@pytest.mark.parametrize(
    ("text", "path", "message", "hint"),
    [
        ("", "driver", "missing; it must be set", None),
        ("driver = 5", "driver", "a whole number, where text is needed", "write it in quotes"),
        (
            'driver = "slak"\nwebhook_url = "x"',
            "driver",
            '"slak" is not a driver; allowed: "desktop", "email", "imessage", "ntfy", "plugin", '
            '"pushover", "slack" or "telegram"',
            "slack",
        ),
        ('driver = "slack"', "webhook_url", "missing; it must be set", None),
        (
            'driver = "slack"\nwebhook_url = "x"',
            "webhook_url",
            "must start with http",
            None,
        ),
        (
            'driver = "ntfy"\ntopic = "t"\npriority = 9',
            "priority",
            "9 is not a priority; allowed: 1–5",
            None,
        ),
        (
            'driver = "ntfy"\ntopic = "t"\npriority = "${P}"',
            "priority",
            "text, where a whole number is needed",
            None,
        ),
        (
            'driver = "ntfy"\ntopic = "t"\ntags = ["a", 1]',
            "tags[1]",
            "a whole number, where text is needed",
            "write it in quotes",
        ),
        (
            'driver = "desktop"\nurgency = "hgih"',
            "urgency",
            '"hgih" is not one of the choices; allowed: "low", "normal" or "critical"',
            None,
        ),
        (
            'driver = "desktop"\nid = ""',
            "id",
            "empty; a name is needed",
            None,
        ),
        (
            'driver = "desktop"\ntimeout_seconds = 0',
            "timeout_seconds",
            "0 seconds are too few; at least 1",
            None,
        ),
        (
            'driver = "desktop"\nrate_limit_minutes = -1',
            "rate_limit_minutes",
            "-1 minutes are too few; at least 0",
            None,
        ),
        (
            'driver = "desktop"\nproxy = "proxy:3128"',
            "proxy",
            'not an address; it starts with "https://" or "http://"',
            None,
        ),
        (
            'driver = "desktop"\nremind = ["10s"]',
            "remind[0]",
            '"10s" is too short; at least 1m',
            None,
        ),
        (
            'driver = "desktop"\nremind = "1h"',
            "remind",
            "text, where a list is needed",
            "write it in brackets, as [ … ]",
        ),
        (
            'driver = "desktop"\nquiet_hours = { from = "22:00" }',
            "quiet_hours.to",
            "missing; it must be set",
            None,
        ),
        (
            'driver = "desktop"\nquiet_hours = { from = "22:00", to = "22:00" }',
            "quiet_hours.to",
            "the quiet hours end when they begin; make them different",
            None,
        ),
        (
            'driver = "plugin"\nname = "x"\nconfig = { a = 99999999999999999999 }',
            "config",
            "holds a number beyond 64 bits",
            None,
        ),
    ],
)
def test_wrong(text: str, path: str, message: str, hint: str | None) -> None:
    """Each mistake is one problem with its key, what is allowed, and the nearest right name."""
    _, problems = read(text)

    assert [Problem(path=f"notifiers[0].{path}", message=message, hint=hint)] == problems


def test_mistyped_event() -> None:
    """An event that does not exist finds the one that was meant."""
    _, [problem] = read('driver = "desktop"\nevents = ["given_up", "give_up"]')

    assert ("notifiers[0].events[1]", "given_up", True) == (
        problem.path,
        problem.hint,
        problem.fatal,
    )


@pytest.mark.parametrize("url", ['"${HOOK}"', '"${HOOK}/x"', '"https://example.org/${TOKEN}"'])
def test_references_pass(url: str) -> None:
    """What a reference stands for is judged only once it is known."""
    [notifier], problems = read(f'driver = "slack"\nwebhook_url = {url}\nproxy = "${{PROXY}}"')

    assert problems == []
    assert notifier.proxy == "${PROXY}"
    assert {"webhook_url": url.strip('"')} == notifier.settings


def test_unknown_keys() -> None:
    """A mistyped key finds the right one among the driver's and the shared ones."""
    _, problems = read('driver = "slack"\nwebhook_url = "https://x"\nchanel = 1\nevnts = []')

    assert [
        Problem(
            path="notifiers[0].chanel", message="unknown key, ignored", hint="channel", fatal=False
        ),
        Problem(
            path="notifiers[0].evnts", message="unknown key, ignored", hint="events", fatal=False
        ),
    ] == problems


@pytest.mark.parametrize("event", ["daily_summary", "manifest_invalid"])
def test_global_events(event: str) -> None:
    """An event of the whole home is told only to global notifiers."""
    text = f'driver = "desktop"\nevents = ["given_up", "{event}"]'
    [own], problems = read(text)

    assert (Kind.GIVEN_UP, Kind(event)) == own.events
    assert [
        Problem(
            path="notifiers[0].events[1]",
            message=f'"{event}" goes only to the global notifiers and the inbox',
            hint="name it in a [[notifiers]] of config.toml",
            fatal=False,
        )
    ] == problems
    assert ((own,), []) == read(text, everywhere=True)


def test_events_below_the_config_header() -> None:
    """``events`` after ``[notifiers.config]`` belongs to the plugin, and that is said."""
    [notifier], problems = read(
        'driver = "plugin"\nname = "notify-x"\n[notifiers.config]\nevents = ["given_up"]'
    )

    assert notifier.events == ()
    assert notifier.settings["config"] == {"events": ["given_up"]}
    assert [
        Problem(
            path="notifiers[0].config.events",
            message="inside config this goes to the plugin and chooses no events",
            hint="write events above the line [notifiers.config]",
            fatal=False,
        )
    ] == problems


def test_driver_of_another_version() -> None:
    """A driver that exists but not here takes any keys, with a warning."""
    [notifier], problems = read('driver = "telegram"\nbot_token = "x"\nwhatever = 1')

    assert notifier.settings == {"bot_token": "x", "whatever": 1}
    assert [
        Problem(
            path="notifiers[0].driver",
            message='this version cannot send by "telegram" yet; its messages will be marked '
            "unsupported",
            fatal=False,
        )
    ] == problems


def test_one_id_twice() -> None:
    """Two notifiers of one id are an error; two without are not."""
    entry = '[[notifiers]]\ndriver = "desktop"\n'
    _, problems = read(f'{entry}{entry}{entry}id = "a"\n{entry}id = "a"\n')

    assert [
        Problem(
            path="notifiers[3].id",
            message='"a" is also the id of notifiers[2]; each id names one notifier',
        )
    ] == problems


def test_no_secret_in_messages() -> None:
    """A value in the wrong place is never repeated: it may be a token."""
    secret = "xoxb-18c3a2f0"
    _, problems = read(
        f'[[notifiers]]\ndriver = "ntfy"\ntopic = ["{secret}"]\npriority = "{secret}"\n'
        f'tags = "{secret}"\nproxy = "{secret}"\ncollapse = "{secret}"\n'
        f'timeout_seconds = "{secret}"\nremind = [{{ a = "{secret}" }}]\n'
        f'[[notifiers]]\ndriver = "slack"\nwebhook_url = "{secret}"\n'
    )

    assert len(problems) == 8
    assert not [each for each in problems if secret in each.message + (each.hint or "")]


def test_no_secret_in_the_record() -> None:
    """Settings and proxy do not show when a notifier is printed."""
    [notifier], _ = read(
        'driver = "ntfy"\ntopic = "s3cret"\nproxy = "http://user:s3cret@proxy.example"'
    )

    assert "s3cret" not in repr(notifier)


def test_an_empty_template_is_refused() -> None:
    """It would leave every message without words."""
    _, problems = read('driver = "ntfy"\ntopic = "t"\ntemplate = " "\n')

    (problem,) = problems
    assert ("notifiers[0].template", True) == (problem.path, problem.fatal)


def test_a_template_is_checked() -> None:
    """Where it is wrong stands with the file's line and its own."""
    _, problems = read(
        """
        driver = "ntfy"
        topic = "t"
        template = '''
        {{ agent }}
        {{ agnet }}'''
        """
    )

    (problem,) = problems
    assert problem.fatal
    assert "notifiers[0].template" == problem.path
    assert 'line 2 of the template: "agnet" is not a field of templates' == problem.message
    assert "agent" == problem.hint


def test_what_a_driver_does_not_obey_is_said() -> None:
    """A shared key that the driver's record has no use for is a warning; elsewhere it is none."""
    own = 'proxy = "http://proxy.example:3128"\nca_file = "/etc/ssl/own.pem"\nenabled = true\n'
    _, problems = read(
        f'[[notifiers]]\ndriver = "desktop"\n{own}'
        f'[[notifiers]]\ndriver = "ntfy"\ntopic = "t"\n{own}'
    )

    assert [
        (f"notifiers[0].{key}", f'the driver "desktop" makes no use of {key}', False)
        for key in ("proxy", "ca_file")
    ] == [(each.path, each.message, each.fatal) for each in problems]
    assert {"take the key away"} == {each.hint for each in problems}
