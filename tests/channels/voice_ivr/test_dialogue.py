"""What a caller hears and what becomes of it, key by key."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import pytest

from tests.channels.voice_ivr.conftest import Door, OpenDoor
from tests.channels.voice_ivr.desk import CODE, OPENED, ListDesk
from tests.channels.voice_ivr.peer import UNIQUEID, Fail, HangUp, Press, ScriptedAsterisk, Speak, Step
from zrm.contract.inbound import Inbound, RawContact, Receipt
from zrm.contract.tracking import Tracking

FARSI: Step = ("choose-fa-1", Press("1"))
ENGLISH: Step = ("choose-fa-1", Press("2"))
LEAVE: Step = ("menu", Press("1"))
STATE: Step = ("menu", Press("2"))
CODE_SAID = ["n-5", "n-7", "n-2", "n-9", "pause", "n-4", "n-3", "n-8", "n-1", "pause", "n-6", "n-3", "n-5", "n-5"]
CASE = Tracking(
    code=CODE,
    state="in_progress",
    language="fa",
    opened_at=OPENED,
    changed_at=datetime(2027, 3, 20, 21, 0, tzinfo=UTC),  # already the next day in Tehran, and the next year
    proven=False,
    proofs=("phone",),
)


def call(door: Door, *script: Step, **variables: str) -> list[str]:
    """Call, and return what was heard; the whole script must have come up."""
    asterisk = ScriptedAsterisk(door.port, script, variables)
    heard = asterisk.run()
    assert asterisk.unused == []
    return heard


def names(heard: list[str], language: str) -> list[str]:
    return [name.partition("/")[2] for name in heard if name.startswith(f"{language}/")]


def test_a_complaint_is_recorded_confirmed_and_its_code_read_twice(door: Door) -> None:
    heard = call(door, FARSI, LEAVE, ("RECORD", Speak(3.0)), ("review", Press("1")))
    (contact,) = door.desk.received
    body = json.loads(contact.body)
    assert (contact.channel, contact.account, contact.media_type) == (
        "voice_ivr",
        "137",
        "application/vnd.zrm.call+json",
    )
    assert contact.external_id.startswith(f"pbx-1/{UNIQUEID}-")
    assert (body["caller"], body["language"], body["ended_by"], body["takes"]) == (
        "09121234567",
        "fa",
        "confirmed",
        [3.0],
    )
    (file,) = contact.files
    assert (file.role, file.media_type, file.size) == ("recording", "audio/wav", 48_044)
    said = names(heard, "fa")
    start = said.index("registered")
    assert said[start:] == [
        "registered",
        "pause",
        *CODE_SAID,
        "pause",
        "code-again",
        "pause",
        *CODE_SAID,
        "code-offer",
        "goodbye",
    ]
    assert door.files() == []


def test_the_code_is_read_only_after_the_receipt(open_door: OpenDoor) -> None:
    desk = ListDesk()
    desk.full = True
    with open_door(desk) as door:
        heard = call(door, FARSI, LEAVE, ("RECORD", Speak(3.0)), ("review", Press("1")))
        assert "fa/not-registered" in heard
        assert "fa/registered" not in heard
        assert not any("/n-" in name for name in heard)
        assert desk.received == []
        assert len(door.files()) == 2
        desk.full = False
        door.settled()  # the sweep brings it in once there is room again
    (contact,) = desk.received
    assert json.loads(contact.body)["ended_by"] == "confirmed"


def test_the_code_is_repeated_on_request_and_the_menu_is_one_key_away(door: Door) -> None:
    heard = call(
        door,
        *(ENGLISH, LEAVE, ("RECORD", Speak(2.0)), ("review", Press("1"))),
        *(("code-offer", Press("1")), ("code-offer", Press("5")), ("code-offer", Press("0")), ("menu", HangUp())),
    )
    said = names(heard, "en")
    assert said.count("n-7") == 3
    assert said[-3:] == ["wrong-key", "code-offer", "menu"]


def test_a_hang_up_while_recording_keeps_the_message(door: Door) -> None:
    call(door, FARSI, LEAVE, ("RECORD", Speak(4.0, "hangup")))
    (contact,) = door.desk.received
    assert json.loads(contact.body)["ended_by"] == "hangup"
    (inbound,) = door.channel.parse(contact)
    assert isinstance(inbound, Inbound)
    assert "cut_short" in inbound.labels
    assert door.files() == []


def test_a_hang_up_after_recording_keeps_the_message(door: Door) -> None:
    call(door, FARSI, LEAVE, ("RECORD", Speak(4.0)), ("review", HangUp()))
    assert [json.loads(contact.body)["ended_by"] for contact in door.desk.received] == ["hangup"]


def test_silence_at_the_review_sends_the_message(door: Door) -> None:
    call(door, FARSI, LEAVE, ("RECORD", Speak(4.0, "timeout")))
    assert [json.loads(contact.body)["ended_by"] for contact in door.desk.received] == ["silence"]


def test_a_caller_may_listen_and_record_again(door: Door) -> None:
    heard = call(
        door,
        *(FARSI, LEAVE, ("RECORD", Speak(2.0)), ("review", Press("2")), ("review", Press("3"))),
        *(("RECORD", Speak(5.0)), ("review", Press("1"))),
    )
    assert heard.count("own") == 1
    (contact,) = door.desk.received
    assert [file.size for file in contact.files] == [80_044]


def test_a_hang_up_in_the_second_take_keeps_both(door: Door) -> None:
    call(door, FARSI, LEAVE, ("RECORD", Speak(2.0)), ("review", Press("3")), ("RECORD", Speak(1.0, "hangup")))
    (contact,) = door.desk.received
    assert [file.size for file in contact.files] == [32_044, 16_044]
    (inbound,) = door.channel.parse(contact)
    assert isinstance(inbound, Inbound)
    assert (inbound.text, [part["code"] for part in inbound.description]) == ("", ["voice.seconds", "voice.anew"])


def test_an_empty_second_take_leaves_the_first(door: Door) -> None:
    heard = call(
        door,
        *(FARSI, LEAVE, ("RECORD", Speak(2.0)), ("review", Press("3"))),
        *(("RECORD", Speak(0.0)), ("earlier-kept", Fail()), ("review", Press("1"))),
    )
    assert "fa/registered" in heard
    assert [file.size for file in door.desk.received[0].files] == [32_044]


@pytest.mark.parametrize(
    "nothing", [Speak(0.0), Speak(0.2), Speak(1.0, "timeout", level=20)], ids=["empty", "click", "hiss"]
)
def test_an_empty_recording_is_told_and_is_no_contact(door: Door, nothing: Speak) -> None:
    heard = call(door, FARSI, LEAVE, *[("RECORD", nothing)] * 3, ("menu", HangUp()))
    assert heard.count("fa/nothing-recorded") == 3
    assert door.desk.received == []
    assert door.files() == []


def test_a_hang_up_without_a_word_is_no_contact(door: Door) -> None:
    call(door, FARSI, LEAVE, ("RECORD", Speak(0.1, "hangup")))
    assert door.desk.received == []
    assert door.files() == []


def test_two_messages_in_one_call_are_two_contacts(door: Door) -> None:
    once: tuple[Step, ...] = (LEAVE, ("RECORD", Speak(2.0)), ("review", Press("1")), ("code-offer", Press("0")))
    call(door, FARSI, *once, *once, ("menu", HangUp()))
    assert len({contact.external_id for contact in door.desk.received}) == 2


def test_the_same_uniqueid_again_is_another_contact(door: Door) -> None:
    for _ in range(2):
        call(door, FARSI, LEAVE, ("RECORD", Speak(2.0)), ("review", HangUp()))
    assert len(door.desk.received) == 2


def test_when_asterisk_cannot_record_the_caller_is_told(door: Door) -> None:
    heard = call(door, FARSI, LEAVE, ("RECORD", Fail()), ("menu", HangUp()))
    assert "fa/recording-failed" in heard
    assert door.files() == []


def test_a_connection_that_breaks_while_recording_is_left_to_the_sweep(door: Door) -> None:
    call(door, FARSI, LEAVE, ("RECORD", Speak(3.0, "broken")))
    door.settled()
    (contact,) = door.desk.received
    body = json.loads(contact.body)
    assert (body["ended_by"], body["caller"], body["language"]) == ("lost", "09121234567", "fa")
    assert contact.account == "137"


# ---------------------------------------------------------------- language and menu


@pytest.mark.parametrize(
    ("script", "language"),
    [
        ([FARSI], "fa"),
        ([ENGLISH], "en"),
        ([("choose-en-2", Press("2"))], "en"),
        ([("wait", Press("2"))], "en"),
        ([], "fa"),
        ([("choose-fa-1", Press("7")), ("choose-fa-1", Press("2"))], "en"),
        ([("choose-fa-1", Press("*")), ("choose-fa-1", Press("#"))], "fa"),
    ],
    ids=["1", "2", "2 in English", "2 afterwards", "silence twice", "wrong key, then 2", "wrong keys"],
)
def test_the_language_is_the_callers_choice(door: Door, script: list[Step], language: Literal["fa", "en"]) -> None:
    heard = call(door, *script, ("menu", HangUp()))
    assert heard[-1] == f"{language}/menu"


def test_one_language_is_not_asked_for(open_door: OpenDoor) -> None:
    with open_door(languages=["en"]) as door:
        assert call(door, ("menu", HangUp())) == ["en/welcome", "en/menu"]


def test_the_language_can_be_changed_later(door: Door) -> None:
    heard = call(door, FARSI, ("menu", Press("9")), ENGLISH, ("menu", HangUp()))
    assert heard[-1] == "en/menu"


def test_silence_and_wrong_keys_at_the_menu_end_politely(door: Door) -> None:
    heard = call(door, FARSI, ("menu", Press("0")), ("menu", Press("5")), ("menu", Press("*")))
    misses = ["wrong-key", "menu", "wrong-key", "menu", "no-key"]
    assert names(heard, "fa")[-8:] == ["menu", "menu", *misses, "goodbye"]


# ---------------------------------------------------------------- the state of a case


def test_the_state_and_its_days_are_said_in_persian(door: Door) -> None:
    door.desk.cases[CODE] = CASE
    heard = call(door, FARSI, STATE, ("enter-code", Press(CODE)), ("state-offer", Press("0")), ("menu", HangUp()))
    said = names(heard, "fa")
    start = said.index("enter-code") + 1
    year = ["thousand", "and", "n-400", "and"]
    assert said[start : said.index("state-offer")] == [
        *("state-in_progress", "pause", "opened-on", "day-2", "month-9", *year, "n-5", "pause"),
        *("changed-on", "day-1", "month-1", *year, "n-6", "pause"),
    ]
    assert door.desk.peers == ["09121234567"]


def test_the_state_is_said_in_english_with_gregorian_days(door: Door) -> None:
    door.desk.cases[CODE] = replace(CASE, state="received")
    heard = call(door, ENGLISH, STATE, ("enter-code", Press(CODE)), ("state-offer", HangUp()))
    said = names(heard, "en")
    assert said[said.index("state-received") : said.index("state-offer")] == [
        *("state-received", "pause", "opened-on", "the", "day-23", "of", "month-11", "n-20", "n-20", "n-6", "pause")
    ]


@pytest.mark.parametrize("state", ["received", "in_progress", "answered", "closed"])
def test_every_state_has_words(door: Door, state: Literal["received", "in_progress", "answered", "closed"]) -> None:
    door.desk.cases[CODE] = replace(CASE, state=state)
    heard = call(door, FARSI, STATE, ("enter-code", Press(CODE)), ("state-offer", HangUp()))
    assert f"fa/state-{state}" in heard


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("572943816351", "code-mistyped"),
        ("752943816355", "code-mistyped"),
        ("57294381635*", "code-mistyped"),
        ("5729", "code-short"),
        ("5729#", "code-short"),
        ("#", "no-key"),
        ("123456789015", "code-mistyped"),
    ],
    ids=["wrong digit", "two swapped", "a star", "short, silence", "short, hash", "only hash", "made up"],
)
def test_a_mistyped_code_is_explained_and_costs_no_look_up(door: Door, keys: str, told: str) -> None:
    door.desk.cases[CODE] = CASE
    heard = call(
        door, FARSI, STATE, ("enter-code", Press(keys)), ("enter-code", Press(CODE)), ("state-offer", HangUp())
    )
    assert names(heard, "fa").count(told) == 1
    assert len(door.desk.peers) == 1


def test_three_wrong_codes_lead_back_to_the_menu(door: Door) -> None:
    heard = call(door, FARSI, STATE, *[("enter-code", Press(CODE))] * 3, ("menu", HangUp()))
    assert heard.count("fa/code-unknown") == 3
    assert heard[-2:] == ["fa/code-given-up", "fa/menu"]


def test_too_many_tries_are_refused_politely(door: Door) -> None:
    door.desk.tries_allowed = 0
    heard = call(door, ENGLISH, STATE, ("enter-code", Press(CODE)), ("menu", HangUp()))
    assert heard[-2:] == ["en/too-many-tries", "en/menu"]


def test_callers_without_a_number_do_not_lock_each_other_out(door: Door) -> None:
    for number in range(2):
        call(
            door,
            *(FARSI, STATE, ("enter-code", Press(CODE)), ("enter-code", HangUp())),
            agi_callerid="unknown",
            agi_uniqueid=f"1795421234.{number}",
        )
    assert len(set(door.desk.peers)) == 2


def test_a_desk_that_fails_is_apologised_for_and_costs_nothing(open_door: OpenDoor) -> None:
    class BrokenDesk(ListDesk):
        broken = True

        def receive(self, contact: RawContact) -> Receipt:
            if self.broken:
                raise RuntimeError("a fault of ours")
            return super().receive(contact)

        def track(self, code: str, peer: str, *, proven: bool = False) -> Tracking:
            raise RuntimeError("a fault of ours")

    desk = BrokenDesk()
    with open_door(desk) as door:
        heard = call(
            door,
            *(FARSI, STATE, ("enter-code", Press(CODE)), LEAVE, ("RECORD", Speak(2.0)), ("review", Press("1"))),
        )
        assert [name for name in heard if "not-" in name] == ["fa/not-available", "fa/not-registered"]
        desk.broken = False
        door.settled()
    assert len(desk.received) == 1
