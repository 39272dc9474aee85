"""What is wrong with the roles although contacts are accepted: a role without a heartbeat, and work that waits too
long.

The relay and workers for filing and for sending are always needed. Any other role may be left out on purpose, so it is
reported missing only if it was there and did not shut down properly, until it is back, shuts down properly, or its
channel is switched off. Work that no role does is reported in any case, by how long it waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from zrm.casestore import heartbeat, outbox
from zrm.casestore.agent import Permission
from zrm.casestore.heartbeat import LastHeartbeat
from zrm.casestore.outbox import Topic
from zrm.kit.db import Cursor
from zrm.security.grants import Grants

_NEEDED: Final = frozenset({Topic.FILE, Topic.DELIVER})
_CONSEQUENCES: Final = {
    Topic.FILE.value: "contacts are kept but not filed",
    Topic.DELIVER.value: "answers are kept but not sent",
}


@dataclass(frozen=True, slots=True)
class RoleProblem:
    """What is wrong: the relay, all workers, the web role or a channel's listener (`name`) gives no heartbeat, a topic
    (`name`) has no live worker, or its oldest task has waited for `seconds`.
    """

    kind: Literal["relay", "workers", "topic", "web", "listener", "late"]
    name: str = ""
    seconds: int = 0

    def __str__(self) -> str:
        match self.kind:
            case "relay":
                return "the relay gives no heartbeat; contacts are kept but not filed"
            case "workers":
                return "no worker is alive; contacts are kept but not filed"
            case "topic":
                return f"no worker for {self.name} is alive; {_CONSEQUENCES.get(self.name, 'that work waits')}"
            case "web":
                return "`zrm web` gives no heartbeat; no page is served"
            case "listener":
                return f"`zrm listen {self.name}` gives no heartbeat; nothing comes in there"
            case "late":
                return f"the oldest task of {self.name} has been due for {self.seconds} s and no worker has taken it"


class Health:
    """Reads the store. `optional` are the roles beside relay and workers that are reported if they die: "web", and the
    channels with a listener of their own; `late` is how many seconds a task may wait for a worker.
    """

    def __init__(self, optional: Collection[str], *, late: float) -> None:
        self._optional = optional
        self._late = late

    def problems(self, cursor: Cursor) -> list[RoleProblem]:
        """What is wrong now, the most important first."""
        return [*self._silent(heartbeat.last_heartbeats(cursor)), *self._waiting(cursor)]

    def for_agent(self, cursor: Cursor, grants: Grants) -> list[RoleProblem]:
        """The same for an agent; nothing for an agent who does not handle deliveries everywhere."""
        return self.problems(cursor) if grants.everywhere(Permission.HANDLE_DELIVERIES) else []

    def _silent(self, beats: list[LastHeartbeat]) -> Iterable[RoleProblem]:
        if _missed((beat for beat in beats if beat.role == "relay"), needed=True):
            yield RoleProblem("relay")
        if _missed((beat for beat in beats if beat.role == "worker"), needed=True):
            yield RoleProblem("workers")
        else:
            for topic in Topic:
                if _missed((beat for beat in beats if topic in beat.topics), needed=topic in _NEEDED):
                    yield RoleProblem("topic", topic.value)
        for role in self._optional:
            if _missed((beat for beat in beats if beat.role == role), needed=False):
                yield RoleProblem("web") if role == "web" else RoleProblem("listener", role)

    def _waiting(self, cursor: Cursor) -> Iterable[RoleProblem]:
        for topic, seconds in outbox.waiting(cursor).items():
            if seconds > self._late:
                yield RoleProblem("late", topic.value, int(seconds))


def _missed(beats: Iterable[LastHeartbeat], *, needed: bool) -> bool:
    """Whether none of these processes, the newest first, runs although one should."""
    known = list(beats)
    return not any(beat.recent for beat in known) and (needed or (bool(known) and not known[0].ended))
