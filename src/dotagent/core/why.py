"""Why an agent ran or did not, and who was told: one sentence for every state of a window.

Pure: a ``Case``, the time and the zone in; a sentence out, which starts with the schedule's name
and ends with a full stop. Whoever shows a run in words shows this sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from dotagent.core import planning
from dotagent.core.case import Attempt, Away, Case, Window
from dotagent.core.decide import GOOD, Verdict, allowance
from dotagent.core.ending import Ending, ending_of
from dotagent.core.fit import shorten
from dotagent.core.hindrance import FULL, STOPPED, waited_for
from dotagent.core.model import AttemptKind, WindowState
from dotagent.core.moment import between, clock, local, when
from dotagent.core.span import count, human
from dotagent.core.told import telling

DAEMON = "daemon"
LONGEST_SAID = 100

_ALTHOUGH = {FULL: "because the disk is full", STOPPED: "because the daemon is stopped"}
"""Why a daemon that runs has started nothing."""


def sentence(case: Case, now: int, zone: tzinfo, *, hindrance: str | None = None) -> str:
    """The case in one sentence. ``hindrance``: what keeps the holder from starting
    anything (core/hindrance.py)."""
    words = _Words(case=case, now=now, zone=zone, hindrance=hindrance)
    clauses = [*words.standing(), *words.run()]
    said = telling(case, now, zone)
    if said:
        clauses.append(said)
    return f"{shorten(case.standing.name, LONGEST_SAID)} {'; '.join(clauses)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """The clauses of one case. Each says something of ``it``: the schedule."""

    case: Case
    now: int
    zone: tzinfo
    hindrance: str | None

    def at(self, at: int) -> str:
        return clock(at, self.now, self.zone)

    def when(self, at: int) -> str:
        return when(at, self.now, self.zone)

    # --------------------------------------------------------------------------- the schedule now

    def standing(self) -> Iterator[str]:
        """What is to be said of the schedule itself, where nobody asked for a certain run."""
        standing, live = self.case.standing, self._is_live()
        if self.case.asked is not None:
            return
        if standing.gone_at is not None:
            gone = "is disabled in its manifest" if standing.gone_why == "disabled" else "is gone"
            since = self.at(standing.gone_at)
            yield f"{gone} since {since}{'' if live else ' and does not run any more'}"
        elif standing.held_at is not None and not live:
            yield (
                f"is held since {self.at(standing.held_at)}, because its folder"
                f" {shorten(standing.folder, LONGEST_SAID)} is gone or unreadable"
            )
        elif self._is_without_success():
            assert self.case.outage is not None
            since = self.at(self.case.outage.opened_at)
            yield f"is overdue since {since}: what fell due has not succeeded"
        elif standing.paused_until is not None and standing.paused_until > self.now and not live:
            until = self.at(standing.paused_until)
            yield f"is paused until {until}, {_clause(standing.paused)}"
        elif self._is_unstarted() and not live:
            yield f"has not been started since it came due {self._due()}, {self._no_daemon()}"

    def _is_live(self) -> bool:
        window = self.case.window
        return window is not None and window.closed_at is None

    def _is_without_success(self) -> bool:
        """Overdue in the sense of rules R13: nothing failed, and nothing succeeded either."""
        outage = self.case.outage
        if outage is None or outage.closed_at is not None:
            return False
        return not outage.failures and not outage.windows

    def _is_unstarted(self) -> bool:
        due = self.case.standing.next_due_at
        return due is not None and due < self.now - planning.ON_TIME_MS

    def _due(self) -> str:
        due = self.case.standing.next_due_at
        return "" if due is None else self.when(due)

    def _no_daemon(self) -> str:
        if self.case.actor == DAEMON:
            return _ALTHOUGH.get(self.hindrance or "", "although a daemon runs")
        away = next((a for a in self.case.away if a.to_at >= self.now), None)
        if away is None:
            return "because no daemon runs"
        return f"because no daemon or tick has run since {self.at(away.from_at)}"

    # ----------------------------------------------------------------------------------- the run

    def run(self) -> Iterator[str]:
        """What became of the window or the manual run that the case is about."""
        case = self.case
        prefixed = any(True for _ in self.standing())
        if case.attempt is not None:
            yield self._link(prefixed, case.attempt.started_at) + self._by_hand(case.attempt)
        elif case.window is not None:
            yield self._link(prefixed, case.window.expected_at) + self._window(case.window)
        elif case.asked is not None:
            yield from self._no_such_run()
        elif not prefixed:
            yield self._nothing_yet()

    def _link(self, prefixed: bool, run_at: int) -> str:
        """Between what is so now and what was then."""
        standing = self.case.standing
        now_so = standing.gone_at or standing.held_at or standing.next_due_at or self.now
        return ("before that it " if run_at < now_so else "it ") if prefixed else ""

    def _window(self, window: Window) -> str:
        match window.state:
            case WindowState.SUCCEEDED:
                return self._succeeded(window)
            case WindowState.GIVEN_UP:
                return self._given_up(window)
            case WindowState.MISSED:
                return f"missed {self._which(window)}{self._missed_why(window)}"
            case WindowState.SKIPPED:
                return f"skipped {self._which(window)}{self._skipped_why(window)}"
            case WindowState.RUNNING:
                return self._running(window)
            case WindowState.WAITING:
                return self._waiting(window)

    def _which(self, window: Window) -> str:
        if window.expected_to is None or window.count == 1:
            return f"the {self.at(window.expected_at)} run"
        several = str(window.count) if window.exact else f"more than {window.count}"
        at = between(window.expected_at, window.expected_to, self.now, self.zone)
        return f"{several} runs ({at})"

    # --------------------------------------------------------------------------------- successes

    def _succeeded(self, window: Window) -> str:
        done = f"completed {self._which(window)}"
        if ending_of(window.reason) is Ending.BY_HAND:
            return f"{done} by a manual run that succeeded {self.when(window.closed_at or 0)}"
        last = self._last(GOOD)
        if last is None or last.ended_at is None:
            return done  # its attempts have been pruned
        first = self.case.attempts[0]
        took = human(last.lasted_ms or 0)
        warned = f" ({self._result(last)})" if last.verdict is Verdict.WARNED else ""
        stood_in = ""
        if window.caught_up:
            stood_in = f", and stood in for {count(window.caught_up, 'older run')}"
        if window.attempts > 1:
            failed = self._last((Verdict.FAILED,))
            tries = count(window.attempts - 1, "failed attempt")
            how = f" ({self._result(failed)})" if failed is not None else ""
            at = self.when(last.ended_at)
            return f"{done} on attempt {last.number}, {at}{warned}, after {tries}{how}{stood_in}"
        if first.started_at - window.expected_at > planning.ON_TIME_MS:
            why = self._late_why(window, first.started_at)
            return f"{done} late, {self.when(last.ended_at)}{warned}, {why}{stood_in}"
        return f"{done} in {took}{warned}{stood_in}"

    def _late_why(self, window: Window, started_at: int) -> str:
        away = self._away(window.expected_at, started_at)
        if away:
            return f"because {away}"
        if self._last((Verdict.INTERRUPTED,)) is not None:
            return "because a planned stop of dotagent had interrupted it"
        if window.late:
            return "because nothing could run it earlier"
        return "after waiting for its turn"

    # ----------------------------------------------------------------------------------- failures

    def _given_up(self, window: Window) -> str:
        failed = self._last((Verdict.FAILED,))
        result = f" ({self._result(failed)})" if failed is not None else ""
        tries = count(window.attempts, "attempt")
        return f"gave up {self._which(window)} after {tries}{result}{self._given_up_why(window)}"

    def _given_up_why(self, window: Window) -> str:
        deadline = self.at(window.deadline_at)
        match ending_of(window.reason):
            case Ending.USED_UP:
                return ""
            case Ending.NO_TIME:
                return f", because the next try would have come after its deadline, {deadline}"
            case Ending.STALE:
                away = self._away(window.expected_at, window.closed_at)
                because = f"{away} and " if away else ""
                return f", because {because}its deadline, {deadline}, passed before the next try"
            case Ending.NEXT_FIRST:
                return ", because the next run was due before the next try"
            case Ending.OVERTAKEN:
                return ", because the next run came due"
            case Ending.REMOVED | Ending.DISABLED as gone:
                return f", because the schedule was {gone} meanwhile"
        return f", because {_clause(window.reason)}"

    def _missed_why(self, window: Window) -> str:
        away = self._away(window.expected_at, window.closed_at)
        because = f"{away} and " if away else ""
        match ending_of(window.reason):
            case Ending.OVERTAKEN:
                started = "" if away else "it had not been started when "
                return f", because {because}{started}the next run came due"
            case Ending.TOO_LATE:
                late = f"{away}, until past its deadline" if away else f"it was {Ending.TOO_LATE}"
                return f", because {late}"
            case Ending.NOT_CAUGHT_UP if away:
                return f', because {away} and catch_up = "none" runs nothing late'
            case Ending.STALE:
                deadline = self.at(window.deadline_at)
                return f", because {because}its deadline, {deadline}, passed before it could start"
        return f", because {_clause(window.reason)}"

    # -------------------------------------------------------------------------------------- skips

    def _skipped_why(self, window: Window) -> str:
        reason = _clause(window.reason)
        they = "it was" if window.count == 1 else "they were"
        match ending_of(window.reason):
            case Ending.OVERLAP:
                return ", because the run before it was still going"
            case Ending.REMOVED | Ending.DISABLED as gone:
                return f", because the schedule was {gone}"
            case Ending.CAUGHT_UP:
                away = self._away(window.expected_at, window.closed_at)
                because = f", because {away}, and" if away else ";"
                return f"{because} {they} {self._caught_up(reason)}"
            case Ending.BLOCKED:
                return f", because it was {reason.removeprefix(Ending.BLOCKED).strip()}"
            case Ending.PAUSED:
                return f", because {they} {reason}"
            case Ending.ASKED:
                return f", as {reason}"
        return f": {reason}"

    def _caught_up(self, reason: str) -> str:
        """By a run that was tried; one that never was has caught up nothing."""
        heir = self.case.heir
        if heir is None or heir.closed_at is None or heir.attempts:
            return reason
        run = reason.removeprefix(Ending.CAUGHT_UP).strip()
        end = f"{heir.state.value}: {_clause(heir.reason)}"
        return f"not caught up: the run of {run}, which was to stand in, was {end}"

    # --------------------------------------------------------------------------------------- live

    def _running(self, window: Window) -> str:
        attempt = self.case.attempts[-1]
        which = f"attempt {attempt.number} of {self._allowed(window, attempt.number)}"
        since = self.at(attempt.started_at)
        if self.case.actor is None:
            return (
                f"was making {which} at {self._which(window)}, since {since}, when dotagent died,"
                " which its next start settles"
            )
        spent = human(self.now - attempt.started_at)
        return f"has been running {self._which(window)} for {spent}, since {since} ({which})"

    def _waiting(self, window: Window) -> str:
        run, number = self._which(window), window.attempts + 1
        which = f"attempt {number} of {self._allowed(window, number)}"
        if number == 1:
            doing = f"to start {run}"
            after = self._interrupted()
        else:
            failed = self._last((Verdict.FAILED,))
            doing = f"to make {which} at {run}"
            after = f", after a failed one ({self._result(failed)})" if failed is not None else ""
        if window.next_at is None:
            return f"waits for its folder {self.case.standing.folder} to be back {doing}{after}"
        if self.case.actor != DAEMON:
            return f"waits for a daemon or a tick {doing}{after}"
        if window.next_at > self.now:
            return f"waits until {self.at(window.next_at)} {doing}{after}"
        if self.case.busy_with is not None:
            kind = self.case.busy_with.value
            return f"waits for the end of the {kind} run in progress {doing}{after}"
        return f"waits for {waited_for(self.hindrance)} {doing}{after}"

    def _interrupted(self) -> str:
        stopped = self._last((Verdict.INTERRUPTED,)) is not None
        return ", after a planned stop of dotagent interrupted it" if stopped else ""

    def _allowed(self, window: Window, number: int) -> int:
        return max(allowance(self.case.standing.max_attempts, window.losses), number)

    # ------------------------------------------------------------------------------------ by hand

    def _by_hand(self, attempt: Attempt) -> str:
        since = self.at(attempt.started_at)
        if attempt.ended_at is None or attempt.verdict is None:
            if self.case.actor is None:
                return f"was being run by hand, since {since}, when dotagent died"
            return f"is being run by hand since {since}, for {human(self.now - attempt.started_at)}"
        took = human(attempt.lasted_ms or 0)
        start = f"was run by hand {self.when(attempt.started_at)} and"
        match attempt.verdict:
            case Verdict.SUCCEEDED:
                return f"{start} succeeded in {took}"
            case Verdict.WARNED:
                return f"{start} succeeded in {took} ({self._result(attempt)})"
            case Verdict.SKIPPED if attempt.stopped:
                return f"{start} was stopped after {took} ({self._result(attempt)})"
            case Verdict.SKIPPED:
                return f"{start} did not go ahead ({self._result(attempt)})"
            case Verdict.INTERRUPTED:
                return f"{start} was stopped after {took} ({self._result(attempt)})"
            case Verdict.FAILED:
                return f"{start} failed after {took} ({self._result(attempt)})"

    # ----------------------------------------------------------------------------------- no run

    def _nothing_yet(self) -> str:
        standing = self.case.standing
        if standing.first_seen_at is None:
            return "has no schedule and has not been run by hand yet"
        if standing.is_never_due:
            return "has had nothing due yet and never will: its schedule names no time to come"
        if standing.next_due_at is None or standing.next_due_at <= self.now:
            no_daemon = "" if self.case.actor == DAEMON else f", {self._no_daemon()}"
            return f"has had nothing due yet{no_daemon}"
        no_daemon = "" if self.case.actor == DAEMON else ", if a daemon runs then"
        return f"has had nothing due yet; its first run is due {self._due()}{no_daemon}"

    def _no_such_run(self) -> Iterator[str]:
        asked, standing = self.case.asked, self.case.standing
        assert asked is not None
        day = f"on {local(asked.first_at, self.zone):%a %Y-%m-%d}"
        at = day if asked.is_day else self.when(asked.first_at)
        due = standing.next_due_at
        if standing.first_seen_at is not None and asked.last_at < standing.first_seen_at:
            first = self.when(standing.first_seen_at)
            yield f"was not known to dotagent {at}: it was first seen {first}"
        elif due is not None and due <= min(asked.last_at, self.now):
            yield f"has not been started since it came due {self._due()}, {self._no_daemon()}"
        elif asked.first_at > self.now:
            yield f"cannot have run {at}, which is still to come"
            if due is not None:
                yield f"its next run is due {self._due()}"
        else:
            yield f"had no run planned {at}"
            near = [f"the {self.at(at)} run" for at in self.case.nearest if at is not None]
            if near:
                yield f"nearest {'is' if len(near) == 1 else 'are'} {' and '.join(near)}"

    # ------------------------------------------------------------------------------------- pieces

    def _last(self, verdicts: Sequence[Verdict]) -> Attempt | None:
        """The last attempt that ended so."""
        ours = (a for a in reversed(self.case.attempts) if a.verdict in verdicts)
        return next(ours, None)

    def _result(self, attempt: Attempt) -> str:
        """Its end in words, with its own last word: ``exit 1: No space left on device``."""
        words = _clause(attempt.words)
        said = _clause(attempt.said)
        return f"{words}: {said}" if said and attempt.kind is not AttemptKind.TRIAL else words

    def _away(self, from_at: int, to_at: int | None) -> str:
        """What kept everything from starting for the longest part of that time, if anything did."""
        until = self.now if to_at is None else to_at
        best: Away | None = None
        longest = planning.ON_TIME_MS
        for away in self.case.away:
            lasted = min(away.to_at, until) - max(away.from_at, from_at)
            if lasted > longest:
                best, longest = away, lasted
        if best is None:
            return ""
        return f"{best.why} from {between(best.from_at, best.to_at, self.now, self.zone)}"


def _clause(text: str) -> str:
    """Foreign text as part of a sentence: clean, on one line, short, without its own full stop."""
    return shorten(text, LONGEST_SAID).rstrip(".")
