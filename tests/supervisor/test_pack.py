"""The state table of a child: nothing can keep it from its end."""

from __future__ import annotations

from dotagent.supervisor.pack import TABLE, Cue, State

WAITING = set(State) - {State.DONE}


def test_every_state_ends_by_time_alone() -> None:
    """From every state the timers alone lead to the end, if the leader dies of its KILL or not."""
    for start in WAITING:
        state, steps = start, []
        while state is not State.DONE:
            state = TABLE[state, Cue.TIME]
            steps.append(state)

        assert steps[-1] is State.DONE
        assert len(steps) == len(set(steps))


def test_nothing_comes_after_the_end() -> None:
    """The end is final, and no cue leads back."""
    order = [State.RUNNING, State.STOPPING, State.DRAINING, State.KILLING, State.SHUTTING]

    assert not any((State.DONE, cue) in TABLE for cue in Cue)
    for (state, _), then in TABLE.items():
        assert then is State.DONE or order.index(then) > order.index(state)


def test_output_alone_ends_nothing() -> None:
    """A child that closes its output, or whose group looks empty, is not ended by that."""
    assert (State.RUNNING, Cue.SHUT) not in TABLE
    assert (State.RUNNING, Cue.EMPTY) not in TABLE
    assert (State.STOPPING, Cue.EXIT) not in TABLE
