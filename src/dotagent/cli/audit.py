"""``dotagent audit``: whether the record is what was written, and what its last entries say.

``verify --json`` prints one object: ``ok``, and ``records`` (ours first, then a log of dotagent
0.1.x): ``file``, ``ok``, ``entries`` (lines that hold), ``waiting`` (committed, not in the file
yet), ``broken_at`` (a line, counted from 1), ``reason``, ``note``. What is not known is null.
``tail --json`` prints the lines as they are.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import click

from dotagent.cli.layout import Page, harmless, plain
from dotagent.cli.looking import page, show, show_json
from dotagent.cli.progress import doing
from dotagent.cli.usage import Group
from dotagent.core.errors import HomeError
from dotagent.steps.attest import Finding, attest, attest_alone, attest_legacy
from dotagent.store.reading import record
from dotagent.system import auditfile, lock, segments
from dotagent.system.paths import Paths, home
from dotagent.system.waiting import pause

WAIT_MS = 250
STYLES = {"critical": "bad", "notice": "head"}


@click.group("audit", cls=Group)
def command() -> None:
    """The record of all that ran and all that was told.

    \b
    Example:
      dotagent audit verify
      dotagent audit tail -n 5
    """


@command.command("verify")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def verify(as_json: bool) -> int:
    """Check every line of the record; exit 1 if one is not as it was written.

    Finds lines that were changed, removed, inserted or moved and, against the database, an end that
    was cut. A log of dotagent 0.1.x in the same home is checked too.

    \b
    Example:
      dotagent audit verify --json | jq .ok
    """
    with doing("reading the whole record"):
        findings = _examine(Paths(home(os.environ)))
    whole = all(finding.whole for finding in findings)
    if as_json:
        show_json({"ok": whole, "records": [_facts(finding) for finding in findings]})
    else:
        show(_text(page(), findings))
    return 0 if whole else 1


@command.command("tail")
@click.option("-n", "--lines", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The lines as they are: JSON, one each.")
def tail(lines: int, as_json: bool) -> int:
    """Show the last entries of the record.

    \b
    Example:
      dotagent audit tail -n 5
    """
    entries = [
        line.decode(errors="replace") for line in _last(Paths(home(os.environ)).audit, lines)
    ]
    if as_json:
        return show([_shown(line) for line in entries] if sys.stdout.isatty() else entries)
    if not entries:
        return show(["Nothing has been recorded yet.", "", "Next: dotagent status"])
    paper = page()
    found = [_readable(line) for line in entries]
    shown = [paper.paint(text, STYLES.get(severity, "")) for severity, text in found]
    return show([*shown, "", "Next: dotagent audit verify"])


# --------------------------------------------------------------------------------------- verifying


def _examine(paths: Paths) -> list[Finding]:
    """The record and, where there is one, the older log; nothing where there is neither."""
    legacy = auditfile.verify_legacy(paths.legacy_audit)
    findings = []
    with record(paths.database) as reader:
        if reader is not None:
            held = lock.peek(paths.lock) is not None
            findings.append(
                attest(paths.audit, reader, legacy=legacy, held=held, pause=partial(pause, WAIT_MS))
            )
        elif os.path.lexists(paths.audit):
            findings.append(attest_alone(paths.audit))
        if legacy is not None:
            findings.append(attest_legacy(paths.legacy_audit, legacy, reader))
    return findings


def _facts(finding: Finding) -> Mapping[str, Any]:
    return {
        "file": finding.path,
        "ok": finding.whole,
        "entries": finding.entries,
        "waiting": finding.waiting,
        "broken_at": finding.broken_at,
        "reason": finding.reason or None,
        "note": finding.note or None,
    }


def _text(paper: Page, findings: Sequence[Finding]) -> list[str]:
    if not findings:
        return ["Nothing has been recorded yet.", "", "Next: dotagent status"]
    lines = []
    for finding in findings:
        head, said = paper.paint("broken", "bad"), plain(finding.reason)
        if finding.whole:
            entries = "1 entry" if finding.entries == 1 else f"{finding.entries:,} entries"
            head, said = paper.paint("whole", "good"), f"{entries}, each as it was written"
        lines.append(f"{finding.path}: {head}{',' if finding.whole else ':'} {said}")
        if finding.waiting:
            lines.append(f"  {finding.waiting} more: recorded, and written by whoever acts next")
        if finding.note:
            lines.append(f"  {plain(finding.note)}")
    if all(finding.whole for finding in findings):
        return [*lines, "", "Next: dotagent audit tail"]
    return [*lines, "What was recorded last: dotagent audit tail"]


# ------------------------------------------------------------------------------------------ showing


def _last(path: str, count: int) -> Sequence[bytes]:
    try:
        return segments.last_lines(path, count)
    except OSError as error:
        raise HomeError(f"the audit log {path} cannot be read: {error.strerror}") from error


def _shown(line: str) -> str:
    """As it is, for a terminal: JSON holds no raw control character, and other text no entry."""
    return plain(line) if min(line, default=" ") < " " else harmless(line)


def _readable(line: str) -> tuple[str, str]:
    """The severity, and the entry in one line for people; what is no entry stays as it is."""
    try:
        entry = json.loads(line)
        fields = dict(entry["event"])
        severity, ts = str(entry["severity"]), str(entry["ts"])
        kind = str(fields.pop("event_type"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return "critical", f"(no audit entry) {plain(line)}"
    said = " ".join(f"{name}={_value(value)}" for name, value in fields.items())
    return severity, plain(f"{ts}  {severity:<8}  {kind}  {said}".rstrip())


def _value(value: Any) -> str:
    if isinstance(value, str) and value and value.isprintable() and " " not in value:
        return value
    return json.dumps(value, ensure_ascii=False)
