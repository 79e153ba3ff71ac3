"""Anything at all, from anybody: only answers and documented errors come of it, never a traceback.

Structures that are nearly right come from hypothesis, bytes of every kind too. What is read here is
all that dotagent reads and did not write: manifests, configuration, secrets files, what plugins and
services answer, what a script reports.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dotagent import app
from dotagent.core import secretsfile
from dotagent.core.config import read_config
from dotagent.core.manifest import read_manifest
from dotagent.core.result import parse_result
from dotagent.core.secret import Redactor, named_as_secret, pieces
from dotagent.drivers.kit import registry
from dotagent.drivers.kit.sender import judge
from dotagent.plugins.client import answer
from dotagent.plugins.examine import Info, judge_info
from dotagent.ports import Response, Spoken

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)

KEYS = st.sampled_from(
    [
        *("agent", "run", "env", "schedules", "notifiers", "preflight", "on_failure", "on_success"),
        *(
            "security",
            "expect",
            "limits",
            "defaults",
            "name",
            "command",
            "args",
            "events",
            "driver",
        ),
        *("config", "plugin", "extra", "from_secrets", "every", "cron", "daily", "id", "network"),
        *("daemon", "secrets", "logging", "retention", "file", "topic", "token", "webhook_url"),
    ]
)
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["${A}", "$${", "${", "1h", "08:30", "* * * * *", "slack", "ntfy"]),
)
SCALARS = st.one_of(
    TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=True)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(KEYS, TEXTS), inner, max_size=5)
    ),
    max_leaves=20,
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=8)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(
                st.sampled_from(["ok", "error", "suggest", "name", "kinds", "platforms", "errors"]),
                st.sampled_from(["retry_after", "parameters", "code", "status", "outcome", "link"]),
                st.text(max_size=8),
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=20,
)
NOISE = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([b"[" * 50_000, b'{"a":' * 20_000, b"\x00" * 9, b"\xef\xbb\xbf{}", b"1e999"]),
)


def toml(table: dict[str, Any]) -> str:
    """A document with these keys, everything in one line each."""
    return "".join(f"{_text(key)} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{_text(key)} = {_value(each)}" for key, each in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(_value(each) for each in value)}]"
    return _text(value) if isinstance(value, str) else repr(value).lower()


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


READERS: dict[str, Callable[[bytes], Any]] = {
    "manifest": lambda data: read_manifest(data, app.drivers()),
    "config": lambda data: read_config(data, app.drivers()),
    "secrets": secretsfile.parse,
    "result": parse_result,
}


@pytest.mark.parametrize("reader", READERS)
@quick
@given(data=NOISE)
def test_any_bytes_in_a_file(reader: str, data: bytes) -> None:
    """A file of anything is right or wrong, and says so."""
    assert READERS[reader](data) is not None


@pytest.mark.parametrize("reader", ["manifest", "config"])
@quick
@given(table=TABLES)
def test_any_structure_in_a_file(reader: str, table: dict[str, Any]) -> None:
    """Right keys with anything behind them: problems with a place, or a good file."""
    found, problems = READERS[reader](toml(table).encode("utf-8", "replace"))

    assert found is not None or any(problem.fatal for problem in problems)
    assert all(problem.message for problem in problems)


@quick
@given(out=NOISE, err=NOISE, code=st.integers(-64, 255), late=st.booleans(), cut=st.booleans())
def test_any_answer_of_a_plugin(out: bytes, err: bytes, code: int, late: bool, cut: bool) -> None:
    """It is an answer with a reason, that can be stored and shown."""
    spoken = Spoken(exit_code=code, stdout=out, stderr=err, timed_out=late, cut=cut)
    said = answer(spoken, deadline_ms=1_000, redactor=Redactor(["secret"]))

    assert said.ok == (said.error is None or said.ok)
    assert said.ok or said.error
    assert (said.error or "").isprintable()
    (said.error or "").encode()


@quick
@given(said=st.dictionaries(st.sampled_from(["name", "version", "kinds", "platforms"]), JSON))
def test_any_word_of_a_plugin_about_itself(said: dict[str, Any]) -> None:
    """Who it is, or what is wrong with what it says."""
    found = judge_info(said, Redactor([]))

    assert isinstance(found, Info) == (not isinstance(found, str))


@pytest.mark.parametrize("name", registry.names())
@quick
@given(
    status=st.integers(100, 599),
    body=NOISE,
    header=st.sampled_from(["retry-after", "x-ratelimit-reset-after", "content-type", "date"]),
    value=st.text(max_size=20),
    complete=st.booleans(),
)
def test_any_answer_of_a_service(
    name: str, status: int, body: bytes, header: str, value: str, complete: bool
) -> None:
    """Whatever comes back is an outcome."""
    driver = registry.load(name)
    assert driver is not None
    if driver.classify is not None:
        response = Response(status=status, headers={header: value}, body=body)
        assert judge(driver, response, complete=complete, now=0) is not None


@quick
@given(values=st.dictionaries(TEXTS, VALUES, max_size=5), text=st.text(max_size=60))
def test_any_secret(values: dict[str, Any], text: str) -> None:
    """Looking for what is secret and masking it takes any text."""
    secret = [*named_as_secret(values), *pieces(text)]

    assert isinstance(Redactor(secret).text(text), str)
