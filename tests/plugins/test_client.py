"""The pure half of the client: what is sent, and what an answer means."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotagent.core.secret import Redactor
from dotagent.plugins.client import (
    DEADLINE_MS,
    ERROR_CHARS,
    REASON_CHARS,
    STDERR_CHARS,
    Answer,
    End,
    PluginKind,
    answer,
    payload,
)
from dotagent.ports import Spoken


def spoken(
    stdout: str | bytes = b"",
    *,
    exit_code: int = 0,
    stderr: str = "",
    timed_out: bool = False,
    cut: bool = False,
) -> Spoken:
    raw = stdout.encode() if isinstance(stdout, str) else stdout
    return Spoken(
        exit_code=exit_code, stdout=raw, stderr=stderr.encode(), timed_out=timed_out, cut=cut
    )


def sent(**changes: Any) -> bytes:
    usual: dict[str, Any] = {
        "kind": PluginKind.NOTIFY,
        "agent": "disk",
        "schedule": "daily",
        "event": "given_up",
        "message": "disk exited 1",
        "config": {"to": "ops"},
    }
    return payload(**(usual | changes))


# ------------------------------------------------------------------------------------- payload


def test_payload_of_the_contract() -> None:
    """Six keys in the contract's order, compact, non-ASCII as it is, then what is added."""
    said = sent(message="über 90 %", extra={"delivery_id": 7, "attempt": 2})

    assert said.decode() == (
        '{"kind":"notify","agent":"disk","schedule":"daily","event":"given_up",'
        '"message":"über 90 %","config":{"to":"ops"},"delivery_id":7,"attempt":2}'
    )


def test_preflight_has_no_message_and_perhaps_no_config() -> None:
    """What is not there is null, not absent."""
    said = sent(kind=PluginKind.PREFLIGHT, event="preflight", message=None, config=None)

    assert said.decode() == (
        '{"kind":"preflight","agent":"disk","schedule":"daily","event":"preflight",'
        '"message":null,"config":null}'
    )


def test_tables_are_sorted_at_every_depth() -> None:
    """0.1.x forwards tables with their keys in order, and arrays as they are."""
    said = sent(config={"b": [{"z": 1, "a": 2}, 3], "a": {"y": True, "x": None}})

    assert b'"config":{"a":{"x":null,"y":true},"b":[{"a":2,"z":1},3]}' in said


def test_values_of_toml_that_json_has_not() -> None:
    """Infinities become null, dates and times the object that 0.1.x makes of them."""
    east = timezone(timedelta(hours=2))
    config = {
        "a": [float("nan"), float("inf"), 1.5],
        "b": datetime(2026, 5, 18, 8, 30, tzinfo=UTC),
        "c": datetime(2026, 5, 18, 8, 30, 0, 500_000, tzinfo=east),
        "d": date(2026, 5, 18),
        "e": time(8, 30, 0, 50_000),
    }

    said = json.loads(sent(config=config))["config"]

    assert said == {
        "a": [None, None, 1.5],
        "b": {"$__toml_private_datetime": "2026-05-18T08:30:00Z"},
        "c": {"$__toml_private_datetime": "2026-05-18T08:30:00.5+02:00"},
        "d": {"$__toml_private_datetime": "2026-05-18"},
        "e": {"$__toml_private_datetime": "08:30:00.05"},
    }


def test_half_a_character_goes_out_as_a_question_mark() -> None:
    """An undecodable byte of a file name is no reason to send nothing."""
    assert json.loads(sent(message="\udcff"))["message"] == "?"


def test_added_fields_do_not_replace_the_contracts() -> None:
    """A field of the contract cannot be overwritten by an added one."""
    with pytest.raises(ValueError, match="may not replace agent, config"):
        sent(extra={"agent": "x", "config": 1, "attempt": 2})


