"""Browsers: what one says it is, in two words, and whether an agent has signed in with it before.

A browser that has signed in keeps a cookie with a number of its own and, for each of its agents, a mark that only we can
make. It opens nothing. It tells a sign-in from home from one that the agent should hear of, and it spares the agent the
lock that strangers' guesses put on a login.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from zrm.security.keyed import keyed_hash

_MOST_MARKS: Final = 8
_COOKIE: Final = re.compile(r"[\w-]{16,64}(~[0-9a-f]{32}){0,8}", re.ASCII)
_LONGEST: Final = 1000

# What stands first in a User-Agent that names several; each is a product's name and the same in every language.
_NAMES: Final = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"), ("YaBrowser/", "Yandex Browser"),
    ("Vivaldi/", "Vivaldi"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"), ("Chrome/", "Chrome"), ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS: Final = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser and the system it runs on, by their products' names; empty where it says nothing we know."""

    name: str
    system: str


UNKNOWN: Final = Browser("", "")


def read(user_agent: str) -> Browser:
    """The browser behind a User-Agent header, which is what it likes to be called and proves nothing."""
    words = user_agent[:_LONGEST]
    name = next((name for mark, name in _NAMES if mark in words), "")
    return Browser(name, next((system for mark, system in _SYSTEMS if mark in words), ""))


@dataclass(frozen=True, slots=True)
class Marks:
    """What a browser's cookie says: its number, and the marks of the agents who have signed in with it."""

    number: str
    agents: tuple[str, ...] = ()

    @classmethod
    def read(cls, cookie: str) -> Marks:
        """The marks in a cookie; a new browser's where there is none that we wrote."""
        if not _COOKIE.fullmatch(cookie):
            return cls(secrets.token_urlsafe(18))
        number, *agents = cookie.split("~")
        return cls(number, tuple(agents))

    def knows(self, secret: bytes, agent_id: UUID) -> bool:
        """Whether the agent has signed in with this browser."""
        mark = self._mark(secret, agent_id)
        return any([hmac.compare_digest(mark, known) for known in self.agents])  # noqa: C419  # each, in the same time

    def with_agent(self, secret: bytes, agent_id: UUID) -> str:
        """The cookie once the agent has signed in; the agents of long ago are left out."""
        mark = self._mark(secret, agent_id)
        agents = [mark, *(known for known in self.agents if known != mark)][:_MOST_MARKS]
        return "~".join([self.number, *agents])

    def _mark(self, secret: bytes, agent_id: UUID) -> str:
        return keyed_hash(secret, "known browser", f"{self.number}\0{agent_id}")
