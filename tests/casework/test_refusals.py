"""Every action of casework refuses by itself: without the grant, with another unit's, and for ids that are nobody's.

No page is involved. The actions are found, not listed: one that is new fails here until it is called below.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Final
from uuid import UUID

import pytest

from tests.casework.installation import EVERYTHING, acting, agent, file_case, one, quarantine_one, unit
from tests.lab.databases import Databases
from tests.reasons import why
from zrm import agent_api, casework
from zrm.casestore import case_list, notification, outbox, template, timeline
from zrm.casestore.agent import Permission
from zrm.casestore.case_list import CaseRow, View
from zrm.casestore.notification import NewNotice, NoticeKind
from zrm.casestore.outbox import Topic
from zrm.casestore.search_words import parse
from zrm.casestore.template import Wording
from zrm.casestore.timeline import CaseHead
from zrm.casework import (
    case_actions,
    case_files,
    case_reading,
    erasure,
    failed_deliveries,
    failed_tasks,
    locked_case,
    notifications,
    quarantine_actions,
    taken_contacts,
    template_actions,
    undo,
)
from zrm.casework.case_reading import Sight
from zrm.casework.context import ActingAgent, ActionContext, InvalidInput
from zrm.casework.reply_routes import ReplyRoute
from zrm.casework.taken_contacts import TakenDown
from zrm.casework.transitions import Step
from zrm.config import Settings
from zrm.contract.inbound import RawContact, Receipt
from zrm.errors import Forbidden, NotFound
from zrm.insight import ledger
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id
from zrm.security.grants import Grants

MAIL: Final = ReplyRoute("email", "contact@city.example", "sara@home.example", files=True)
PAGE: Final = ReplyRoute("web", "web", "")
HERE, ELSEWHERE = "water", "roads"
SETTINGS: Final = Settings.model_validate({"organisation": {"name": {"fa": "شهر", "en": "City"}}})
VIEW, WORK, ASSIGN = Permission.VIEW_CASES, Permission.WORK_CASES, Permission.ASSIGN_CASES
DELIVERIES, QUARANTINE = Permission.HANDLE_DELIVERIES, Permission.HANDLE_QUARANTINE
TEMPLATES, TAKE, ADDRESSES = Permission.MANAGE_TEMPLATES, Permission.TAKE_CONTACTS, Permission.VIEW_ADDRESSES

WITHOUT_ACTOR: Final = {
    "audience.mentioned", "audience.notices", "audience.unreached",
    "case_reading.routes_of", "case_reading.usable_route",
    "closing_message.send_closing_message", "detached_month.forget_month",
    "locked_case.move", "locked_case.tell_others", "locked_case.touch", "locked_case.trace_of",
}  # fmt: skip
"""Parts of actions, called in a transaction that has asked already, and what no agent does but a task or the operator's command."""


BEFORE_THERE_IS_AN_ACTOR: Final = {
    f"sign_in.{name}" for name in ("enter", "finish", "first_recovery_codes", "proves_again", "second_step_by_code")
}
"""Whoever signs in acts on nothing but their own session and second step, and may do nothing else until they are in."""


@dataclass(frozen=True)
class Stage:
    """What is acted on; all of it belongs to the unit HERE or to none."""

    me: UUID
    other_unit: UUID
    case: UUID
    fresh: UUID
    mine: UUID
    closed: UUID
    code: str
    relation: UUID
    contact: UUID
    clean_contact: UUID
    file: UUID
    clean_file: UUID
    delivery: UUID
    withdrawn: UUID
    undoable: UUID
    held: UUID
    task: UUID
    template: UUID
    taken: UUID


@dataclass(frozen=True)
class Call:
    """How an action is called, and the permissions it needs.

    `everywhere`: in one unit they are not enough. `empty`: what may not be read is answered by nothing at all. `own`: it acts
    on nothing that has an id, so there is none that is unknown.
    """

    needs: tuple[Permission, ...]
    run: Callable[[Cursor, Stage, ActingAgent], object]
    everywhere: bool = False
    empty: bool = False
    own: bool = False


