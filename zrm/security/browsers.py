"""Browsers: how one names itself, and whether an agent has signed in with it before.

A browser that has signed in keeps a cookie with a number of its own and, for each of its agents, a mark that only we
can make. The cookie gives no access. It tells a sign-in from a known browser from one that the agent should be told
about, and it exempts the agent from the lock that strangers' guesses put on a login.
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

# The first of these found in a User-Agent counts; each is a product's name and the same in every language.
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
    """A browser and its system, by their products' names; empty where the header names none that we know."""

    name: str
    system: str


UNKNOWN: Final = Browser("", "")


def read(user_agent: str) -> Browser:
    """The browser that a User-Agent header names, which proves nothing."""
    words = user_agent[:_LONGEST]
    name = next((name for mark, name in _NAMES if mark in words), "")
    return Browser(name, next((system for mark, system in _SYSTEMS if mark in words), ""))


@dataclass(frozen=True, slots=True)
class Marks:
    """The content of a browser's cookie: its number, and the marks of the agents who have signed in with it."""

    number: str
    agents: tuple[str, ...] = ()

    @classmethod
    def read(cls, cookie: str) -> Marks:
        """The marks in a cookie; those of a new browser where the cookie is not ours."""
        if not _COOKIE.fullmatch(cookie):
            return cls(secrets.token_urlsafe(18))
        number, *agents = cookie.split("~")
        return cls(number, tuple(agents))

    def knows(self, secret: bytes, agent_id: UUID) -> bool:
        """Whether the agent has signed in with this browser."""
        mark = self._mark(secret, agent_id)
        return any([hmac.compare_digest(mark, known) for known in self.agents])  # noqa: C419  # each, in the same time

    def with_agent(self, secret: bytes, agent_id: UUID) -> str:
        """The cookie once the agent has signed in; the agents who signed in longest ago are dropped."""
        mark = self._mark(secret, agent_id)
        agents = [mark, *(known for known in self.agents if known != mark)][:_MOST_MARKS]
        return "~".join([self.number, *agents])

    def _mark(self, secret: bytes, agent_id: UUID) -> str:
        return keyed_hash(secret, "known browser", f"{self.number}\0{agent_id}")
