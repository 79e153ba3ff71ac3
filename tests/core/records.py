"""Driver records for tests: the keys of product §5 without the drivers themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Desktop:
    UNUSED: ClassVar = ("proxy", "ca_file")

    title: str | None = None
    subtitle: str | None = None
    sound: bool = False
    urgency: Literal["low", "normal", "critical"] | None = None
    icon: str | None = None
    expire_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    webhook_url: str
    channel: str | None = None
    username: str | None = None
    icon_emoji: str | None = None

    def check(self) -> Iterator[tuple[str, str]]:
        if not self.webhook_url.startswith("http"):
            yield "webhook_url", "must start with http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ntfy:
    topic: str
    base_url: str = "https://ntfy.sh"
    token: str | None = None
    priority: int | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()

    def check(self) -> Iterator[tuple[str, str]]:
        if self.priority is not None and not 1 <= self.priority <= 5:
            yield "priority", f"{self.priority} is not a priority; allowed: 1–5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushover:
    token: str
    user: str
    priority: int | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imessage:
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    name: str
    config: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    host: str
    from_: str
    to: str | tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict)


DRIVERS: Mapping[str, type[Any] | None] = {
    "desktop": Desktop,
    "slack": Slack,
    "ntfy": Ntfy,
    "pushover": Pushover,
    "imessage": Imessage,
    "plugin": Plugin,
    "email": Email,
    "telegram": None,
}
