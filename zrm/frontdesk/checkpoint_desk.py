"""What doors have to remember: how far each has read its source, and the state of each dialogue for a while."""

from __future__ import annotations

from collections.abc import Callable

from zrm.contract.inbound import JSON
from zrm.frontdesk.store import DeskStore
from zrm.inbox import door_records


class CheckpointDesk:
    """The front desk's `CheckpointsPort`. A dialogue's key is kept as a keyed hash: it may be a citizen's number."""

    def __init__(self, store: DeskStore) -> None:
        self._store = store

    def load(self, channel: str, key: str) -> JSON:
        """How far a door has read a source, None if it never has."""
        with self._store.cursor() as cursor:
            return door_records.checkpoint(cursor, channel, key)

    def save(self, channel: str, key: str, position: JSON) -> None:
        """Keep how far a door has read, durably."""
        with self._store.cursor() as cursor:
            door_records.save_checkpoint(cursor, channel, key, position)

    def load_state(self, channel: str, key: str) -> JSON:
        """The state of a dialogue."""
        with self._store.cursor() as cursor:
            return door_records.dialogue(cursor, channel, self._store.keyed_hash("dialogue", key))

    def save_state(self, channel: str, key: str, state: JSON, *, seconds: float) -> None:
        """Keep a dialogue's state for a while; None removes it."""
        with self._store.cursor() as cursor:
            door_records.save_dialogue(cursor, channel, self._store.keyed_hash("dialogue", key), state, seconds=seconds)

    def update_state(self, channel: str, key: str, change: Callable[[JSON], tuple[JSON, float]]) -> None:
        """Rewrite a state in one step; others wait, also for a state that does not exist yet."""
        key = self._store.keyed_hash("dialogue", key)
        with self._store.cursor() as cursor:
            door_records.hold_dialogue(cursor, channel, key)
            state, seconds = change(door_records.dialogue(cursor, channel, key))
            door_records.save_dialogue(cursor, channel, key, state, seconds=seconds)

    def expiring_states(self, channel: str, *, within: float) -> list[JSON]:
        """The states that expire soon."""
        with self._store.cursor() as cursor:
            return door_records.ending_dialogues(cursor, channel, within=within)