def at(stage: Stage, actor: ActingAgent, case: UUID | None = None, version: int | None = None) -> ActionContext:
    made = acting(actor.agent_id, case or stage.case, version, MAIL, hold=60)
    return replace(made, actor=actor)


def at_fresh(stage: Stage, actor: ActingAgent) -> ActionContext:
    return at(stage, actor, stage.fresh, 1)


def receive(contact: RawContact) -> Receipt:
    return Receipt(new_id(), "123456789012", now(), repeated=False)


def wording(stage: Stage, cursor: Cursor) -> Wording:
    return Wording(unit(cursor, HERE), "answer", {"fa": "ن", "en": "N"}, {"fa": "متن", "en": "Text"})


def case_head(cursor: Cursor, case_id: UUID) -> CaseHead:
    head = timeline.head(cursor, case_id)
    assert head is not None
    return head


def one_row(cursor: Cursor, case_id: UUID) -> CaseRow:
    (row,) = case_list.rows(cursor, [case_id])
    return row


LAMP: Final = parse("lamp", "IR")
TOLD: Final = TakenDown("The lamp is dark.")
CALLS: Final[dict[str, Call]] = {
    "case_actions.claim": Call((VIEW, WORK), lambda c, s, a: case_actions.claim(c, at_fresh(s, a))),
    "case_actions.release": Call((VIEW, WORK), lambda c, s, a: case_actions.release(c, at(s, a, s.mine, 1))),
    "case_actions.assign": Call((VIEW, ASSIGN), lambda c, s, a: case_actions.assign(c, at_fresh(s, a), to_agent=s.me)),
    "case_actions.transfer": Call(
        (VIEW, ASSIGN), lambda c, s, a: case_actions.transfer(c, at_fresh(s, a), to_unit=s.other_unit)
    ),
    "case_actions.classify": Call(
        (VIEW, WORK), lambda c, s, a: case_actions.classify(c, at_fresh(s, a), subject_id=None, nature="complaint")
    ),
    "case_actions.close": Call(
        (VIEW, WORK), lambda c, s, a: case_actions.close(c, at_fresh(s, a), result="Done.", reason="It was done.")
    ),
    "case_actions.reopen": Call((VIEW, WORK), lambda c, s, a: case_actions.reopen(c, at(s, a, s.closed, 1))),
    "case_actions.note": Call((VIEW, WORK), lambda c, s, a: case_actions.note(c, at_fresh(s, a), text="x")),
    "case_actions.answer_routes": Call((VIEW, WORK), lambda c, s, a: case_actions.answer_routes(c, at_fresh(s, a))),
    "case_actions.reply": Call(
        (VIEW, WORK), lambda c, s, a: case_actions.reply(c, at_fresh(s, a), route=MAIL, title="", text="x")
    ),
    "case_actions.decide_relation": Call(
        (VIEW, WORK), lambda c, s, a: case_actions.decide_relation(c, at(s, a), s.relation, keep=True)
    ),
    "case_actions.follow": Call((VIEW,), lambda c, s, a: case_actions.follow(c, at(s, a))),
    "locked_case.lock": Call((VIEW, WORK), lambda c, s, a: locked_case.lock(c, at_fresh(s, a))),
    "case_actions.set_contact_preference": Call(
        (VIEW, WORK), lambda c, s, a: case_actions.set_contact_preference(c, at_fresh(s, a), language="fa", channel="")
    ),
    "case_actions.allowed": Call(
        (VIEW, WORK), lambda c, s, a: case_actions.allowed(a, case_head(c, s.fresh)) - {Step.ASSIGN, Step.TRANSFER}, empty=True, own=True
    ),
    "case_actions.traced": Call((VIEW,), lambda c, s, a: case_actions.traced(c, at(s, a), lambda: None)),
    "undo.undo": Call((VIEW, WORK), lambda c, s, a: undo.undo(c, at(s, a), s.undoable)),
    "undo.undoable": Call((VIEW, WORK), lambda c, s, a: undo.undoable(c, at(s, a)), empty=True),
    "undo.withdrawn": Call((VIEW,), lambda c, s, a: undo.withdrawn(c, at(s, a), s.withdrawn)),
    "undo.kept_files": Call((VIEW,), lambda c, s, a: undo.kept_files(c, at(s, a), s.withdrawn)),
    "case_reading.head": Call((VIEW,), lambda c, s, a: case_reading.head(c, a, s.case)),
    "case_reading.unreached_mentions": Call(
        (VIEW,), lambda c, s, a: case_reading.unreached_mentions(c, a, s.case, new_id()),
    ),
    "case_reading.page": Call((VIEW,), lambda c, s, a: case_reading.page(c, a, s.case, at(s, a).sending)),
    "case_reading.listing": Call(
        (VIEW,), lambda c, s, a: [row for row in case_reading.listing(c, a, View.OPEN, limit=99) if row.id == s.fresh], empty=True
    ),
    "case_reading.next_case": Call((VIEW,), lambda c, s, a: case_reading.next_case(c, a, but=s.case), empty=True, own=True),
    "case_reading.sees_case": Call((VIEW,), lambda c, s, a: case_reading.sees_case(c, a, s.case), empty=True),
    "case_reading.by_code": Call((VIEW,), lambda c, s, a: case_reading.by_code(c, a, s.code), empty=True),
    "case_reading.rows": Call((VIEW,), lambda c, s, a: case_reading.rows(c, a, [s.case]), empty=True),
    "case_reading.search": Call(
        (VIEW,), lambda c, s, a: [row for row, _hit in case_reading.search(c, a, LAMP, limit=99) if row.id == s.fresh], empty=True
    ),
    "case_reading.searches_all_addresses": Call(
        (VIEW, ADDRESSES), lambda _c, _s, a: case_reading.searches_all_addresses(a), everywhere=True, empty=True, own=True
    ),
    "case_reading.sight_of": Call(
        (VIEW,), lambda c, s, a: case_reading.sight_of(a, one_row(c, s.fresh)) is not Sight.NONE, empty=True, own=True
    ),
    "case_files.file": Call((VIEW,), lambda c, s, a: case_files.file(c, a, s.clean_file)),
    "case_files.file_in_spite": Call((VIEW,), lambda c, s, a: case_files.file_in_spite(c, a, s.file)),
    "case_files.original": Call((VIEW, ADDRESSES), lambda c, s, a: case_files.original(c, a, s.clean_contact)),
    "case_files.original_in_spite": Call(
        (VIEW, ADDRESSES), lambda c, s, a: case_files.original_in_spite(c, a, s.contact)
    ),
    "case_files.original_to_read": Call(
        (VIEW, ADDRESSES), lambda c, s, a: case_files.original_to_read(c, a, s.contact)
    ),
    "case_files.html": Call((VIEW,), lambda c, s, a: case_files.html(c, a, s.contact)),
    "case_files.whole_text": Call((VIEW,), lambda c, s, a: case_files.whole_text(c, a, s.contact)),
    "failed_deliveries.listing": Call((VIEW, DELIVERIES), lambda c, _, a: failed_deliveries.listing(c, a), empty=True, own=True),
    "failed_deliveries.case_of": Call((VIEW, DELIVERIES), lambda c, s, a: failed_deliveries.case_of(c, a, s.delivery)),
    "failed_deliveries.routes": Call(
        (VIEW, DELIVERIES), lambda c, s, a: failed_deliveries.routes(c, a, s.delivery, at(s, a).sending)
    ),
    "failed_deliveries.trace_of": Call(
        (VIEW, DELIVERIES), lambda c, s, a: failed_deliveries.trace_of(c, a, s.delivery)
    ),
    "failed_deliveries.send_again": Call(
        (VIEW, DELIVERIES), lambda c, s, a: failed_deliveries.send_again(c, a, s.delivery)
    ),
    "failed_deliveries.send_by": Call(
        (VIEW, DELIVERIES), lambda c, s, a: failed_deliveries.send_by(c, a, s.delivery, PAGE, at(s, a).sending)
    ),
    "failed_deliveries.mark_handled": Call(
        (VIEW, DELIVERIES), lambda c, s, a: failed_deliveries.mark_handled(c, a, s.delivery)
    ),
    "failed_tasks.handles": Call((DELIVERIES,), lambda _c, _s, a: failed_tasks.handles(a), everywhere=True, empty=True, own=True),
    "failed_tasks.listing": Call((DELIVERIES,), lambda c, _, a: failed_tasks.listing(c, a), everywhere=True, own=True),
    "failed_tasks.undelivered_self_answers": Call(
        (DELIVERIES,), lambda c, _, a: failed_tasks.undelivered_self_answers(c, a), everywhere=True, own=True
    ),
    "failed_tasks.replay_task": Call((DELIVERIES,), lambda c, s, a: failed_tasks.replay_task(c, a, s.task), everywhere=True, own=True),
    "failed_tasks.requeue_job": Call(
        (DELIVERIES,), lambda _c, _s, a: failed_tasks.requeue_job(a, lambda _t, _j: True, "file", "x"), everywhere=True, own=True
    ),
    "quarantine_actions.listing": Call((QUARANTINE,), lambda c, _, a: quarantine_actions.listing(c, a), everywhere=True, own=True),
    "quarantine_actions.take": Call((QUARANTINE,), lambda c, s, a: quarantine_actions.take(c, a, s.held), everywhere=True, own=True),
    "quarantine_actions.replay": Call((QUARANTINE,), lambda c, s, a: quarantine_actions.replay(c, a, s.held), everywhere=True, own=True),
    "quarantine_actions.set_aside": Call(
        (QUARANTINE,), lambda c, s, a: quarantine_actions.set_aside(c, a, s.held, "spam"), everywhere=True, own=True
    ),
    "erasure.erase_contacts": Call(
        (Permission.ERASE_CONTACTS,), lambda c, s, a: erasure.erase_contacts(c, a, [s.taken]), everywhere=True, own=True
    ),
    "template_actions.listing": Call((TEMPLATES,), lambda c, _, a: [one for one in template_actions.listing(c, a) if one.wording.unit_id == unit(c, HERE)], empty=True, own=True),
    "template_actions.manages": Call((TEMPLATES,), lambda c, _, a: template_actions.manages(a, unit(c, HERE)), empty=True, own=True),
    "template_actions.find": Call((TEMPLATES,), lambda c, s, a: template_actions.find(c, a, s.template)),
    "template_actions.change": Call(
        (TEMPLATES,), lambda c, s, a: template_actions.change(c, a, s.template, 1, wording(s, c))
    ),
    "template_actions.retire": Call((TEMPLATES,), lambda c, s, a: template_actions.retire(c, a, s.template, 1)),
    "template_actions.add": Call((TEMPLATES,), lambda c, s, a: template_actions.add(c, a, wording(s, c)), own=True),
    "template_actions.answers": Call((VIEW,), lambda c, s, a: template_actions.answers(c, a, s.case, SETTINGS)),
    "template_actions.insertion": Call(
        (VIEW,), lambda c, s, a: template_actions.insertion(c, a, s.case, SETTINGS, s.template)
    ),
}  # fmt: skip
ANYWHERE: Final[dict[str, Call]] = {
    "taken_contacts.require_takes": Call((TAKE,), lambda _c, _s, a: taken_contacts.require_takes(a)),
    "taken_contacts.require_fit": Call(
        (TAKE,), lambda _c, _s, a: taken_contacts.require_fit(a, "call", TOLD, region="IR", natures=())
    ),
    "taken_contacts.take": Call(
        (TAKE,), lambda _c, _s, a: taken_contacts.take(receive, a, "call", new_id(), TOLD, region="IR", natures=())
    ),
    "taken_contacts.receipt_of": Call((TAKE,), lambda c, s, a: taken_contacts.receipt_of(c, a, s.taken)),
}
"""An agent who may take contacts for one unit may take them for all: the unit is only known after filing."""
ALL: Final[dict[str, Call]] = CALLS | ANYWHERE


