"""What citizens send beside words: photos, albums, voice, files, places, cards, changes; and what cannot be read."""

from __future__ import annotations

import hashlib

import pytest

from tests.channels.telegram.conftest import OpenInstallation
from tests.lab.telegram import Bot, Citizen, Cut, Fail, Flood, TelegramStandIn
from tests.reasons import told
from zrm.kit.ids import new_id

SARA = Citizen(3001, "Sara", "en")
GROUP = {"id": -100123, "type": "supergroup", "title": "Neighbours"}


@pytest.mark.parametrize("mode", ["polling", "webhook"])
def test_every_kind_of_file_is_kept_before_the_messenger_is_answered(
    bot: Bot, open_installation: OpenInstallation, mode: str
) -> None:
    installation = open_installation(bot, mode=mode, language="en")
    sent = [b"the photo", b"OggS the voice", b"%PDF the paper", b"ID3 the song", b"the film", b"the round film"]
    bot.photo(SARA, sent[0], caption="look")
    bot.voice(SARA, sent[1])
    bot.document(SARA, sent[2], "نامه.pdf", "application/pdf")
    bot.tell(SARA, audio=bot.store(sent[3], duration=9, file_name="song.mp3", mime_type="audio/mpeg"))
    bot.tell(SARA, video=bot.store(sent[4], width=9, height=9, duration=1, mime_type="video/mp4"))
    bot.tell(SARA, video_note=bot.store(sent[5], length=9, duration=1))
    bot.wait_until_done()
    kept = {hashlib.sha256(data).hexdigest() for data in sent}
    assert all(installation.blobs.path(key).exists() for key in kept)
    installation.work()
    rows = installation.ask("SELECT name, media_type, role, blob_key FROM attachments ORDER BY id")
    assert [row[:3] for row in rows] == [
        ("photo-1.jpg", "image/jpeg", "attachment"),
        ("voice.ogg", "audio/ogg", "recording"),
        ("نامه.pdf", "application/pdf", "attachment"),
        ("song.mp3", "audio/mpeg", "attachment"),
        ("video.mp4", "video/mp4", "attachment"),
        ("video-note.mp4", "video/mp4", "attachment"),
    ]
    assert [row[3] for row in rows] == [hashlib.sha256(data).hexdigest() for data in sent]
    (case,) = installation.cases()
    assert [line[2] for line in case.lines if line[0] == "in"][:3] == ["look", "messenger.voice", "messenger.file"]


@pytest.mark.parametrize("mode", ["polling", "webhook"])
def test_an_album_is_one_contact_with_all_its_photos(bot: Bot, open_installation: OpenInstallation, mode: str) -> None:
    installation = open_installation(bot, mode=mode)
    bot.album(SARA, b"one", b"two", b"three", caption="from three sides")
    case = installation.wait_for_cases()[0]
    assert case.said() == ["from three sides"]
    assert [row[0] for row in installation.ask("SELECT size FROM attachments ORDER BY position")] == [3, 3, 5]
    assert installation.states() == {"ignored": 3, "filed": 1}
    assert len(bot.wait_for_said(SARA)) == 1


def test_two_albums_and_a_word_keep_apart(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot, album_seconds=60)
    bot.album(SARA, b"a1", b"a2")
    bot.album(SARA, b"b1", b"b2", b"b3")
    bot.tell(SARA, text="that is all")  # closes the album that is waited for
    bot.wait_until_done()
    installation.work()
    rows = installation.ask(
        "SELECT c.text, count(a.id) FROM contacts c LEFT JOIN attachments a ON a.contact_id = c.id "
        "WHERE c.direction = 'in' GROUP BY c.id, c.text ORDER BY count(a.id)"
    )
    assert rows == [("that is all", 0), ("", 2), ("", 3)]


def test_a_file_that_comes_at_the_third_try_is_kept(
    telegram: TelegramStandIn, bot: Bot, open_installation: OpenInstallation
) -> None:
    installation = open_installation(bot)
    telegram.next_file(Flood(1), Cut(accepted=False))
    bot.document(SARA, b"at last", "paper.txt", "text/plain")
    installation.wait_for_cases()
    assert installation.ask("SELECT name, size FROM attachments") == [("paper.txt", 7)]


def test_a_file_that_does_not_come_is_named_and_the_words_are_kept(
    telegram: TelegramStandIn, bot: Bot, open_installation: OpenInstallation
) -> None:
    installation = open_installation(bot)
    telegram.next_file(Fail(400, "Bad Request: file is temporarily unavailable"))
    bot.document(SARA, b"lost", "paper.txt", "text/plain", caption="see the paper")
    case = installation.wait_for_cases()[0]
    assert case.said() == ["see the paper"]
    assert case.lines[0][4] == ["file_missing"]
    headers = dict(installation.ask("SELECT headers FROM contacts WHERE direction = 'in'")[0][0])
    assert headers["File not kept"] == "paper.txt (4 bytes): not_fetched"
    assert "paper.txt did not reach us" in bot.wait_for_said(SARA)[0].text


def test_a_file_over_the_messengers_limit_is_said_to_be_too_large(
    bot: Bot, open_installation: OpenInstallation
) -> None:
    installation = open_installation(bot)
    bot.tell(SARA, document={**bot.store(b"x", file_name="film.mkv"), "file_size": 30_000_000}, caption="the film")
    case = installation.wait_for_cases()[0]
    assert case.lines[0][4] == ["file_missing"]
    assert "too large" in bot.wait_for_said(SARA)[0].text


