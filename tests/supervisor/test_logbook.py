"""An agent's log: shared by its attempts, begun anew each day and when full, always bounded."""

from __future__ import annotations

import os
import re
from zoneinfo import ZoneInfo

from dotagent.core.pieces import TIMES
from dotagent.core.span import DAY_MS
from dotagent.supervisor.logbook import pieces_in
from tests.supervisor.children import Field, heard, tell

KIB = 1024


def older(field: Field) -> list[str]:
    """The texts of the older pieces, oldest first."""
    folder = field.log.parent
    found = sorted(pieces_in(str(folder), field.log.name), key=lambda piece: piece.key)
    return [(folder / piece.name).read_text() for piece in found]


async def test_another_day_begins_another_piece(field: Field) -> None:
    """A run of the next day finds an empty log; yesterday's has its day in its name."""
    await field.run("echo one")
    os.utime(field.log, (0, 951_782_400))  # 2000-02-29, 00:00 UTC
    await field.run("echo two", log_zone=ZoneInfo("America/New_York"))

    assert "two\n" == field.log.read_text()
    assert "one\n" == (field.log.parent / "agent.log.2000-02-28.1").read_text()


async def test_midnight_comes_while_it_runs(field: Field) -> None:
    """A run that goes on past midnight writes on in the new piece, which says whose it is."""
    said, go = field.fifo("said"), field.fifo("go")
    child = await field.start(
        f"echo before; echo > {said}; read x < {go}; echo after", log_name="schedule=s"
    )
    await heard(said)
    field.clock.at += DAY_MS
    await tell(go)
    await child.wait()

    assert ["before\n"] == older(field)
    assert "--- schedule=s · stdout ---\nafter\n" == field.log.read_text()


async def test_a_full_piece_is_followed_by_another(field: Field) -> None:
    """No piece is larger than the limit, and nothing is lost between them."""
    for number in range(3):
        await field.run(f"head -c {40 * KIB} /dev/zero | tr '\\0' {number}", log_max_bytes=64 * KIB)

    texts = [*older(field), field.log.read_text()]
    assert 64 * KIB >= max(len(text) for text in texts)
    output = re.sub(r"\n?--- stdout ---\n", "", "".join(texts))
    assert "".join(str(number) * 40 * KIB for number in range(3)) == output


async def test_older_pieces_are_bounded_together(field: Field) -> None:
    """However often it is full: the oldest go."""
    for number in range(TIMES + 4):
        await field.run(f"printf '%1000d' {number}", log_max_bytes=KIB)

    texts = older(field)
    assert TIMES * KIB >= sum(map(len, texts))
    assert TIMES == len(texts)
    assert texts[-1].endswith(f" {TIMES + 2}")


async def test_two_attempts_share_a_log(field: Field) -> None:
    """Two schedules of an agent at once: each line can be told whose it is, and when the log turns
    neither writes into a piece that was put aside."""
    fifos = {name: field.fifo(name) for name in ("a1", "b1", "a2", "b2", "ga", "gb")}
    both = []
    for one in "ab":
        body = f"echo {one} > {fifos[one + '1']}; read x < {fifos['g' + one]}; echo {one}-out"
        path = field.script(body, name=one)
        both.append(
            await field.start_file(path, log_name=f"schedule={one}", log_header=f"= {one}\n")
        )
        await heard(fifos[one + "1"])
    field.clock.at += DAY_MS
    for one, child in zip("ab", both, strict=True):
        await tell(fifos["g" + one])
        await child.wait()

    assert ["= a\n= b\n"] == older(field)
    text = "--- schedule=a · stdout ---\na-out\n--- schedule=b · stdout ---\nb-out\n"
    assert text == field.log.read_text()
    assert not field.spawner.writes_to(str(field.log))


async def test_a_log_that_cannot_turn_goes_on(field: Field) -> None:
    """Where there can be no further name (it would be too long) the log is written on as it is."""
    field.log = field.log.with_name(f"{'a' * 250}.log")
    field.log.parent.mkdir()
    field.log.write_text("one\n")
    os.utime(field.log, (0, 0))
    await field.run("echo two")

    assert "one\ntwo\n" == field.log.read_text()