OWN: Final = {"case_reading.match_of", "password_change.change_password", "preferences.set_preferences"} | {
    f"notifications.{name}" for name in ("listing", "seen", "unread", "read_line", "read_all", "read_case")
}
"""What an agent does with what is their own: it needs no grant, and touches nobody else's."""


@pytest.fixture(scope="module")
def database(seeded_databases: Databases) -> Iterator[Database]:
    with seeded_databases.lend() as url:
        database = Database(url)
        yield database
        database.close()


@pytest.fixture(scope="module")
def stage(database: Database) -> Stage:
    with database.cursor() as cursor:
        me = agent(cursor, "maryam")
        other_unit = unit(cursor, ELSEWHERE)
    case, fresh, mine, closed, other = (
        file_case(database, unit_key=HERE, status=status, assignee=assignee, html="<p>x</p>")
        for status, assignee in (("open", me), ("new", None), ("open", me), ("closed", None), ("new", None))
    )
    taken = file_case(database, unit_key=HERE, channel="call")
    held = quarantine_one(database, why("broken"))
    ids = {name: new_id() for name in ("relation", "file", "clean_file", "task")}
    with database.cursor() as cursor:
        for name, scan in (("file", "infected"), ("clean_file", "clean")):
            cursor.execute(
                "INSERT INTO attachments (id, contact_id, role, name, media_type, size, blob_key, scan)"
                " VALUES (%s, %s, 'attachment', 'a', 'image/png', 1, 'ab', %s)",
                [ids[name], case.contact_id, scan],
            )
        cursor.execute(
            "INSERT INTO case_relations (id, case_id, other_case_id, reason, at) VALUES (%s, %s, %s, 'x', now())",
            [ids["relation"], case.id, other.id],
        )
        cursor.execute(
            "UPDATE raw_contacts SET envelope = %s WHERE id = %s", [f'{{"agent": "{me}"}}', taken.contact_id]
        )
        outbox.add(cursor, Topic.RENDER, [(ids["task"], "")])
        task = one(
            cursor, "UPDATE outbox SET failed_at = now(), error = 'worn' WHERE ref = %s RETURNING id", ids["task"]
        )
        made = template.add(
            cursor, Wording(unit(cursor, HERE), "answer", {"fa": "ن", "en": "N"}, {"fa": "متن", "en": "Text"}), me
        )

    def answer() -> UUID:
        with database.cursor() as cursor:
            act = acting(me, case.id, one(cursor, "SELECT version FROM cases WHERE id = %s", case.id), MAIL)
            return case_actions.reply(cursor, act, route=MAIL, title="", text="x")

    def last_step() -> undo.Undoable:
        with database.cursor() as cursor:
            step = undo.undoable(cursor, acting(me, case.id, hold=600))
        assert step is not None
        return step

    failed = answer()
    with database.cursor() as cursor:
        cursor.execute("UPDATE deliveries SET state = 'failed' WHERE id = %s", [failed])
    answer()
    with database.cursor() as cursor:
        withdrawn = undo.undo(cursor, acting(me, case.id, hold=600), last_step().event_id).contact_id
    assert withdrawn is not None
    answer()
    return Stage(
        me, other_unit, case.id, fresh.id, mine.id, closed.id, case.code, ids["relation"], case.contact_id,
        fresh.contact_id, ids["file"], ids["clean_file"], failed, withdrawn, last_step().event_id, held, task, made,
        taken.contact_id,
    )  # fmt: skip


