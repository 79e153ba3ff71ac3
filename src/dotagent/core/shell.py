"""Words of a command line that a person may paste into a shell (POSIX, Shell Command Language 2.2).

Used by the hot commands, so without ``shlex``, whose regular expressions cost more than all of
``status``. Invariant: a shell reads ``word(text)`` as exactly ``text``.
"""

from __future__ import annotations

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_")


def word(text: str) -> str:
    """The text as one word, in quotes only where it needs them."""
    if text and _PLAIN.issuperset(text):
        return text
    return "'" + text.replace("'", "'\"'\"'") + "'"
