"""What 1Password keeps (``op://`` in secrets.env): fetched beside the turns, kept in memory only.

Nobody waits for it but who needs such a value, and nobody longer than its deadline. Invariant: no
reason holds anything that ``op`` or the secrets file said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from dotagent.core.secret import references
from dotagent.ports import Speak, Spoken

DEADLINE_MS = 15_000
AT_ONCE = 4
NOT_FOUND = 127


async def fetch(speak: Speak, env: Mapping[str, str], reference: str) -> str | Exception:
    """The value behind a reference, or why there is none."""
    argv = ("op", "read", "--no-newline", reference)
    spoken = await speak(argv, b"", env, DEADLINE_MS)
    why = _refusal(spoken)
    return spoken.stdout.decode() if why is None else LookupError(why)


def _refusal(spoken: Spoken) -> str | None:
    if spoken.timed_out:
        return f"op, the program of 1Password, did not answer within {DEADLINE_MS // 1_000} s"
    if spoken.exit_code == NOT_FOUND:
        return "op, the program of 1Password, was not found in PATH"
    if spoken.exit_code != 0:
        return f"op, the program of 1Password, ended with {spoken.exit_code}"
    if spoken.cut:
        return "what op, the program of 1Password, printed is too long"
    try:
        return None if spoken.stdout.decode() else "1Password has an empty value there"
    except UnicodeDecodeError:
        return "what 1Password has there is not text"


class Vault:
    """The values of one secrets file that have to be fetched. ``values`` is live: what arrives is
    there for everybody at once."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        """Why there is no value, by name."""
        self._references: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._done: Callable[[], object] = lambda: None

    def want(
        self,
        speak: Speak,
        env: Mapping[str, str],
        wanted: Mapping[str, str],
        done: Callable[[], object],
    ) -> None:
        """These references count from now on: what is new or has failed is fetched, what is gone is
        forgotten. ``done`` is called when nothing is on its way any more."""
        self._done = done
        for name in [*self._references]:
            if wanted.get(name) != self._references[name]:
                self._forget(name)
        for name, reference in wanted.items():
            self._references[name] = reference
            if name not in self.values and name not in self._tasks:
                self._tasks[name] = asyncio.create_task(self._fetch(speak, env, name, reference))

    async def arrived(self, names: Iterable[str]) -> None:
        """Wait for those of ``names`` that are on their way."""
        waited = [task for name in names if (task := self._tasks.get(name)) is not None]
        if waited:
            await asyncio.wait(waited)

    async def close(self) -> None:
        """Fetch nothing more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, name: str) -> None:
        del self._references[name]
        self.values.pop(name, None)
        self.failed.pop(name, None)
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    async def _fetch(self, speak: Speak, env: Mapping[str, str], name: str, reference: str) -> None:
        async with self._slots:
            found = await fetch(speak, env, reference)
        if isinstance(found, str):
            self.values[name] = found
            self.failed.pop(name, None)
        else:
            self.failed[name] = str(found)
        del self._tasks[name]
        if not self._tasks:
            self._done()


def names_in(value: object) -> set[str]:
    """Every name that a ``${NAME}`` in it refers to, at any depth."""
    if isinstance(value, str):
        return set(references(value))
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return {name for each in value for name in names_in(each)}
    return set()