def grants(*permissions: Permission, unit_id: UUID | None = None) -> Grants:
    return Grants({permission: None if unit_id is None else frozenset({unit_id}) for permission in permissions})


def refusal(database: Database, call: Call, stage: Stage, allowed: Grants) -> str:
    """How the action refuses, after having written nothing. Fails if it does not refuse."""
    with database.cursor() as cursor:
        before = written(cursor)
        try:
            answer = call.run(cursor, stage, ActingAgent(stage.me, allowed))
        except (NotFound, Forbidden) as error:
            said = f"{type(error).__name__} {error}"
        else:
            assert call.empty, answer
            assert not answer
            said = "nothing"
        assert written(cursor) == before
    return said


def written(cursor: Cursor) -> object:
    """How many rows this connection has written in its transaction."""
    return one(cursor, "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables")


def test_every_action_is_called_here() -> None:
    found, without = set(), set()
    for module in iter_modules(casework.__path__):
        room = import_module(f"zrm.casework.{module.name}")
        for name, function in inspect.getmembers(room, inspect.isfunction):
            if name.startswith("_") or function.__module__ != room.__name__:
                continue
            kinds = {str(parameter.annotation) for parameter in inspect.signature(function).parameters.values()}
            if kinds & {"ActingAgent", "ActionContext"}:
                found.add(f"{module.name}.{name}")
            elif kinds & {"Cursor", "Database"}:
                without.add(f"{module.name}.{name}")
    assert found == {*ALL, *OWN}
    assert without == WITHOUT_ACTOR | BEFORE_THERE_IS_AN_ACTOR, (
        "what reads or writes takes an ActingAgent or an ActionContext, or is part of what does"
    )


