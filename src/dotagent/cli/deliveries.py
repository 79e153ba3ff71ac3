"""``dotagent deliveries``: the outbox, for people: what waits, what was sent, what died and why.

``list`` and ``show`` only look and need nobody to act; ``retry`` and ``cancel`` go through the
home's one actor and show what came of it.

With ``--json``, a list of messages. Instants are ISO 8601 in local time; what is not known is null:
``id``, ``event`` and its number ``event_seq``, ``agent``, ``schedule``, ``notifier``, ``driver``;
``state`` and its ``reason``; ``tries``, ``created``, ``ended``, ``took_ms`` between them,
``next_try``, ``held_until``, ``expires``, ``last_failure``, ``may_repeat``, ``resend_of``,
``folded``. ``show`` has the ``message`` too, and its ``sends``, each with ``number``, ``started``,
``ended``, ``outcome``, ``why``, ``may_repeat``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from functools import partial
from typing import Any

import click

from dotagent import app
from dotagent.cli import delivery_text
from dotagent.cli.acting import act, environment
from dotagent.cli.layout import Page, harmless, page_for
from dotagent.cli.usage import ListFirst
from dotagent.core import sample, template
from dotagent.core.errors import NotFound, UsageError
from dotagent.core.model import DeliveryState, Message
from dotagent.drivers.kit import registry
from dotagent.steps.message import composed
from dotagent.steps.own_words import own_words
from dotagent.steps.parts import addressed
from dotagent.store import outbox_view
from dotagent.store.outbox_view import DEAD, WAITING, Delivery
from dotagent.store.reading import Reader, connect_reader, open_record
from dotagent.system import zone
from dotagent.system.paths import Paths
from dotagent.system.paths import home as home_of
from dotagent.system.signals import Signals
from dotagent.system.waiting import now

LIMIT = 20
FINE = (DeliveryState.SENT, DeliveryState.SUPPRESSED)


@click.group(cls=ListFirst)
def command() -> None:
    """The messages: on their way, sent and dead.

    Without a command: the latest, as "list" shows them.

    \b
    Example:
      dotagent deliveries --dead
      dotagent deliveries retry --dead
    """


# ------------------------------------------------------------------------------------------- looks


@command.command("list")
@click.option("--dead", is_flag=True, help="Those that could not be delivered.")
@click.option("--waiting", is_flag=True, help="Those that are still on their way.")
@click.option("--held", is_flag=True, help="Those that wait for the end of quiet hours.")
@click.option("--suppressed", is_flag=True, help="Those that were not sent on purpose, and why.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1),
    default=LIMIT,
    show_default=True,
    metavar="N",
    help="How many.",
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def list_(
    dead: bool, waiting: bool, held: bool, suppressed: bool, limit: int, as_json: bool
) -> int:
    """Show the latest messages, the newest last.

    \b
    Example:
      dotagent deliveries list --waiting
      dotagent deliveries --dead --json
    """
    states = [*(DEAD if dead else ()), *(WAITING if waiting else ())]
    states += [DeliveryState.SUPPRESSED] if suppressed else []
    reader = open_record(Paths(home_of(environment())).database)
    if reader is None:
        click.echo("[]" if as_json else "There are no messages yet.")
        return 0
    try:
        held_at = now() if held else None
        found = outbox_view.latest(reader, states, limit, held_at=held_at)
        in_all = outbox_view.count(reader, states, held_at=held_at)
        lost = outbox_view.count(reader, DEAD)
    finally:
        reader.close()
    if as_json:
        _print_json(data_of(found))
        return 0
    _print(found)
    if not found:
        click.echo(
            "There are no such messages." if states or held else "There are no messages yet."
        )
    elif in_all > len(found):
        click.echo(f"{in_all - len(found)} older not shown; -n N shows more.")
    if lost and not (waiting and not dead):
        click.echo(f"{_counted(lost)} could not be delivered: dotagent deliveries retry --dead")
    if found:
        told = next((each for each in reversed(found) if each.state not in FINE), found[-1])
        click.echo(f"\nNext: dotagent deliveries show {told.id}")
    return 0


@command.command()
@click.argument("delivery_id", metavar="ID", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(delivery_id: int, as_json: bool) -> int:
    """Show one message: what happened, its text, and every try to send it.

    \b
    Example:
      dotagent deliveries show 12
    """
    env = environment()
    reader = open_record(Paths(home_of(env)).database)
    found = [] if reader is None else outbox_view.of_ids(reader, [delivery_id])
    if reader is None or not found:
        raise NotFound(f"there is no delivery {delivery_id}", "See: dotagent deliveries")
    try:
        here = zone.machine_zone(env)
        message, changed = _worded(reader, Paths(home_of(env)), here, found[0])
        sends = outbox_view.sends(reader, delivery_id)
    finally:
        reader.close()
    if as_json:
        _print_json(
            {
                **delivery_text.data(found[0], here),
                "message": {"title": message.title, "line": message.line, "tail": message.tail},
                "sends": [delivery_text.send_data(each, here) for each in sends],
            }
        )
        return 0
    page = page_for(sys.stdout, env)
    click.echo(delivery_text.full(found[0], message, sends, now(), here, page))
    if changed:
        click.echo("\nThese are the words of its template as it is now; that has changed since.")
    if found[0].state in DEAD:
        click.echo(f"\nSend it again: dotagent deliveries retry {delivery_id}")
    return 0


def _worded(reader: Reader, paths: Paths, here: tzinfo, delivery: Delivery) -> tuple[Message, bool]:
    """The message as its channel has it, in the words of the notifier's template where it has one;
    and whether that may have had others then."""
    unit = outbox_view.unit_of(reader, delivery.id)
    message = composed(reader, here, unit)
    if len(unit.seqs) > 1:  # several as one: a template is about one event
        return message, False
    own = own_words(reader, paths, app.drivers, partial(addressed, registry.load), delivery)
    worded, _ = template.apply(message, own.template, here)
    sent_at = delivery.ended_at if delivery.state is DeliveryState.SENT else None
    changed = own.template is not None and sent_at is not None and sent_at < own.since_at
    return sample.marked(worded), changed


# -------------------------------------------------------------------------------------------- acts


@command.command()
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--dead", is_flag=True, help="All that could not be delivered.")
@click.option("--parked", is_flag=True, help="All that wait for channels that refuse messages.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def retry(ids: Sequence[int], dead: bool, parked: bool, as_json: bool) -> int:
    """Send messages again, now. Exits with 0 if all of them arrived.

    \b
    Example:
      dotagent deliveries retry 12 13
      dotagent deliveries retry --parked
    """
    if not ids and not dead and not parked:
        raise UsageError(
            "name the messages to send again, or use --dead or --parked",
            "Their numbers are in: dotagent deliveries",
        )
    found = _act("retry", {"ids": list(ids), "dead": dead, "parked": parked}, as_json=as_json)
    if not found and not as_json:
        click.echo("There is nothing to send again.")
    return 0 if all(each.state in FINE for each in found) else 1


@command.command()
@click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
@click.option("--reason", required=True, metavar="TEXT", help="Stands in the record.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def cancel(ids: Sequence[int], reason: str, as_json: bool) -> int:
    """Drop messages that still wait.

    \b
    Example:
      dotagent deliveries cancel 12 --reason "said by telephone"
    """
    _act("cancel", {"ids": list(ids), "why": reason}, as_json=as_json)
    return 0


def _act(kind: str, args: Mapping[str, Any], *, as_json: bool) -> list[Delivery]:
    """Have it done, and print what became of each."""
    signals = Signals().listen()
    env = environment()
    paths = app.paths_of(env)
    done = act(paths, env, kind, args, role="deliveries", say=note, signals=signals)
    return report(done.answer["deliveries"], as_json=as_json)


# ------------------------------------------------------------------------------------------ output


def report(ids: Sequence[int], *, as_json: bool = False) -> list[Delivery]:
    """Print what became of these, as far as it is known."""
    reader = connect_reader(app.paths_of(environment()).database)
    try:
        found = outbox_view.of_ids(reader, ids)
    finally:
        reader.close()
    if as_json:
        _print_json(data_of(found))
    else:
        _print(found)
    return found


def data_of(found: Sequence[Delivery]) -> list[dict[str, Any]]:
    """Deliveries for programs."""
    here = zone.machine_zone(environment())
    return [delivery_text.data(each, here) for each in found]


def _print(found: Sequence[Delivery]) -> None:
    env = environment()
    page, here, at = page_for(sys.stdout, env), zone.machine_zone(env), now()
    plain = Page(page.width)  # what is wrapped is not painted: the number is
    width = max((len(str(each.id)) for each in found), default=0)
    for each in found:
        entry = f"{each.id:>{width}}", delivery_text.entry(each, at, here, plain)
        style = delivery_text.STYLES.get(each.state, "")
        click.echo("\n".join(page.entries([entry], style, indent=0, column=width + 2)))


def _print_json(data: Any) -> None:
    click.echo(harmless(json.dumps(data, ensure_ascii=False)))


def _counted(number: int) -> str:
    return "1 message" if number == 1 else f"{number} messages"


def note(text: str) -> None:
    """A word to the person that is not the command's own output."""
    click.echo(f"dotagent: {text}", err=True)
