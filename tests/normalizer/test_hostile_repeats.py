"""Repeats of the pieces of every grammar, made by hypothesis: nobody who sends them stops anybody, and reading them takes
steps by their length. No time is asserted; `python -m bench hostile` measures it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import count
from types import FrameType
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.hostile import Repeat
from bench.hostile_places import Place, channels, contacts, places
from tests.casework.installation import agent
from tests.lab.process import wait_until
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.channels.channel import Channel
from zrm.config import Settings
from zrm.contract.errors import Unparseable
from zrm.contract.inbound import RawContact, Report
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.normalizer.filing import Filer

NEIGHBOUR = b"From: Sara <sara@people.example>\r\nTo: info@zrm.example\r\nSubject: lamp\r\nMessage-ID: <%d@people.example>\r\n\r\nDark.\r\n"
SMALL, LARGE = 3_000, 12_000
_numbers = count(1)


@pytest.fixture(scope="module")
def all_places(tmp_path_factory: pytest.TempPathFactory) -> list[Place]:
    return places(tmp_path_factory.mktemp("places"))


@pytest.fixture(scope="module")
def all_channels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Channel]:
    return dict(channels(tmp_path_factory.mktemp("channels")))


def repeat_of(data: st.DataObject, place: Place) -> Repeat:
    pieces = st.sampled_from(place.pieces)
    some = st.lists(pieces, min_size=1, max_size=3).map("".join)
    return data.draw(
        st.builds(Repeat, begin=st.just("") | some, again=some, behind=st.just("") | some), label=place.name
    )


class SmallInstallation:
    """The inbox and the filer of an installation with all channels; its children read."""

    def __init__(
        self, database: Database, inbox: Inbox, blobs: BlobStore, channels: dict[str, Channel], settings: Settings
    ) -> None:
        self._database, self._inbox, self._channels = database, inbox, channels
        self._filer = Filer(database, blobs, {kind: channel.parse for kind, channel in channels.items()}, settings)
        with database.cursor() as cursor:
            self._agent = agent(cursor, "maryam")

    def keep(self, raw: RawContact) -> UUID:
        envelope = {**raw.envelope, **({"agent": str(self._agent)} if "agent" in raw.envelope else {})}
        once = replace(raw, external_id=str(next(_numbers)), envelope=envelope)
        return self._inbox.submit(once).result().contact_id

    def file(self) -> None:
        with self._database.cursor() as cursor:
            tasks = outbox.claim(cursor, Topic.FILE, limit=100, lease=300)
        self._filer(tasks)

    def is_report(self, raw: RawContact) -> bool:
        try:
            return any(isinstance(parsed, Report) for parsed in self._channels[raw.channel].parse(raw))
        except Unparseable:
            return False

    def state(self, contact: UUID) -> str:
        with self._database.cursor() as cursor:
            cursor.execute("SELECT state FROM raw_contacts WHERE id = %s", [contact])
            return str((cursor.fetchone() or ("",))[0])


@pytest.fixture
def installation(
    database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings, all_channels: dict[str, Channel]
) -> SmallInstallation:
    return SmallInstallation(database, inbox, blobs, all_channels, settings)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_who_sends_repeats_is_filed_or_held_and_the_others_are_filed(
    installation: SmallInstallation, all_channels: dict[str, Channel], data: st.DataObject
) -> None:
    place = data.draw(st.sampled_from(contacts(all_channels)))
    assert place.contact is not None
    hostile = place.contact(repeat_of(data, place).of(data.draw(st.integers(1, 60_000))))
    before, contact, after = (installation.keep(raw) for raw in (_neighbour(), hostile, _neighbour()))
    installation.file()
    assert (installation.state(before), installation.state(after)) == ("filed", "filed")
    if not installation.is_report(hostile):  # a report waits for the message it may be faster than
        wait_until(lambda: installation.state(contact) != "waiting", "the hostile one to be read", 60)
        assert installation.state(contact) in ("filed", "joined", "quarantined", "ignored")


def _neighbour() -> RawContact:
    return RawContact(
        "email", "info", "x", NEIGHBOUR % next(_numbers), "message/rfc822", {"mail_from": "sara@people.example"}
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_reading_takes_steps_by_the_length(all_places: list[Place], data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(all_places))
    repeat = repeat_of(data, place)
    few, many = (steps(place, repeat.of(min(size, place.limit))) for size in (SMALL, LARGE))
    # Twice what is linear, and two steps a sign where short texts are not looked at.
    assert many <= 2 * LARGE // SMALL * few + 2 * LARGE, (few, many)


def steps(place: Place, text: str) -> int:
    """How many functions are called, Python's and those written in C, until it is read."""
    called = 0

    def count_call(_: FrameType, event: str, __: object) -> None:
        nonlocal called
        called += event in ("call", "c_call")

    place.read(text)  # what is made at first use is made
    sys.setprofile(count_call)
    try:
        place.read(text)
    finally:
        sys.setprofile(None)
    return called