@pytest.mark.parametrize("name", ALL)
def test_with_the_grant_it_is_done(database: Database, stage: Stage, name: str) -> None:
    """Else the refusals below would prove nothing."""
    call = ALL[name]
    here = None
    if not call.everywhere:
        with database.cursor() as cursor:
            here = unit(cursor, HERE)

    def do() -> None:
        with database.cursor() as cursor:
            answer = call.run(cursor, stage, ActingAgent(stage.me, grants(*call.needs, unit_id=here)))
            assert answer or not call.empty
            raise InterruptedError  # so that it is not kept

    with pytest.raises(InterruptedError):
        do()


@pytest.mark.parametrize("name", ALL)
def test_without_the_grant_it_is_refused(database: Database, stage: Stage, name: str) -> None:
    call = ALL[name]
    nothing = refusal(database, call, stage, Grants())
    assert nothing.startswith(("NotFound", "nothing"))
    for missing in call.needs:
        others = {permission: None for permission in EVERYTHING.by_permission if permission is not missing}
        refusal(database, call, stage, Grants(others))


@pytest.mark.parametrize("name", CALLS)
def test_another_units_grant_is_none_and_tells_nothing(database: Database, stage: Stage, name: str) -> None:
    call = CALLS[name]
    elsewhere = grants(*Permission, unit_id=stage.other_unit)
    if name == "template_actions.add":  # there the other unit is an unknown choice (below)
        return
    said = refusal(database, call, stage, elsewhere)
    assert said.startswith(("NotFound", "nothing"))
    if not call.own:
        unknown = replace(
            stage,
            **{field.name: new_id() for field in fields(stage) if field.name not in ("me", "other_unit", "code")},
            code="000000000000",
        )
        assert refusal(database, call, unknown, elsewhere) == said, "another unit's is as unknown as nobody's"
        unseen = grants(*Permission)
        assert refusal(database, call, unknown, unseen) == said


