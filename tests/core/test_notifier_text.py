"""What ``connect`` writes reads back as what was meant; what was there is not touched."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dotagent.core import secretsfile, toml
from dotagent.core.model import Problem
from dotagent.core.notifier_text import EVENTS, appended, block, put_away, secret_lines

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
NAMES = st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,9}", fullmatch=True), TEXT, max_size=4)
VALUES = st.one_of(
    TEXT,
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.lists(TEXT, max_size=3),
    st.dictionaries(TEXT, TEXT, max_size=3),
)


@given(st.dictionaries(st.from_regex(r"[a-z_]{3,12}", fullmatch=True), VALUES, max_size=4))
def test_settings_read_back(settings: dict[str, Any]) -> None:
    """Any values, after any file."""
    settings = {key: each for key, each in settings.items() if key not in ("driver", "events")}
    before = b"# mine\r\n[daemon]\nmax_running = 2"
    after = appended(before, block("a", "ntfy", settings), "added")
    found = toml.read(after)

    assert not isinstance(found, Problem)
    (table,) = found.table["notifiers"]
    assert after.startswith(before)
    assert {**settings, "id": "a", "driver": "ntfy", "events": [*EVENTS]} == table
    assert {"max_running": 2} == found.table["daemon"]


@given(NAMES, NAMES)
def test_secrets_read_back(old: dict[str, str], new: dict[str, str]) -> None:
    """Any values, behind any others."""
    before = secret_lines(b"# mine\nA_OLD = 'x'  ", old)
    found = secretsfile.parse(secret_lines(before, new))

    assert not isinstance(found, secretsfile.Bad)
    assert {"A_OLD": "x", **old, **new} == {**found.values, **found.references}


def test_put_away() -> None:
    """Each secret gets a name, the same secret the same one, a reference stays as it is."""
    settings = {"url": "https://h/1", "secret": "${MINE}", "method": "PUT", "headers": {"X-A": "b"}}
    secret = ("url", "secret", "headers")
    written, names = put_away("webhook", settings, secret, {"WEBHOOK_URL": "another"})
    again, none = put_away("webhook", settings, secret, {"WEBHOOK_URL": "another", **names})

    assert {
        "url": "${WEBHOOK_URL_2}",
        "secret": "${MINE}",
        "method": "PUT",
        "headers": {"X-A": "${WEBHOOK_HEADERS_X_A}"},
    } == written
    assert {"WEBHOOK_URL_2": "https://h/1", "WEBHOOK_HEADERS_X_A": "b"} == names
    assert (written, {}) == (again, none)
