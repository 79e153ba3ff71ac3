"""iMessage, through the Messages program of macOS.

    [[notifiers]]
    driver = "imessage"
    to = "+5511999999999"    # a phone number, or the e-mail address of an iMessage account
    rate_limit_minutes = 60  # any driver takes this: quiet for an hour after a message; 0: never

Messages must be signed in to iMessage on this Mac, and the daemon must run in your login session.
The first message makes macOS ask whether it may control Messages; you find the answer again under
System Settings, Privacy & Security, Automation.

Apple offers no interface for this: it is the only built-in driver that starts a program,
`osascript`, and the text goes to it as an argument, never into the script. That Messages took it
does not mean that it arrived. Elsewhere than on macOS it is unsupported. A refused permission or an
address that Messages does not know parks the destination; anything else is tried again. After each
message `$DOTAGENT_HOME/state/notify/imessage/` says when, in the form of dotagent 0.1.x.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from dotagent.core.fit import fit, points, shorten
from dotagent.core.model import (
    Message,
    Outcome,
    RejectDestination,
    Retry,
    Sent,
    Unknown,
    Unsupported,
)
from dotagent.core.shapes import Text
from dotagent.drivers.kit.wire import link_of, plain_tail
from dotagent.ports import Pace, Spoken, Tools

LIMITS = ()
PACE = Pace(burst=5, every_ms=2_000, parallel=1)
TARGET = ("to",)
SECRETS: tuple[str, ...] = ()

_ROOM = 2_000
"""Apple names no limit; this much can still be read on a phone."""
_EXCERPT = 160

SCRIPT = """\
on run {handle, words}
  tell application "Messages"
    set service to first account whose service type is iMessage
    send words to participant handle of service
  end tell
end run
"""
# https://developer.apple.com/library/archive/documentation/AppleScript/Conceptual/AppleScriptLangGuide/reference/ASLR_error_codes.html
_ERROR = re.compile(r"\((-\d+)\)\s*$")
_FORBIDDEN = {"-1743", "-10004"}
_UNKNOWN_ADDRESS = {"-1728"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    UNUSED: ClassVar = ("proxy", "ca_file")

    to: Text

    def check(self) -> Iterator[tuple[str, str]]:
        if self.to.strip()[:1] in ("", "-") or not self.to.isprintable():
            yield "to", "not a phone number or an e-mail address"


async def send(tools: Tools, config: Config, message: Message) -> Outcome:
    """One ``osascript``, with recipient and text as its arguments."""
    if tools.platform != "darwin":
        why = f"unsupported platform for driver imessage: it needs macOS, this is {tools.platform}"
        return Unsupported(why=why)
    link = link_of(message)
    line = f"{message.line} {link}" if link and link not in message.line else message.line
    text = fit(line, plain_tail(message) if tools.plain else message.tail, _ROOM, points)
    argv = ["osascript", "-e", SCRIPT, config.to.strip(), text]
    spoken = await tools.speak(argv, b"", tools.attempt_env, tools.timeout_ms)
    return outcome(spoken)


def outcome(spoken: Spoken) -> Outcome:
    """What the end of ``osascript`` means; its error ends with a number in parentheses."""
    said = shorten(spoken.stderr.decode("utf-8", "replace"), _EXCERPT)
    if spoken.timed_out:
        return Unknown(why="osascript did not end in time")
    if spoken.exit_code == 0:
        return Sent()
    why = f"osascript exited {spoken.exit_code}: {said}" if said else ""
    why = why or f"osascript exited {spoken.exit_code}"
    number = _ERROR.search(said)
    code = number[1] if number else ""
    if code in _FORBIDDEN:
        help_ = "allow it under System Settings, Privacy & Security, Automation"
        return RejectDestination(why=f"macOS does not let dotagent control Messages; {help_}")
    return RejectDestination(why=why) if code in _UNKNOWN_ADDRESS else Retry(why=why)