def test_a_template_of_another_unit_is_not_written(database: Database, stage: Stage) -> None:
    with pytest.raises(InvalidInput, match="unit"), database.cursor() as cursor:
        CALLS["template_actions.add"].run(
            cursor, stage, ActingAgent(stage.me, grants(Permission.MANAGE_TEMPLATES, unit_id=stage.other_unit))
        )


def test_addresses_are_masked_for_who_may_not_see_them(database: Database, stage: Stage) -> None:
    with database.cursor() as cursor:
        for allowed, expected in (((VIEW, ADDRESSES), True), ((VIEW,), False)):
            actor = ActingAgent(stage.me, grants(*allowed, unit_id=unit(cursor, HERE)))
            seen = case_reading.page(cursor, actor, stage.case, at(stage, actor).sending)
            listed = case_reading.listing(cursor, actor, View.OPEN, limit=99)
            shown = repr((seen.page, seen.addresses, [one.address for one in seen.routes], listed))
            assert (MAIL.address in shown) is expected, allowed


def test_a_notification_says_no_more_of_a_case_than_its_reader_may_see(database: Database, stage: Stage) -> None:
    """And whoever reads theirs, by whichever id, leaves those of the others unread."""
    with database.cursor() as cursor:
        daniel = agent(cursor, "daniel")
        told = [NewNotice(to, stage.case, stage.contact, NoticeKind.MESSAGE) for to in (stage.me, daniel)]
        notification.tell(cursor, told)
        here, elsewhere = (
            ActingAgent(stage.me, grants(VIEW, unit_id=where)) for where in (unit(cursor, HERE), stage.other_unit)
        )
        (open_,), (hidden,) = (notifications.listing(cursor, actor) for actor in (here, elsewhere))
        assert (open_.title, open_.words) == ("The lamp is dark", "Since Monday.")
        assert (hidden.title, hidden.words, hidden.unit_id) == ("", "", None)
        notifications.read_line(cursor, elsewhere, told[1].id)
        assert notifications.unread(cursor, here) == 1
        for read_case in (True, False):
            if read_case:
                notifications.read_case(cursor, here, stage.case)
            else:
                notifications.read_all(cursor, here)
            assert notifications.unread(cursor, ActingAgent(daniel, Grants())) == 1
        assert notifications.unread(cursor, here) == 0