def test_deadlines_of_the_contract() -> None:
    """What each use of a plugin gets where its manifest says nothing."""
    assert dict(DEADLINE_MS) == {
        "info": 10_000,
        "validate": 30_000,
        "preflight": 30_000,
        "on_success": 300_000,
        "on_failure": 15_000,
        "notifier": 15_000,
    }


# -------------------------------------------------------------------------------------- answer


def test_ok() -> None:
    """One JSON object with ok = true and exit 0, blanks around it; its other keys are kept."""
    got = answer(spoken(' \r\n{"ok":true,"written_to":"/tmp/x"}\n', stderr="warning: old\n"))

    assert got == Answer(end=End.OK, fields={"written_to": "/tmp/x"}, stderr="warning: old")
    assert (got.ok, got.invoked, got.unknown) == (True, True, False)


def test_a_refusal() -> None:
    """A refusal is ok = false with its reason and its advice."""
    got = answer(spoken('{"ok":false,"error":"WARP not connected","suggest":"warp-cli connect"}'))

    assert got == Answer(end=End.REFUSED, error="WARP not connected", suggest="warp-cli connect")
    assert (got.ok, got.invoked, got.unknown) == (False, True, False)


@pytest.mark.parametrize(
    "said", ['{"ok":false}', '{"ok":false,"error":null}', '{"ok":false,"error":" "}']
)
def test_a_refusal_without_a_reason(said: str) -> None:
    """No reason is said to be none."""
    assert answer(spoken(said)).error == "it said no and gave no reason"


def test_a_refusal_with_a_status_and_no_reason() -> None:
    """The status stands beside a no that has no words."""
    got = answer(spoken('{"ok":false}', exit_code=3))

    assert (got.end, got.error) == (End.REFUSED, "it said no and gave no reason (exit 3)")


def test_a_refusal_with_a_status_keeps_its_words() -> None:
    """A non-zero exit does not throw away what the plugin said."""
    got = answer(
        spoken(
            '{"ok":false,"error":"disk full","suggest":"df -h","left":0}',
            exit_code=3,
            stderr="write: \x1b[31mno space\x1b[0m\n  left on device\n",
        )
    )

    assert got == Answer(
        end=End.REFUSED,
        error="disk full (exit 3): write: no space left on device",
        suggest="df -h",
        fields={"left": 0},
        stderr="write: no space\n  left on device",
    )


def test_a_status_and_no_answer() -> None:
    """A plugin of 0.1.x that fails prints no JSON: its status is its refusal."""
    got = answer(spoken(exit_code=1, stderr="cannot open /x: Permission denied"))

    assert got.end == End.REFUSED
    assert got.error == "it gave no answer (exit 1): cannot open /x: Permission denied"


def test_all_is_well_and_yet_a_status() -> None:
    """A plugin says ok = true against its own exit status: nobody knows what it did."""
    got = answer(spoken('{"ok":true,"suggest":"look"}', exit_code=2))

    assert got == Answer(
        end=End.BROKEN,
        error="it ended badly after it had answered that all is well (exit 2)",
        suggest="look",
    )
    assert (got.ok, got.invoked, got.unknown) == (False, True, True)


def test_a_signal() -> None:
    """A plugin that was killed may have done its work."""
    got = answer(spoken('{"ok":true}', exit_code=-11))
    odd = answer(spoken(exit_code=-99))

    assert (got.end, odd.end) == (End.BROKEN, End.BROKEN)
    assert got.error == "it ended badly after it had answered that all is well (killed by SIGSEGV)"
    assert odd.error == "it gave no answer (killed by signal 99)"


def test_a_refusal_and_a_signal() -> None:
    """Whoever says no and then dies has said no."""
    got = answer(spoken('{"ok":false,"error":"no"}', exit_code=-13))

    assert (got.end, got.error) == (End.REFUSED, "no (killed by SIGPIPE)")


@pytest.mark.parametrize("code", [126, 127])
def test_not_started(code: int) -> None:
    """A program that could not be started did nothing at all."""
    got = answer(spoken(exit_code=code, stderr="No such file or directory"))

    assert got.end == End.NOT_STARTED
    assert got.error == f"it could not be started (exit {code}): No such file or directory"
    assert (got.ok, got.invoked, got.unknown) == (False, False, False)


