"""What casework decides without the store: the navigation's numbers, who is told, and what an agent's form must correct."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from uuid import UUID, uuid4

import pytest

from tests.casework.installation import EVERYTHING, agent, file_case, quarantine_one, unit
from tests.reasons import why
from zrm.casestore.agent import Permission
from zrm.casestore.case_list import Counted
from zrm.casestore.notification import NoticeKind
from zrm.casestore.template import LONGEST_NAME, LONGEST_TEXT, Wording
from zrm.casestore.worklists import WorkCounts
from zrm.casework import audience, case_files, quarantine_actions, template_actions
from zrm.casework.acknowledge import acknowledgement
from zrm.casework.audience import Concerned, Occurrence, notices_of
from zrm.casework.context import ActingAgent, InputFlaw, InvalidInput
from zrm.casework.counters import Counters
from zrm.casework.taken_contacts import TakenDown, entry_channels, require_fit
from zrm.config import Settings
from zrm.errors import Conflict, NotFound
from zrm.kit.db import Cursor, Database
from zrm.security.grants import Grants

HERE, THERE, ME, OTHER, THIRD = (uuid4() for _ in range(5))
VIEW, DELIVERIES = Permission.VIEW_CASES, Permission.HANDLE_DELIVERIES
GROUPS: Final = [
    Counted(HERE, "new", None, 1), Counted(HERE, "open", ME, 2), Counted(HERE, "waiting", ME, 4), Counted(HERE, "waiting", None, 8),
    Counted(THERE, "new", None, 16), Counted(THERE, "open", ME, 32), Counted(HERE, "open", OTHER, 64),
]  # fmt: skip
COUNTERS: Final = Counters(GROUPS, WorkCounts({HERE: 3, THERE: 5}, failed_tasks=7, held=9, overdue=False), problems=2)


def numbers(*rows: tuple[str, UUID | None]) -> dict[str, int]:
    return COUNTERS.of(ActingAgent(ME, Grants.of(rows)))


def test_the_numbers_are_of_the_units_one_sees_and_ones_own() -> None:
    assert numbers((VIEW, HERE)) == {"unassigned": 1, "mine": 6, "waiting": 12, "open": 79}
    assert numbers((VIEW, None)) == {"unassigned": 17, "mine": 38, "waiting": 12, "open": 127}
    assert numbers((VIEW, HERE)) == {"unassigned": 1, "mine": 6, "waiting": 12, "open": 79}, (
        "what is shared is no one's own"
    )
    assert numbers() == {"unassigned": 0, "mine": 0, "waiting": 0, "open": 0}


def test_other_work_is_counted_for_who_does_it() -> None:
    assert numbers((Permission.HANDLE_QUARANTINE, None))["quarantine"] == 9
    assert "quarantine" not in numbers((Permission.HANDLE_QUARANTINE, HERE))
    assert numbers((VIEW, None), (DELIVERIES, HERE))["failed_deliveries"] == 3
    assert numbers((VIEW, HERE), (DELIVERIES, HERE), (DELIVERIES, THERE))["failed_deliveries"] == 3
    assert "problems" not in numbers((VIEW, None), (DELIVERIES, HERE))
    everywhere = numbers((VIEW, HERE), (DELIVERIES, None))
    assert (everywhere["failed_deliveries"], everywhere["problems"]) == (3 + 7 + 2, 2)


def told(occurrence: Occurrence, case: Concerned) -> dict[UUID, NoticeKind]:
    found = notices_of(occurrence, case)
    assert all((one.case_id, one.source_id) == (occurrence.case_id, occurrence.source_id) for one in found)
    assert len({one.agent_id for one in found}) == len(found)
    return {one.agent_id: one.kind for one in found}


NOTE: Final = Occurrence(uuid4(), uuid4(), NoticeKind.NOTE, by=OTHER)
CASE: Final = Concerned(ME, frozenset({OTHER, THIRD}), frozenset({OTHER, THIRD}))


def test_assignee_and_followers_are_told_and_nobody_of_what_they_did() -> None:
    assert told(NOTE, CASE) == {ME: NoticeKind.NOTE, THIRD: NoticeKind.NOTE}
    assert told(NOTE, replace(CASE, may_see=frozenset({OTHER}))) == {ME: NoticeKind.NOTE}, (
        "who may not see it is not told"
    )
    assert told(NOTE, replace(CASE, assignee_id=None)) == {THIRD: NoticeKind.NOTE}
    assert told(replace(NOTE, by=ME), CASE) == {OTHER: NoticeKind.NOTE, THIRD: NoticeKind.NOTE}
    assert told(replace(NOTE, to_others=False), CASE) == {}


def test_whom_it_concerns_most_is_told_that() -> None:
    named = replace(NOTE, to={THIRD: NoticeKind.MENTION, ME: NoticeKind.MENTION})
    assert told(named, CASE) == {ME: NoticeKind.MENTION, THIRD: NoticeKind.MENTION}
    assert told(replace(named, to_others=False), replace(CASE, assignee_id=None)) == {THIRD: NoticeKind.MENTION}
    given = replace(NOTE, kind=NoticeKind.ASSIGNED, to={ME: NoticeKind.ASSIGNED}, to_others=False)
    assert told(given, CASE) == {ME: NoticeKind.ASSIGNED}
    assert told(given, replace(CASE, assignee_id=THIRD)) == {}, "who has passed it on is not told"


def test_a_note_names_agents_by_their_login_however_it_is_punctuated(database: Database) -> None:
    with database.cursor() as cursor:
        maryam, sara = agent(cursor, "maryam"), agent(cursor, "sara")
        here = unit(cursor, "contact-centre")

        def named(text: str) -> list[UUID]:
            return audience.mentioned(cursor, text, here)

        seeing = named("@maryam")
        assert seeing == [maryam]
        for text in ("@Maryam, please", "(@maryam.)", "@maryam-", "see @maryam@", "@maryam @maryam @nobody"):
            assert named(text) == [maryam], text
        for text in ("", "maryam", "a@maryam", "x.@maryam", "@maryamx", "@mary"):
            assert named(text) == [], text
        cursor.execute("UPDATE agents SET active = false WHERE id = %s", [maryam])
        assert maryam not in named("@maryam @sara")
        assert set(named("@sara")) <= {sara}


def test_names_in_a_note_that_reach_nobody_are_found(database: Database) -> None:
    with database.cursor() as cursor:
        sara, hers = agent(cursor, "sara"), unit(cursor, "roads")
        water = unit(cursor, "water")

        def missed(text: str, at: UUID = water) -> list[tuple[str, bool]]:
            return [(one.login, one.known) for one in audience.unreached(cursor, text, at)]

        assert missed("@maryam … @Sara, fyi @nobody. @nobody") == [("sara", True), ("nobody", False)]
        assert missed("@sara", hers) == []
        assert missed("write to a@nobody or @ nobody, @. ") == []
        cursor.execute("UPDATE agents SET active = false WHERE id = %s", [sara])
        assert missed("@sara", hers) == [("sara", False)]


CLERK: Final = ActingAgent(ME, Grants.of([(Permission.TAKE_CONTACTS, HERE)]))
FIT: Final = TakenDown("The lamp is dark.", "Sara", "09121234567", "sara@home.example", "complaint")


def flaws(told: TakenDown, channel: str, phone_as_is: str = "") -> list[tuple[str, InputFlaw]]:
    try:
        require_fit(CLERK, channel, told, region="IR", natures=["complaint"], phone_as_is=phone_as_is)
    except InvalidInput as error:
        return [(problem.name, problem.flaw) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("told", "flawed"),
    [
        (FIT, []), (TakenDown("x", "", "", "", ""), []), (replace(FIT, text=" "), [("text", InputFlaw.EMPTY)]),
        (replace(FIT, name="n" * 200), []), (replace(FIT, name="n" * 201), [("name", InputFlaw.TOO_LONG)]),
        (replace(FIT, phone="mother"), [("phone", InputFlaw.NOT_A_NUMBER)]),
        (replace(FIT, phone="0912"), [("phone", InputFlaw.DOUBTFUL_NUMBER)]),
        (replace(FIT, email="sara"), [("email", InputFlaw.NOT_AN_EMAIL)]),
        (replace(FIT, nature="joke"), [("nature", InputFlaw.UNKNOWN_CHOICE)]),
        (replace(FIT, text="", email="x"), [("text", InputFlaw.EMPTY), ("email", InputFlaw.NOT_AN_EMAIL)]),
    ],
)  # fmt: skip
def test_what_an_agent_takes_down_is_fit_or_its_flaws_are_named(
    told: TakenDown, flawed: list[tuple[str, InputFlaw]]
) -> None:
    assert flaws(told, entry_channels()[0]) == flawed


def test_an_odd_number_counts_when_the_agent_has_made_sure_of_it() -> None:
    odd = replace(FIT, phone="0912")
    assert flaws(odd, entry_channels()[0], phone_as_is="0912") == []
    assert flaws(odd, entry_channels()[0], phone_as_is="0913") == [("phone", InputFlaw.DOUBTFUL_NUMBER)]
    assert flaws(FIT, "email") == [("channel", InputFlaw.UNKNOWN_CHOICE)]
    with pytest.raises(NotFound):
        require_fit(ActingAgent(ME, Grants()), entry_channels()[0], FIT, region="IR", natures=[])


WORDING: Final = Wording(None, "answer", {"fa": "نام", "en": "Name"}, {"fa": "متن", "en": "Text {code}"})


def template_flaws(cursor: Cursor, wording: Wording, actor: ActingAgent) -> list[tuple[str, InputFlaw]]:
    try:
        template_actions.add(cursor, actor, wording)
    except InvalidInput as error:
        return [(problem.name, problem.flaw) for problem in error.problems]
    return []


def test_a_template_is_complete_in_both_languages_or_its_flaws_are_named(database: Database) -> None:
    with database.cursor() as cursor:
        me = ActingAgent(agent(cursor, "sara"), EVERYTHING)

        def found(**changes: object) -> list[tuple[str, InputFlaw]]:
            return template_flaws(cursor, replace(WORDING, **changes), me)  # type: ignore[arg-type]  # its own fields

        assert found() == []
        assert found(names={"fa": "نام"}) == [("name_en", InputFlaw.EMPTY)]
        assert found(texts={}) == [("text_fa", InputFlaw.EMPTY), ("text_en", InputFlaw.EMPTY)]
        assert found(names={"fa": "n" * LONGEST_NAME, "en": "n" * (LONGEST_NAME + 1)}) == [
            ("name_en", InputFlaw.TOO_LONG)
        ]
        assert found(texts={"fa": "t" * (LONGEST_TEXT + 1), "en": "t" * LONGEST_TEXT}) == [
            ("text_fa", InputFlaw.TOO_LONG)
        ]
        assert found(texts={"fa": "{nobody}", "en": "{name}"}) == [("text_fa", InputFlaw.UNKNOWN_PLACEHOLDERS)]
        assert found(kind="acknowledgement") == [("text_fa", InputFlaw.CODE_MISSING)]
        assert found(kind="acknowledgement", texts={"fa": "{code}", "en": "{code} {subject}"}) == [
            ("text_en", InputFlaw.UNKNOWN_PLACEHOLDERS)
        ]
        assert found(kind="joke") == [("kind", InputFlaw.UNKNOWN_CHOICE)]
        assert found(unit_id=uuid4()) == [("unit", InputFlaw.UNKNOWN_CHOICE)]
        assert found(unit_id=unit(cursor, "roads")) == []
        of_roads = ActingAgent(me.agent_id, Grants.of([(Permission.MANAGE_TEMPLATES, unit(cursor, "roads"))]))
        assert template_flaws(cursor, WORDING, of_roads) == [("unit", InputFlaw.UNKNOWN_CHOICE)]
        assert template_flaws(cursor, replace(WORDING, unit_id=unit(cursor, "roads")), of_roads) == []
        with pytest.raises(NotFound):
            template_actions.add(cursor, ActingAgent(me.agent_id, Grants()), WORDING)


SETTINGS: Final = Settings.model_validate(
    {"organisation": {"name": {"fa": "شهر", "en": "City"}}, "public_url": "https://city.example"}
)
OWN_WORDS: Final = {"fa": "کد {code}", "en": "Ours: {code}, {track}, {organisation}"}


@pytest.mark.parametrize(("kind", "room"), [("email", True), ("phone", False)])
def test_the_first_answer_tells_the_code_and_explains_itself_where_there_is_room(kind: str, room: bool) -> None:
    plain, typed = (acknowledgement("912345678906", "en", SETTINGS, kind=kind, typed=typed) for typed in (False, True))
    for text in (plain, typed):
        assert "9123" in text
        assert "https://city.example/track" in text
        assert "City" in text
    assert ("simply answer this message" in plain) is room
    assert (typed == plain) is not room
    assert typed.startswith(plain)
    own = acknowledgement("912345678906", "en", SETTINGS, kind=kind, wording=OWN_WORDS)
    assert own.startswith("Ours: ")
    assert own.endswith("https://city.example/track, City")


def test_what_is_done_in_quarantine_goes_on_under_the_contacts_trace(database: Database) -> None:
    held, untraced, again = (quarantine_one(database, why("broken")) for _ in range(3))
    with database.cursor() as cursor:
        me = ActingAgent(agent(cursor, "sara"), EVERYTHING)
        cursor.execute("UPDATE raw_contacts SET trace = '' WHERE id = %s", [untraced])
        assert quarantine_actions.take(cursor, me, held) == "feed"
        assert quarantine_actions.set_aside(cursor, me, held, " advertising ") == "feed"
        assert quarantine_actions.set_aside(cursor, me, untraced, "x") == untraced.hex[-16:]
        with pytest.raises(InvalidInput):
            quarantine_actions.set_aside(cursor, me, again, " ")
        assert quarantine_actions.replay(cursor, me, again) == "feed"
        cursor.execute("SELECT ref, trace FROM outbox WHERE topic = 'file'")
        assert cursor.fetchall() == [(again, "feed")]
        for action in (quarantine_actions.take, quarantine_actions.replay):
            with pytest.raises(Conflict):
                action(cursor, me, held)


def test_a_contacts_whole_text_has_its_quotation_below(database: Database) -> None:
    case = file_case(database, text="Since Monday.")
    with database.cursor() as cursor:
        me = ActingAgent(agent(cursor, "sara"), EVERYTHING)
        assert case_files.whole_text(cursor, me, case.contact_id) == "Since Monday."
        cursor.execute("UPDATE contacts SET folded_quote = '> Before.' WHERE id = %s", [case.contact_id])
        assert case_files.whole_text(cursor, me, case.contact_id) == "Since Monday.\n> Before."
