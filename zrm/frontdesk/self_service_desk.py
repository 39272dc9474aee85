"""What citizens choose and do by themselves: pick a nature and a subject, rate a case, ask for codes, stop our
messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from zrm.casestore import nature, rating
from zrm.casestore.case import case_of
from zrm.casestore.person import opt, opted_out
from zrm.casework.reply_routes import WEB, SendingAccount, automatic_route
from zrm.config import Settings
from zrm.contract.addresses import PHONE, AddressKind
from zrm.contract.ports import Nature, OpenDoor, Subject, TrackingPort
from zrm.frontdesk.store import DeskStore
from zrm.kit import throttle
from zrm.kit.clock import now
from zrm.kit.db import records
from zrm.kit.peers import peer_of
from zrm.kit.phones import e164


class SelfServiceDesk:
    """The front desk's `SelfServicePort`. `senders` are all accounts of ours that can send; codes are looked up by
    `tracking`.
    """

    def __init__(
        self,
        store: DeskStore,
        settings: Settings,
        senders: Sequence[SendingAccount],
        doors: Sequence[OpenDoor],
        tracking: TrackingPort,
    ) -> None:
        self._store = store
        self._settings = settings
        self._senders = senders
        self._doors = doors
        self._tracking = tracking

    def natures(self) -> list[Nature]:
        """The natures to choose from, in order."""
        with self._store.cursor() as cursor:
            return [Nature(one.key, one.names) for one in nature.in_use(cursor)]

    def subjects(self) -> list[Subject]:
        """The subject tree, parents before children, by position, then in order of creation."""
        with self._store.cursor() as cursor:
            cursor.execute(
                """
                WITH RECURSIVE offered AS (
                    SELECT id, key, names, '' AS parent_key, position, 0 AS depth FROM subjects
                    WHERE parent_id IS NULL AND retired_at IS NULL
                    UNION ALL
                    SELECT s.id, s.key, s.names, o.key, s.position, o.depth + 1
                    FROM subjects s JOIN offered o ON s.parent_id = o.id WHERE s.retired_at IS NULL
                )
                SELECT key, names, parent_key FROM offered ORDER BY depth, position, id
                """
            )
            return records(cursor, Subject)

    def doors(self) -> Sequence[OpenDoor]:
        """The open channels."""
        return self._doors

    def code_goes_to(self, addresses: Iterable[tuple[AddressKind, str]]) -> str:
        """Which of these typed addresses the code is also sent to."""
        if WEB not in self._settings.acknowledge:
            return ""
        region = self._settings.organisation.region
        typed = [(kind, e164(value, region) or "" if kind == PHONE else value) for kind, value in addresses]
        route = automatic_route(typed, self._senders, region)
        return route.address if route is not None else ""

    def rate(self, code: str, score: int, channel: str, peer: str) -> bool:
        """Record how content the citizen was with a closed case. Errors: NotFound, TooManyTries."""
        tracking = self._tracking.track(code, peer)
        with self._store.cursor() as cursor:
            case_id = case_of(cursor, tracking.code)
            return case_id is not None and rating.rate(cursor, case_id, channel=channel, score=score)

    def count_asking_for_codes(self, peer: str) -> None:
        """Count a request for codes, which like a proof link sends a message to an address. Errors: TooManyTries."""
        rates = self._settings.rates
        key = self._store.keyed_hash("codes-peer", peer_of(peer))
        throttle.count_try(self._store.database, key, tries=rates.link_peer_tries, window=rates.link_window)

    def opt(self, channel: str, account: str, address: str, *, out: bool, at: datetime | None = None) -> None:
        """Record whether we may write to an address; a repetition of the same moment is kept once."""
        with self._store.cursor() as cursor:
            opt(cursor, channel, account, address, out=out, at=at or now())

    def opted_out(self, channel: str, address: str) -> bool:
        """Whether the citizen asked us not to write there."""
        with self._store.cursor() as cursor:
            return opted_out(cursor, channel, address)