def test_status_127_with_an_answer() -> None:
    """A plugin that answers was started, whatever its status."""
    got = answer(spoken('{"ok":false,"error":"jq: not found"}', exit_code=127))

    assert (got.end, got.error) == (End.REFUSED, "jq: not found (exit 127)")


def test_timed_out() -> None:
    """Past the deadline it is unknown what happened; advice that was given already is kept."""
    got = answer(
        spoken('{"ok":true,"suggest":"wait"}', exit_code=-15, stderr="busy", timed_out=True),
        deadline_ms=1_500,
    )

    assert got.end == End.TIMED_OUT
    assert got.error == "it did not finish within 1.5 s and was stopped: busy"
    assert got.suggest == "wait"
    assert (got.ok, got.invoked, got.unknown) == (False, True, True)


def test_timed_out_without_a_number() -> None:
    """Where the deadline is not known it is not made up."""
    got = answer(spoken(exit_code=-9, timed_out=True))

    assert got.error == "it did not finish in time and was stopped"


@pytest.mark.parametrize(
    ("stdout", "why"),
    [
        ("", "it gave no answer"),
        (" \n", "it gave no answer"),
        ("done", "its answer is not JSON: done"),
        ('connecting\n{"ok":true}', 'its answer is not JSON: connecting {"ok":true}'),
        ('{"ok":true', 'its answer is not JSON: {"ok":true'),
        ('{"ok":true,"x":NaN}', 'its answer is not JSON: {"ok":true,"x":NaN}'),
        (r'{"ok":true,"x":"\ud800"}', r'its answer is not JSON: {"ok":true,"x":"\ud800"}'),
        ('{"ok":true,"x":' + "9" * 5_000 + "}", 'its answer is not JSON: {"ok":true,"x":99'),
        ("[" * 100_000, "its answer is JSON that is nested too deep"),
        (b'{"ok":true,"x":"\xff"}', "its answer is not UTF-8"),
        ("\x1b[31mred\x1b[0m\x07", "its answer is not JSON: red"),
        ("[true]", "its answer is not a JSON object: [true]"),
        ("null", "its answer is not a JSON object: null"),
        (
            '{"ok":false}\n{"ok":true}',
            'it printed more than one JSON object: then came {"ok":true}',
        ),
        ('{"ok":true} bye', "it printed more than one JSON object: then came bye"),
        ("{}", 'its answer has no "ok"'),
        ('{"OK":true}', 'its answer has no "ok"'),
        ('{"ok":"yes"}', '"ok" in its answer is "yes", not true or false'),
        ('{"ok":1}', '"ok" in its answer is 1, not true or false'),
        ('{"ok":null}', '"ok" in its answer is null, not true or false'),
        ('{"ok":true,"error":5}', '"error" in its answer is 5, not text'),
        ('{"ok":true,"error":{"a":[1]}}', '"error" in its answer is {"a":[1]}, not text'),
    ],
)
def test_an_answer_that_cannot_be_understood(stdout: str | bytes, why: str) -> None:
    """Exit 0 is not success by itself; the reason quotes what came instead."""
    got = answer(spoken(stdout))

    assert got.end == End.BROKEN
    assert got.error is not None
    assert got.error.startswith(why)
    assert len(got.error) < 200


def test_a_refusal_whose_error_is_no_text() -> None:
    """No is no, even where its reason has the wrong type."""
    got = answer(spoken('{"ok":false,"error":{"code":5}}'))

    assert (got.end, got.error) == (
        End.REFUSED,
        '"error" in its answer is {"code":5}, not text',
    )


def test_advice_that_is_no_text_is_just_a_field() -> None:
    """0.1.x ignores such a key, so it spoils no success."""
    assert answer(spoken('{"ok":true,"suggest":5}')) == Answer(end=End.OK, fields={"suggest": 5})