def test_the_steps_that_are_offered_are_those_that_are_not_refused(database: Database, stage: Stage) -> None:
    steps = ("claim", "assign", "transfer", "reply", "note", "classify", "close")
    for allowed in ((VIEW,), (VIEW, WORK), (VIEW, ASSIGN), (WORK, ASSIGN), (VIEW, WORK, ASSIGN)):
        actor = ActingAgent(stage.me, grants(*allowed))
        with database.cursor() as cursor:
            offered = case_actions.allowed(actor, case_head(cursor, stage.fresh))
            for step in steps:
                try:
                    with cursor.connection.transaction(force_rollback=True):
                        CALLS[f"case_actions.{step}"].run(cursor, stage, actor)
                    refused = False
                except (NotFound, Forbidden):
                    refused = True
                assert (step in offered) is not refused, (step, allowed)


def test_a_list_keeps_of_the_live_changes_what_its_query_finds(database: Database, stage: Stage) -> None:
    actor = ActingAgent(stage.me, EVERYTHING)
    with database.cursor() as cursor:
        cursor.execute("SELECT id FROM cases")
        every = case_list.rows(cursor, [row[0] for row in cursor.fetchall()])
        assert {row.status for row in every} >= {"new", "open", "closed"}
        for view in View:
            match = case_reading.match_of(actor, view)
            kept = {
                row.id for row in every
                if row.status in match.statuses and match.assignee in (None, row.assignee_id or "")
            }  # fmt: skip
            assert kept == {row.id for row in case_reading.listing(cursor, actor, view, limit=99)}, view


def test_a_changed_case_is_told_as_far_as_it_may_be_seen(database: Database, stage: Stage) -> None:
    with database.cursor() as cursor:
        row, here = one_row(cursor, stage.fresh), unit(cursor, HERE)
    left = replace(row, came_from=stage.other_unit)
    for seen_row, allowed, where, sight in (
        (row, (VIEW, ADDRESSES), here, Sight.OPEN),
        (row, (VIEW,), here, Sight.MASKED),
        (row, (ADDRESSES,), here, Sight.NONE),
        (row, (VIEW,), stage.other_unit, Sight.NONE),
        (left, (VIEW, ADDRESSES), stage.other_unit, Sight.GONE),
    ):
        assert case_reading.sight_of(ActingAgent(stage.me, grants(*allowed, unit_id=where)), seen_row) is sight


