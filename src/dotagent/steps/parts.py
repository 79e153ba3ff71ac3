"""What every step is given: the outside world behind its ports, and the home it acts in.

Made once by ``app``; the engine renews the few fields that may change while it runs (zone,
secrets, configuration) by making a new record.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic

from dotagent.core.errors import StoreBusy, StoreFull
from dotagent.core.manifest import Manifest
from dotagent.core.targets import Resolved, Target, of_manifest
from dotagent.drivers.kit.driver import Driver
from dotagent.ports import Clock, Pace, Ping, Sender, Spawner, Speak
from dotagent.steps.catalogue import KEPT
from dotagent.steps.vault import Vault
from dotagent.store.actor import Actor
from dotagent.store.database import Op, Reader, Store, T
from dotagent.system.home import give_up_reserve
from dotagent.system.paths import Paths

PLUGIN_PACE = Pace(burst=1, every_ms=0, parallel=4)


def addressed(load: Callable[[str], Driver | None], driver: str) -> tuple[str, ...]:
    """The settings that make up that driver's destination."""
    if driver == "plugin":
        return ("name", "config")
    loaded = load(driver)
    return loaded.target if loaded is not None else ()


@dataclass(slots=True, kw_only=True)
class Trouble:
    """The store's trouble as seen by whoever must settle something: while it lasts, nothing new
    is claimed (rules R12)."""

    waiting: int = 0
    spent: bool = False
    """The reserve was given up, and there is no room yet to keep it again."""
    is_refused: bool = False
    """The last turn could not be committed."""
    ending: bool = False
    """Nobody waits any more: what cannot be settled now is left to the next holder."""
    why: str = ""
    on_change: Callable[[], None] = lambda: None

    def has_no_reserve(self) -> None:
        """There was no room to keep one from the start."""
        self.spent, self.why = True, "the disk is full"


class Kept(Generic[T]):
    """What was made of the records that were asked for last, for what every message needs and takes
    keyed hashes to make."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[object, T]] = OrderedDict()
        """By the record's identity; it is held, so that no other one takes that."""

    def of(self, record: object, make: Callable[[], T]) -> T:
        key = id(record)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = record, make()
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found[1]


@dataclass(slots=True, kw_only=True)
class Written:
    """The names that a notifier refers to, and what it is with their last values."""

    names: tuple[str, ...]
    values: Sequence[str | None] = field(default=(), repr=False)
    last: Resolved | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The shell of every step. ``chance`` gives u in [0, 1); ``driver`` loads one by its name."""

    paths: Paths
    clock: Clock
    store: Store
    reader: Reader
    """For look-ups on the loop's own thread; it cannot write."""
    spawner: Spawner
    speak: Speak
    sender: Sender
    ping: Ping
    driver: Callable[[str], Driver | None]
    actor: Actor
    home_id: str
    home_key: bytes
    chance: Callable[[], float]
    environment: Mapping[str, str]
    """What agents and plugins inherit: the captured one, else the holder's own."""
    user_home: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    known_before: tuple[str, ...] = field(default=(), repr=False)
    """What secrets were in this process and are no more: used by nobody, but still masked."""
    suspects: tuple[str, ...] = field(default=(), repr=False)
    """What stands in a secrets file that is refused: used by nobody, but masked."""
    withheld: str = ""
    """Why what plugins say is not passed on: then not all that may be secret is known."""
    secrets_path: str = ""
    """The file that they come from."""
    vault: Vault = field(default_factory=Vault)
    """What of the secrets is fetched from elsewhere; its values are in ``secrets`` too."""
    routes: tuple[Target, ...] = ()
    """The global notifiers of config.toml."""
    trouble: Trouble = field(default_factory=Trouble)
    targets: Kept[Sequence[Target]] = field(default_factory=Kept)
    """The notifiers of each manifest."""
    written: Kept[Written] = field(default_factory=Kept, repr=False)
    """What each notifier's names stand for."""

    def lookup(self, name: str) -> str | None:
        """A ``${NAME}``: the secrets store, then the environment (product §5)."""
        found = self.secrets.get(name)
        return found or self.environment.get(name, found)

    def addressed(self, driver: str) -> tuple[str, ...]:
        """The settings that make up that driver's destination."""
        return addressed(self.driver, driver)

    def targets_of(self, manifest: Manifest) -> Sequence[Target]:
        """Whom a manifest wants told."""
        return self.targets.of(
            manifest, lambda: tuple(of_manifest(manifest, self.home_key, self.addressed))
        )

    def pace(self, driver: str) -> Pace:
        loaded = None if driver == "plugin" else self.driver(driver)
        return loaded.pace if loaded is not None else PLUGIN_PACE

    def folds(self, driver: str) -> bool:
        """Whether several of its messages may go as one. A plugin acts on single events, as does
        any driver that says so; what nobody reads needs no folding."""
        loaded = None if driver == "plugin" else self.driver(driver)
        return loaded is not None and loaded.folds

    async def commit(self, op: Op[T]) -> T:
        """Write what must not be lost: as long as the store is busy or full, try again from memory
        (rules R12), a second apart at first, a minute at most."""
        pause = 1_000
        held = False
        try:
            while True:
                try:
                    return await self.store.write(op)
                except StoreBusy as error:
                    if self.trouble.ending:
                        raise
                    if not held:
                        held = True
                        self.trouble.waiting += 1
                    if isinstance(error, StoreFull):
                        self._free_reserve()
                    self.trouble.why = error.message
                    self.trouble.on_change()
                await self.clock.sleep_until(self.clock.now() + pause)
                pause = min(pause * 2, 60_000)
        finally:
            if held:
                self.trouble.waiting -= 1
                self.trouble.on_change()

    def _free_reserve(self) -> None:
        """What is in flight must be able to settle (product §8)."""
        with suppress(OSError):  # some file systems need room even to remove a file
            if give_up_reserve(self.paths.reserve):
                self.trouble.spent = True
