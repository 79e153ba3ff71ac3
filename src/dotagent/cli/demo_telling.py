"""How ``demo`` tells its story: one line a happening, with the seconds since the beginning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo

from dotagent.cli.demo_receiver import Received
from dotagent.cli.demo_scene import Actor
from dotagent.cli.layout import Page, plain
from dotagent.cli.looking import show
from dotagent.core.model import Event, Kind
from dotagent.core.render import line_of
from dotagent.store.story import News, Refused, Started
from dotagent.system.waiting import now

SLACK = "Slack"
OURSELVES = "dotagent"
NAME_WIDTH = 8
STYLE: Mapping[Kind, str] = {
    Kind.ATTEMPT_FAILED: "doubtful",
    Kind.TIMED_OUT: "doubtful",
    Kind.GIVEN_UP: "bad",
    Kind.SUCCESS: "good",
    Kind.RECOVERED: "good",
}


class Telling:
    """Prints. ``zone`` is that of the times in the messages."""

    def __init__(self, page: Page, zone: tzinfo) -> None:
        self._page = page
        self._zone = zone
        self._began_at = now()

    def prologue(self, home: str, actors: Sequence[Actor]) -> None:
        """Who will appear."""
        self._say(self._page.paragraph("dotagent at work, for real, in a scratch home", "head"))
        text = (
            f"{home} is its home for these few seconds. A small server on this machine plays"
            " Slack, and is out of order at first. Three agents are due at once:"
        )
        self._say(self._page.paragraph(text))
        self._say(["", *self._page.entries([(actor.name, actor.does) for actor in actors]), ""])
        self._began_at = now()

    def daemon_started(self, pid: int) -> None:
        self._happened(OURSELVES, f"the daemon starts (process {pid})")

    def news(self, news: News) -> None:
        """What the home has recorded."""
        match news:
            case Started():
                self._happened(news.agent, f"attempt {news.number} starts")
            case Refused():
                wait = max(news.again_at - news.at, 0) / 1000
                text = f"{news.why}: the message is kept, and sent again in {wait:.0f} s"
                self._happened(OURSELVES, text, "doubtful")
            case Event():
                self._happened(news.agent, self._line(news), STYLE.get(news.kind, ""))

    def received(self, received: Received) -> None:
        """What the receiver was sent, and how it answered."""
        if received.status == 200:
            nth = f" (try {received.repeats + 1})" if received.repeats else ""
            self._happened(SLACK, f"receives{nth}: “{received.headline}”", "head")
        else:
            self._happened(SLACK, f"answers {received.status} to: “{received.headline}”", "bad")

    def evidence(self, shown: Sequence[tuple[Sequence[str], str]]) -> None:
        """Commands and what they said."""
        self._say(["", *self._page.paragraph("Where the evidence lies", "head")])
        for command, said in shown:
            self._say(["", f"  $ dotagent {' '.join(command)}"])
            self._say(f"    {line}" if line else "" for line in said.splitlines())

    def epilogue(self, home: str | None, messages: int) -> None:
        """What it proved, and the next step."""
        text = (
            f"All {messages} messages arrived, once each and in order; the one that was refused"
            " came as soon as Slack was back."
        )
        self._say(["", *self._page.paragraph(text, "good")])
        if home is not None:
            self._say([f"The scratch home is kept. To look around: export DOTAGENT_HOME={home}"])
        self._say(["", "Next, an agent of your own: dotagent init"])

    def failed(self, missing: Sequence[str], output: str) -> None:
        """What was promised and did not happen, and what the daemon said last."""
        text = "This did not go as promised:"
        self._say(["", *self._page.paragraph(text, "bad"), *(f"  {each}" for each in missing)])
        if output:
            self._say(["The daemon said:", *(f"  {plain(line)}" for line in output.splitlines())])
        self._say(["To look into it: dotagent demo --keep"])

    def _line(self, event: Event) -> str:
        """The event's own line; whose and where stands beside it already."""
        line = line_of(event, self._zone).removeprefix(f"{event.agent}/{event.schedule_id}: ")
        place = f" on host {event.facts.get('host')}"
        return line.replace(f",{place}", "").replace(place, "")

    def _happened(self, who: str, what: str, style: str = "") -> None:
        seconds = (now() - self._began_at) / 1000
        name = f"{seconds:4.1f} s  {who:<{NAME_WIDTH}}"
        self._say(self._page.entries([(name, plain(what))], style))

    def _say(self, lines: Iterable[str]) -> None:
        show(list(lines))