def test_the_ledger_is_for_who_sees_it_everywhere(database: Database) -> None:
    with database.cursor() as cursor:
        for allowed in (Grants(), grants(Permission.VIEW_LEDGER, unit_id=new_id())):
            with pytest.raises(NotFound):
                ledger.for_agent(cursor, allowed, now(), now())
        assert ledger.for_agent(cursor, grants(Permission.VIEW_LEDGER), now(), now()) == []


def test_the_desks_edge_decides_nothing() -> None:
    """It draws by what an agent may do, and leaves it to the actions to refuse."""
    decided = re.compile(r"\.require(_anywhere|_everywhere)?\(|case_events|INSERT |UPDATE |DELETE |\.both\(|\bcovers\(")
    for path in Path(agent_api.__path__[0]).rglob("*.py"):
        assert not decided.search(path.read_text()), path


READ_BY_THE_EDGE: Final = {
    "agent.by_login", "agent.of_id",
    "answers.is_unanswered", "case_list.counted", "case_list.rows",
    "directory.agents_by_id", "directory.at_desk", "directory.colleagues", "directory.grants",
    "directory.logins", "directory.subjects", "directory.units", "follower.follows",
    "nature.in_use", "nature.known", "notification.newest", "search_words.excerpt",
    "search_words.marked", "search_words.parse", "worklists.work_counts",
}  # fmt: skip
"""Functions of `casestore` that the desk's edge calls itself: names and choices, and what is then drawn as a rule of casework
says (a list's rows, counters). What an agent reads or changes of cases has its rule, and stands in CALLS. `case_list.rows`
and `notification.newest` are read once for all open desks; each desk is told what `sight_of` and `seen` let through.
"""
ABOUT_ONESELF: Final = {
    "browsers.read", "keyed.keyed_hash", "passkeys.make", "passkeys.of_agent", "passkeys.options_to_make",
    "passkeys.options_to_use", "passkeys.remove", "passkeys.rename", "passkeys.use",
    "passwords.matches", "provider_accounts.agent_of", "provider_accounts.is_linked",
    "second_step.address_for_app", "second_step.begin", "second_step.confirm", "second_step.confirmed_since",
    "second_step.new_recovery_codes", "second_step.picture_for_app",
    "second_step.recovery_codes_left", "second_step.remove_app",
    "second_step.waiting_key", "sessions.alive", "sessions.csrf_for_page",
    "sessions.csrf_matches", "sessions.end", "sessions.end_one", "sessions.end_others", "sessions.find",
    "sessions.of_agent", "sessions.prove", "sign_ins.latest",
}  # fmt: skip
"""Functions of `security` that the desk's edge calls itself: they are about whoever signs in, and their own account."""


def test_the_desks_edge_calls_no_other_functions_of_the_records() -> None:
    called = set().union(*(_called(path) for path in Path(agent_api.__path__[0]).rglob("*.py")))
    assert {name.removeprefix("casestore.") for name in called if name.startswith("casestore.")} == READ_BY_THE_EDGE
    assert {name.removeprefix("security.") for name in called if name.startswith("security.")} == ABOUT_ONESELF


def _called(path: Path) -> Iterator[str]:
    """The functions of `casestore` and `security` that a file calls."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("zrm.casestore", "zrm.security")):
            names |= {one.asname or one.name: f"{node.module}.{one.name}".removeprefix("zrm.") for one in node.names}
    for node in nodes:
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in names and name.islower():
                yield names[name]
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attribute)) if (
                name in names and name.islower()
            ):
                yield f"{names[name]}.{attribute}"
