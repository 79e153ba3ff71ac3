"""A person's own words: what they may use, what is refused, and what happens when they fail."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC
from typing import Any

import pytest

from dotagent.core import template
from dotagent.core.model import SEVERITY, Event, Kind, Message
from dotagent.core.render import REPEAT, render
from dotagent.core.template import FIELDS, RENDERED_MOST, TEXT_MOST, apply, check, fields
from tests.core.walls import HOUR_MS, MINUTE_MS, at

NOW = at("2026-06-03T14:30:00Z")
FACTS = {
    "host": "web-1",
    "number": 2,
    "max": 3,
    "words": "exit 1",
    "code": 1,
    "duration_ms": 4_200,
    "expected_at": NOW - 30 * MINUTE_MS,
    "next_at": NOW + 5 * MINUTE_MS,
    "manual": False,
    "since": NOW - 2 * HOUR_MS,
    "failures": 4,
    "windows": 1,
    "result": {"rows": 7, "cost_usd": 0.5, "summary": "half done", "link": "https://a.example/1"},
}


def message(kind: Kind = Kind.ATTEMPT_FAILED, tail: str = "df: gone", **more: Any) -> Message:
    return Message(
        key="k",
        kind=kind,
        severity=SEVERITY[kind],
        at=NOW,
        title="disk",
        line="disk/daily: attempt 2 of 3 failed",
        tail=tail,
        link="https://a.example/1",
        legacy="disk exited 1",
        agent="disk",
        schedule_id="daily",
        facts={**FACTS, **more},
    )


def said(text: str, about: Message | None = None) -> str:
    """The whole text of a message in these words."""
    made, remark = apply(about or message(), text, UTC)
    assert "" == remark
    return f"{made.line}\n{made.tail}" if made.tail else made.line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ agent }}/{{ schedule }} on {{ host }}: {{ words }}", "disk/daily on web-1: exit 1"),
        ("{{ attempt }} of {{ max_attempts }}, exit {{ code }}", "2 of 3, exit 1"),
        ("{{ kind | upper }} ({{ severity }})", "ATTEMPT_FAILED (warning)"),
        ("{{ at }} = {{ time }}", "2026-06-03T14:30:00+0000 = 14:30"),
        ("due {{ expected }}, again {{ next_try }}", "due 14:00, again 14:35"),
        (
            "since {{ since }} ({{ lasted }}): {{ failures }} + {{ lost_runs }}",
            "since 12:30 (2 h): 4 + 1",
        ),
        ("took {{ duration }}, {{ duration_ms // 1000 }} s", "took 4.2 s, 4 s"),
        ("{{ summary }}: {{ result.rows * 2 }} rows", "half done: 14 rows"),
        ("{{ result.cost_usd + 1 }} {{ link }}", "1.5 https://a.example/1"),
        ("a{% if manual %} by hand{% endif %}", "a"),
        ("{{ why }}{{ count }}{{ plugin }}x", "x"),
        ("{{ result.nothing }}x", "x"),
        (
            "{% for name, value in result | items %}{{ name }}={{ value }} {% endfor %}",
            "rows=7 cost_usd=0.5 summary=half done link=https://a.example/1",
        ),
        ("{{ agent }}\n{{ output }}\n", "disk\ndf: gone"),
        ("\n\n  {{ agent }}  \nb", "disk\nb"),
        ("{{ 'none' if not why else why }}", "none"),
        ("{{ output | truncate(3, true, '') }}", "df:"),
        ("{# a word #}{{ title }}", "disk"),
    ],
)
def test_words(text: str, expected: str) -> None:
    """Fields, conditions, one loop, sums."""
    assert [] == check(text)
    assert expected == said(text)


@pytest.mark.parametrize("kind", Kind)
def test_every_field_is_there_for_every_event(kind: Kind) -> None:
    """What an event does not have is empty: no template fails for that."""
    bare = Message(key="k", kind=kind, severity=SEVERITY[kind], at=NOW, title="t", line="l")

    assert set(FIELDS) == set(fields(bare, UTC)) == set(fields(message(kind), UTC))
    assert said("t" + "".join(f"{{{{ {name} }}}}" for name in FIELDS), bare).startswith("t")
    assert None not in fields(bare, UTC).values()


@pytest.mark.parametrize(
    ("text", "line", "said", "hint"),
    [
        ("{{ agnet }}", 1, '"agnet" is not a field of templates', "agent"),
        ("a\n{{ b.c }}", 2, '"b" is not a field of templates', "there are: kind,"),
        ("{{ agent", 1, "unexpected end of template", None),
        ("a\n{% if %}", 2, "Expected an expression", None),
        ("{{ agent | shout }}", 1, '"shout" is not a filter of templates', "there are: abs,"),
        ("{{ agent is odder }}", 1, '"odder" is not a test of templates', "odd"),
        ("{{ agent.upper() }}", 1, "a template cannot hold this (a call)", None),
        ("{{ range(9) }}", 1, "a template cannot hold this (a call)", None),
        ("{% set a = 1 %}", 1, "a template cannot hold this (set)", None),
        ("{% include 'x' %}", 1, "a template cannot hold this (include)", None),
        ("{% macro a() %}{% endmacro %}", 1, "a template cannot hold this (macro)", None),
        ("{{ 2 ** 99 }}", 1, "a template cannot hold this (**)", None),
        (
            "{% for a in output %}\n{% for b in output %}{% endfor %}{% endfor %}",
            2,
            "a loop in a loop may never end; use one",
            None,
        ),
        ("x" * (TEXT_MOST + 1), 1, f"longer than {TEXT_MOST} characters", None),
    ],
)
def test_flaws(text: str, line: int, said: str, hint: str | None) -> None:
    """Named with their line, before a message depends on it; with the nearest right name."""
    (flaw,) = check(text)

    assert line == flaw.line
    assert flaw.message.lower().startswith(said.lower())
    assert (hint is None) == (flaw.hint is None)
    assert (flaw.hint or "").startswith(hint or "")


def test_all_flaws_at_once() -> None:
    """Everything that is wrong is said, not the first thing."""
    assert [(1, "a"), (2, "b")] == [
        (flaw.line, flaw.message[1]) for flaw in check("{{ a }}\n{{ b }}")
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ attempt // 0 }}", "ZeroDivisionError"),
        ("{{ output * 9999 }}", "only numbers can be multiplied"),
        ("{{ result.nothing.more }}", "UndefinedError"),
        ("{{ agent.__class__.__mro__ }}", "unsafe"),
        ("  \n\u200b\n", "it is empty for this event"),
        ("{% for a in output %}{{ output }}{% endfor %}", f"more than {RENDERED_MOST} characters"),
        ("{{ agnet }}", '"agnet" is not a field'),
        ("{{ agent", "unexpected end of template"),
    ],
)
def test_failing(text: str, why: str) -> None:
    """The built-in words go out, and say so; the reason stands in the record."""
    built_in = message(tail="x" * 1_000)
    made, remark = apply(built_in, text, UTC)

    assert f"{built_in.line} (the notifier's template failed)" == made.line
    assert (built_in.tail, built_in.legacy) == (made.tail, made.legacy)
    assert why in remark
    assert "the built-in text was used" in remark


def test_without_a_template() -> None:
    """Nothing changes."""
    assert (message(), "") == apply(message(), None, UTC)


def test_plugins_get_the_words_too() -> None:
    """A plugin's ``message`` is the template's text."""
    made, _ = apply(message(), "{{ agent }}\nb", UTC)

    assert "disk\nb" == made.legacy


def test_a_repeat_says_so() -> None:
    """Whatever the words are, and once."""
    event = Event(kind=Kind.CLOCK_CHANGED, at=NOW, facts={"line": "it changed"})
    doubtful = render(event, key="k", zone=UTC, doubtful=True)

    assert f"clock_changed{REPEAT}" == said("{{ kind }}", doubtful)
    assert f"it changed{REPEAT}" == said("{{ line }}", doubtful)


def test_clean() -> None:
    """Terminal escapes in a template reach nobody."""
    assert "ab" == said("a\x1b[31mb")


def test_jinja_is_loaded_only_for_a_template() -> None:
    """Homes without templates do not pay for it."""
    code = (
        "import sys; from dotagent.core import template, manifest;"
        "assert 'jinja2' not in sys.modules;"
        "template.check('a'); assert 'jinja2' in sys.modules"
    )

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode


def test_the_documented_fields() -> None:
    """Each has a word of explanation."""
    assert all(template.FIELDS.values())
