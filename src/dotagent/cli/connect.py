"""``dotagent connect``: a first channel, from "where do you read messages?" to one that arrived.

Everything is asked first, then written in one step, then tried; Ctrl-C before that leaves nothing.
A channel that does not work is taken out again, unless its person wants to keep it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from dotagent.cli import channel, channel_files
from dotagent.cli.acting import act, environment
from dotagent.cli.channel import Question
from dotagent.cli.channel_files import Ground, Written
from dotagent.cli.deliveries import note
from dotagent.cli.layout import Page, page_for, plain
from dotagent.cli.tried import Tried, paths_of, send_test, to_check
from dotagent.core.errors import UsageError
from dotagent.core.problems import explain, nearest, one_of, quoted
from dotagent.core.shell import word
from dotagent.drivers.kit import registry
from dotagent.drivers.kit.driver import Driver, advice
from dotagent.store import names, outbox_view
from dotagent.store.reading import record
from dotagent.system.paths import Paths
from dotagent.system.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """With whom: ``asks`` is false where nobody can answer, or nobody wants to be asked."""

    page: Page
    asks: bool

    def say(self, text: str, style: str = "") -> None:
        click.echo("\n".join(self.page.paragraph(text, style)))


@click.command("connect")
@click.option("--driver", metavar="NAME", help="Where you read messages: slack, ntfy, email, …")
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the driver; may be given several times. '${NAME}' names a secret.",
)
@click.option("--id", "id", metavar="ID", help="What to call it (default: the driver's name).")
@click.option("--yes", is_flag=True, help="Ask nothing: what is not given keeps its default.")
@click.option("--keep", is_flag=True, help="Keep it even if the test message does not arrive.")
def command(driver: str | None, given: Sequence[str], id: str | None, yes: bool, keep: bool) -> int:
    """Set up where messages go, send one through it, and see that it arrives.

    It goes into config.toml, for all agents; secrets go into secrets.env, which only you can read.

    \b
    Example:
      dotagent connect
      dotagent connect --driver ntfy --set topic=my-alerts-x7Kq --yes
    """
    env = environment()
    paths = paths_of(env)
    talk = Talk(page=page_for(sys.stdout, env), asks=sys.stdin.isatty() and not yes)
    ground = channel_files.ground(paths, env)
    chosen = _driver(talk, driver)
    name = _name(ground, chosen, id)
    settings = _settings(talk, ground, name, chosen, given)
    tried = _try(talk, env, ground, name, chosen, settings, keep=keep)
    if tried is None:
        return 1
    click.echo(f"\nNext: {_following(paths, tried)}")
    return 0


# ------------------------------------------------------------------------------------ the questions


def _driver(talk: Talk, wanted: str | None) -> Driver:
    menu = channel.menu()
    known = [name for name, _ in menu]
    if wanted is None and not talk.asks:
        raise UsageError("say where you read messages: --driver NAME", f"It is {one_of(known)}")
    if wanted is None:
        talk.say("Where do you read messages?", "head")
        entries = [(f"{number:>2} {name}", text) for number, (name, text) in enumerate(menu, 1)]
        click.echo("\n".join(talk.page.entries(entries)))
    while wanted is None:
        answer = click.prompt("Its number or name").strip().lower()
        at = int(answer) - 1 if answer.isdecimal() else -1
        if answer in known or 0 <= at < len(known):
            wanted = answer if answer in known else known[at]
        else:
            near = nearest(answer, known)
            talk.say(f"There is no {answer}. Did you mean {near}?" if near else "Not one of these.")
    if wanted not in known:
        near = nearest(wanted, known)
        hint = f"Did you mean {quoted(near)}?" if near else f"It is {one_of(known)}"
        raise UsageError(f"{quoted(wanted)} is nothing that connect can set up", hint)
    found = registry.load(wanted)
    assert found is not None
    return found


def _name(ground: Ground, driver: Driver, wanted: str | None) -> str:
    if wanted is not None and wanted in ground.ids:
        raise UsageError(f"config.toml has a notifier {quoted(wanted)} already", "Choose another")
    return wanted or channel_files.free_id(ground, driver.name)


def _settings(
    talk: Talk, ground: Ground, id: str, driver: Driver, given: Sequence[str]
) -> dict[str, Any]:
    """What was given, what is asked, and that again which is not right."""
    known = {each.key: each for each in channel.questions(driver)}
    settings = _given(known, given)
    open_ = [each for each in channel.asked(driver) if each.key not in settings]
    if talk.asks and open_:
        for text in advice(driver):
            click.echo()
            talk.say(text)
        click.echo()
        settings |= _answers(open_)
    while found := channel_files.problems(id, driver.name, settings):
        wrong = [explain(each) for each in found]
        again = [known[key] for key in dict.fromkeys(each.path for each in found) if key in known]
        if not talk.asks or not again:
            missing = " ".join(map(channel.flag, again))
            raise UsageError("\n".join(wrong), f"Say it so: {missing}" if missing else None)
        for text in wrong:
            talk.say(text, "bad")
        settings = {key: each for key, each in settings.items() if known[key] not in again}
        settings |= _answers(again)
    return settings


def _given(known: Mapping[str, Question], given: Sequence[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for each in given:
        key, equals, text = each.partition("=")
        if not equals:
            raise UsageError(f"--set takes KEY=VALUE, and {quoted(key)} has no =")
        if key not in known:
            near = nearest(key, list(known))
            hint = f"Did you mean {near}?" if near else f"It has: {', '.join(known) or 'none'}"
            raise UsageError(f"there is no setting {quoted(key)}", hint)
        settings[key] = channel.read(known[key], text)
    return settings


def _answers(questions: Sequence[Question]) -> dict[str, Any]:
    """An empty answer leaves the default, which need not be written down."""
    found: dict[str, Any] = {}
    for each in questions:
        hint = f" (such as {each.hint})" if each.hint and not each.secret else ""
        text = f"{each.key}{hint}"
        if not each.required:
            text = f"{each.key}{hint}, Enter for {each.default or 'none'}"
        default = None if each.required else ""
        answer = click.prompt(text, default=default, hide_input=each.secret, show_default=False)
        if answer.strip():
            found[each.key] = channel.read(each, answer.strip())
    return found


# ------------------------------------------------------------------------------------------ trying


def _try(
    talk: Talk,
    env: Mapping[str, str],
    ground: Ground,
    id: str,
    driver: Driver,
    settings: Mapping[str, Any],
    *,
    keep: bool,
) -> Tried | None:
    """Written, sent, arrived; None where it did not. A signal from here on is heard between two
    steps: what is written is whole, or taken back."""
    signals = Signals().listen()
    done = channel_files.write(ground, id, driver, settings)
    try:
        tried = send_test(ground.paths, env, {"notifiers": [id]}, signals)
    except BaseException:
        channel_files.take_back(done)
        raise
    finally:
        signals.restore()
    if not tried.failed and (not talk.asks or click.confirm("Did it arrive?", default=True)):
        for each in done:
            talk.say(f"{plain(each.path)} has it now.")
        return tried
    _evidence(talk, ground.paths, driver, tried)
    if not _kept(talk, id, done, keep=keep):
        # Else what nobody keeps would stand in status as a channel in trouble.
        act(ground.paths, env, "reload", {}, role="reload", say=note)
        talk.say("Nothing was kept. Next: dotagent connect")
    return None


def _evidence(talk: Talk, paths: Paths, driver: Driver, tried: Tried) -> None:
    """What the ledger has, and what there is to check."""
    (delivery,) = tried.deliveries
    with record(paths.database) as reader:
        sends = [] if reader is None else outbox_view.sends(reader, delivery.id)
    click.echo()
    talk.say("What the ledger has:", "head")
    for send in sends:
        outcome = (send.outcome or "no answer").replace("_", " ")
        talk.say(f"  try {send.number}: {outcome}{f': {plain(send.why)}' if send.why else ''}")
    talk.say(f"All of it: dotagent deliveries show {delivery.id}")
    click.echo()
    talk.say("What to check:", "head")
    for text in to_check(driver.name):
        talk.say(text)


def _kept(talk: Talk, id: str, done: list[Written], *, keep: bool) -> bool:
    click.echo()
    if keep or (talk.asks and click.confirm("Keep it all the same?", default=False)):
        talk.say(f"It is kept. Mend it, then: dotagent notify test --notifier {word(id)}")
        return True
    channel_files.take_back(done)
    return False


def _following(paths: Paths, tried: Tried) -> str:
    """The next command of the first five minutes."""
    with record(paths.database) as reader:
        agents = [] if reader is None else names.agents(reader)
    if not agents:
        return "dotagent init"
    return "dotagent status" if tried.by_daemon else "dotagent install"
