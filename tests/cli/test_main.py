"""Every command there is: it can be found, explains itself with an example, and fits the page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import takewhile

import click
import pytest

from dotagent.cli.main import COMMANDS, HIDDEN, root, run
from tests.support.house import PACKAGE

WIDEST = 80


def walk(command: click.Command, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The command and all below it, each with the words that call it."""
    yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, *names, name)


EVERY = dict(walk(root))
CALLS = [names for names in EVERY if names]


def examples(command: click.Command) -> list[str]:
    """The lines below ``Example:`` in its help."""
    _, found, block = (command.help or "").partition("Example:\n")
    return [line.strip() for line in block.splitlines() if line.strip()] if found else []


def test_every_file_is_a_command() -> None:
    """A file with a ``command`` that nobody can call would be forgotten."""
    files = {
        path.stem for path in (PACKAGE / "cli").glob("*.py") if "\ndef command(" in path.read_text()
    }

    assert files == {name.replace("-", "_") for name in COMMANDS} | set(HIDDEN.values())


@pytest.mark.parametrize("names", CALLS, ids=" ".join)
def test_help_shows_an_example(names: tuple[str, ...]) -> None:
    """What a person can paste: of this very command, and one that it takes."""
    shown = examples(EVERY[names])
    calls = [line for line in shown if f"dotagent {' '.join(names)}" in line]

    assert calls
    for line in shown:
        parses(line[line.index("dotagent") :])


def parses(line: str) -> None:
    """Raises ``UsageError`` for what the command would refuse; runs nothing."""
    line = line.partition(')"')[0]  # $(dotagent …), inside quotes of a shell
    words = [
        *takewhile(lambda word: word not in ("|", ">", ">>"), shlex.split(line, comments=True))
    ][1:]
    command: click.Command = root
    context = click.Context(root)
    while isinstance(command, click.Group) and words:
        name = words.pop(0) if words[0] in command.list_commands(context) else "list"
        below = command.get_command(context, name)
        assert below is not None
        command = below
    command.make_context(command.name, words)


def test_what_is_no_call_is_noticed() -> None:
    """The check of the examples sees an option that is none, and an argument too many."""
    for line in ("dotagent why --nope", "dotagent next a b", "dotagent silence add"):
        with pytest.raises(click.UsageError):
            parses(line)


@pytest.mark.parametrize("names", CALLS, ids=" ".join)
def test_every_option_says_what_it_does(names: tuple[str, ...]) -> None:
    """Each option that the help lists has a word about it, unless its default says it."""
    silent = [
        option.name
        for option in EVERY[names].params
        if isinstance(option, click.Option)
        and not option.hidden
        and not option.help
        and not option.show_default
    ]

    assert [] == silent


@pytest.mark.parametrize("names", [(), *CALLS], ids=" ".join)
def test_help_fits_the_page(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On 80 columns nothing is broken where it could not be copied."""
    monkeypatch.setenv("COLUMNS", str(WIDEST))
    status = run([*names, "--help"])
    text = capsys.readouterr().out

    assert 0 == status
    assert [] == [line for line in text.splitlines() if len(line) > WIDEST]


WRONG = {
    "staus": ('there is no command "staus"', "Did you mean: dotagent status"),
    "xyzzy": ('there is no command "xyzzy"', "See all of them: dotagent --help"),
    "notify tst": ('notify has no command "tst"', "Did you mean: dotagent notify test"),
    "audit xyzzy": ('audit has no command "xyzzy"', 'There is "tail" or "verify"'),
    "deliveries lst": ('deliveries has no command "lst"', "Did you mean: dotagent deliveries list"),
    "--nope": (
        'there is no option "--nope"',
        "It goes: dotagent [OPTIONS] [COMMAND] [ARGS]...; more: dotagent --help",
    ),
    "status --jsn": ('status has no option "--jsn"', "Did you mean --json?"),
    "why": (
        "why needs AGENT[/SCHEDULE]",
        "It goes: dotagent why [OPTIONS] AGENT[/SCHEDULE] [WHEN]; more: dotagent why --help",
    ),
    "pause a --for 1h": (
        "pause needs --reason",
        "It goes: dotagent pause [OPTIONS] AGENT[/SCHEDULE]; more: dotagent pause --help",
    ),
    "next -n 0": (
        "-n: 0 is not in the range 1<=x<=1000",
        "It goes: dotagent next [OPTIONS] [AGENT[/SCHEDULE]]; more: dotagent next --help",
    ),
    "status more": (
        "got unexpected extra argument (more)",
        "It goes: dotagent status [OPTIONS]; more: dotagent status --help",
    ),
}


@pytest.mark.parametrize("line", WRONG)
def test_a_line_that_is_no_call(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A usage error in the form of every other error: what is wrong, and what was probably meant or
    how it goes."""
    message, hint = WRONG[line]
    status = run(line.split())

    assert 2 == status
    assert f"dotagent: {message}\n  {hint}\n" == capsys.readouterr().err


def test_a_group_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who does not know its commands sees them."""
    status = run(["notify"])

    assert 2 == status
    assert "Commands:\n  test" in capsys.readouterr().err