def test_more_than_is_read() -> None:
    """A flood that cut the answer is named; a flood on standard error alone changes nothing."""
    flood = answer(spoken('{"ok":true,"x":"yyyy', cut=True))
    noisy = answer(spoken('{"ok":true}', stderr="y", cut=True))

    assert flood.error == (
        'its answer is not JSON: {"ok":true,"x":"yyyy (it printed more than is read)'
    )
    assert noisy.ok


def test_words_are_bounded_and_clean() -> None:
    """However much a plugin says, its reason stays a reason: no escapes, a mark where cut."""
    long = "\x1b]0;title\x07\x1b[1mno\x1b[0m\x00 " + "x" * 100_000
    got = answer(
        spoken(json.dumps({"ok": False, "error": long, "suggest": long}), exit_code=1, stderr=long)
    )

    assert got.error is not None
    assert got.suggest is not None
    assert got.error.startswith("no xxx")
    assert len(got.error) <= ERROR_CHARS + REASON_CHARS
    assert got.suggest.startswith("no xxx")
    assert got.suggest.endswith("x…")
    assert len(got.suggest) <= ERROR_CHARS
    assert got.stderr == "x" * STDERR_CHARS


@pytest.mark.parametrize("before", range(0, 2 * STDERR_CHARS, 211))
def test_no_part_of_a_secret(before: int) -> None:
    """Wherever a text is cut, and whatever stands in the middle of it, no half secret is left."""
    secret = "k3y-" + "0123456789" * 20
    told = "x" * before + secret[:9] + "\x1b[1m" + secret[9:] + secret + "y" * 300
    said = [
        spoken(json.dumps({"ok": False, "error": told, "suggest": told}), exit_code=1, stderr=told),
        spoken(told, stderr=told, exit_code=1),
        spoken(json.dumps({"ok": told})),
        spoken('{"ok":true} ' + told),
    ]

    got = [answer(each, redactor=Redactor([secret])) for each in said]

    assert not [each for each in got if "234567890" in f"{each.error}{each.suggest}{each.stderr}"]


def test_standard_error_is_quoted_from_its_end() -> None:
    """The last lines hold the cause."""
    got = answer(spoken(exit_code=1, stderr="noise\n" * 200 + "ValueError: bad date"))

    assert got.error is not None
    assert got.error.startswith("it gave no answer (exit 1): …")
    assert got.error.endswith("noise ValueError: bad date")
    assert len(got.error) < REASON_CHARS + 100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
OBJECTS = st.fixed_dictionaries(
    {}, optional={"ok": JSON, "error": JSON, "suggest": JSON, "x": JSON}
)


@settings(max_examples=300)
@given(
    stdout=st.binary(max_size=60) | OBJECTS.map(lambda said: json.dumps(said).encode()),
    stderr=st.binary(max_size=60),
    exit_code=st.integers(-64, 255),
    timed_out=st.booleans(),
    cut=st.booleans(),
)
def test_any_answer_means_something(
    stdout: bytes, stderr: bytes, exit_code: int, timed_out: bool, cut: bool
) -> None:
    """Nothing raises; what is not ok has a reason that can be stored; ok needs exit 0."""
    said = Spoken(exit_code=exit_code, stdout=stdout, stderr=stderr, timed_out=timed_out, cut=cut)

    got = answer(said, deadline_ms=200)

    assert got.ok or (got.error or "").strip()
    assert not got.ok or (exit_code == 0 and not timed_out)
    json.dumps(dict(got.fields), ensure_ascii=False).encode()
    f"{got.error}{got.suggest}{got.stderr}".encode()


@settings(max_examples=200)
@given(config=JSON, message=st.none() | st.text(max_size=20))
def test_any_payload_is_read_back(config: Any, message: str | None) -> None:
    """Whatever a manifest holds goes out as JSON in the contract's order."""
    said = json.loads(sent(config=config, message=message))

    assert list(said) == ["kind", "agent", "schedule", "event", "message", "config"]