def test_a_place_and_a_card_are_words(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    bot.tell(SARA, location={"latitude": 35.7, "longitude": 51.4})
    bot.tell(SARA, contact={"phone_number": "02188880000", "first_name": "Plumber", "user_id": 42})
    installation.wait_for_cases()
    bot.wait_until_done()
    installation.work()
    place, card = installation.cases()[0].said()
    assert place.startswith("35.700000, 51.400000\nhttps://www.openstreetmap.org/")
    assert card == "Plumber +02188880000"
    assert installation.ask("SELECT kind FROM addresses") == [("telegram",)], "somebody else's card proves nothing"


def test_a_shared_number_is_proven_and_never_taken_from_somebody_else(
    bot: Bot, open_installation: OpenInstallation
) -> None:
    installation = open_installation(bot)
    bot.share_phone(SARA, "+989121234567")
    installation.wait_for_cases()
    assert sorted(installation.ask("SELECT kind, value, claimed FROM addresses")) == [
        ("phone", "+989121234567", False),
        ("telegram", "3001", False),
    ]
    other = Citizen(3002, "Reza", "en")
    bot.tell(other, text="hello")
    bot.wait_until_done()
    installation.work()
    bot.share_phone(other, "+989121234567")
    bot.wait_until_done()
    installation.work()
    assert len(installation.ask("SELECT 1 FROM addresses WHERE kind = 'phone'")) == 1


def test_who_is_known_by_telephone_is_the_same_person_here(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    person = new_id()
    installation.ask("INSERT INTO persons VALUES (%s, 'Sara', '', now())", person)
    installation.ask(
        "INSERT INTO addresses VALUES (%s, %s, 'phone', '+989121234567', '09121234567', false, now())", new_id(), person
    )
    bot.share_phone(SARA, "989121234567")
    installation.wait_for_cases()
    assert installation.ask("SELECT person_id FROM cases") == [(person,)]
    assert sorted(installation.ask("SELECT kind, person_id FROM addresses")) == [
        ("phone", person),
        ("telegram", person),
    ]


def test_a_changed_message_joins_its_case_with_a_label(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    update = bot.tell(SARA, text="Number 12")
    installation.wait_for_cases()
    bot.edit(SARA, update, text="Number 21")
    bot.wait_until_done()
    installation.work()
    (case,) = installation.cases()
    assert [(line[3], line[4]) for line in case.lines if line[0] == "in"] == [
        ("Number 12", []),
        ("Number 21", ["edited"]),
    ]


def test_a_change_finds_its_own_case_not_the_newest(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    update = bot.tell(SARA, text="The first matter")
    first = installation.wait_for_cases()[0]
    installation.close_case(first)
    bot.tell(SARA, text="The second matter")
    installation.wait_for_cases(2)
    bot.edit(SARA, update, text="The first matter, put better")
    bot.wait_until_done()
    installation.work()
    assert [case.said() for case in installation.cases()] == [
        ["The first matter", "The first matter, put better"],
        ["The second matter"],
    ]


def test_what_cannot_be_read_is_recorded_and_said_politely(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    sticker = bot.store(b"x", type="regular", width=1, height=1, is_animated=False, is_video=False)
    bot.tell(SARA, sticker=sticker)
    bot.tell(SARA, dice={"emoji": "🎲", "value": 3})
    bot.block(SARA)
    bot.block(SARA, blocked=False)
    bot.wait_until_done()
    installation.work()
    reasons = [
        told(*reason)
        for reason in installation.ask("SELECT reason_code, reason_params FROM raw_contacts ORDER BY received_at, id")
    ]
    assert reasons == [
        "a message without words or files (sticker)",
        "a message without words or files (dice)",
        "the citizen blocked the bot",
        "the citizen lets the bot write again",
    ]
    assert {said.text for said in bot.said(SARA)} <= {
        "We cannot read this kind of message. Please write it, or send a photo or a voice message."
    }


def test_groups_and_channels_are_kept_apart(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    message = {**bot.message(SARA, text="talk among neighbours"), "chat": GROUP}
    bot.update({"message": message})
    bot.update({"channel_post": {"message_id": 9, "date": 1, "chat": {"id": -5, "type": "channel"}, "text": "news"}})
    bot.wait_until_done()
    installation.work()
    assert installation.states() == {"ignored": 2}
    assert installation.cases() == []


def test_a_kind_of_message_nobody_has_heard_of_is_for_a_person_to_look_at(
    bot: Bot, open_installation: OpenInstallation
) -> None:
    installation = open_installation(bot)
    with bot.telegram.changed:
        bot.waiting.append({"update_id": 77, "message": {**bot.message(SARA), "hologram": {"file_id": "x"}}})
    bot.tell(SARA, text="hello")
    bot.wait_until_done()
    installation.work()
    assert installation.states() == {"quarantined": 1, "filed": 1}


def test_a_machine_is_kept_and_labelled_and_never_answered(bot: Bot, open_installation: OpenInstallation) -> None:
    installation = open_installation(bot)
    message = bot.message(SARA, text="/start")
    bot.update({"message": {**message, "from": {**message["from"], "is_bot": True}}})
    case = installation.wait_for_cases()[0]
    bot.wait_until_done()
    assert case.lines[0][4] == ["robot"]
    assert [line[0] for line in case.lines] == ["in"]
    assert bot.said(SARA) == []
