"""The history's lines: written strictly, read whatever was written, and each key with one meaning for ever."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

import zrm
from tests.casework.installation import agent, file_case
from zrm.casestore import history, history_payloads
from zrm.casestore.case import Status
from zrm.casestore.history import CITIZEN, SYSTEM, Actor, ActorKind, NewLine, by_agent
from zrm.casestore.history_payloads import (
    CLASSES,
    CaseAssigned,
    CaseClaimed,
    CaseClosed,
    CaseOpened,
    CaseRated,
    CaseReleased,
    CaseReopened,
    CaseReplied,
    CaseTransferred,
    Cause,
    HistoryPayload,
    KnownPayload,
    StatusChanged,
    StepUndone,
    UnknownPayload,
    UnsafeFileSaved,
)
from zrm.casework.transitions import TRANSITIONS, Step
from zrm.kit.db import Database
from zrm.kit.ids import new_id

PAGE = Path(__file__).parents[2] / "docs" / "history.md"
words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
one_id = st.uuids()
_OF_FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "unsafe_saved": {"file_id": st.none(), "contact_id": one_id},
}


def payloads(known: type[HistoryPayload]) -> st.SearchStrategy[Any]:
    """Objects of a class, with every text that a page can send."""
    drawn = {
        name: words for name, field in known.model_fields.items() if field.annotation is str
    }  # fmt: skip
    return st.builds(known, **(drawn | _OF_FIELDS.get(known.KIND, {})))


any_payload: st.SearchStrategy[KnownPayload] = st.one_of([payloads(known) for known in CLASSES.values()])
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("known", CLASSES.values(), ids=lambda known: f"{known.KIND}-{known.VERSION}")
def test_what_is_written_is_read_again(known: type[HistoryPayload]) -> None:
    @given(payload=payloads(known))
    def round_trip(payload: HistoryPayload) -> None:
        stored = json.loads(payload.model_dump_json(exclude_defaults=True))
        assert history_payloads.parse(known.KIND, known.VERSION, stored) == payload

    round_trip()


def test_the_database_keeps_every_line_as_it_was(database: Database) -> None:
    case = file_case(database)
    with database.cursor() as cursor:
        maryam = agent(cursor, "maryam")

    @settings(max_examples=20)
    @given(drawn=st.lists(st.tuples(any_payload, st.sampled_from((CITIZEN, SYSTEM, by_agent(maryam)))), max_size=20))
    def kept(drawn: list[tuple[KnownPayload, Actor]]) -> None:
        written = [NewLine(case.id, actor, payload) for payload, actor in drawn]
        with database.cursor() as cursor:
            history.append_all(cursor, written)
            found = history.lines(cursor, [line.id for line in written])
        for line in written:
            read = found[line.id]
            assert (read.case_id, read.at, read.actor, read.payload) == (
                line.case_id,
                line.at,
                line.actor,
                line.payload,
            )
            assert (read.kind, read.version) == (line.payload.KIND, line.payload.VERSION)

    kept()


@given(data=any_json, kind=st.sampled_from([*CLASSES, ("opened", 2), ("of tomorrow", 1)]))
def test_whatever_was_stored_is_read_without_an_error(data: object, kind: tuple[str, int]) -> None:
    read = history_payloads.parse(*kind, data)
    assert isinstance(read, UnknownPayload) or kind[0] == read.KIND
    if kind not in CLASSES:
        assert read == UnknownPayload(data)


def test_a_wrong_key_or_type_is_refused() -> None:
    wrong: list[dict[str, Any]] = [
        {"channel": "email", "contact_id": new_id(), "from": "x"},
        {"channel": "email", "contact_id": str(new_id())},
        {"channel": "email"},
        {"channel": 1, "contact_id": new_id()},
    ]
    for values in wrong:
        with pytest.raises(ValidationError):
            CaseOpened(**values)
    with pytest.raises(ValidationError):
        StatusChanged(before=Status.NEW, after=Status.OPEN, cause="somehow")  # type: ignore[arg-type]  # what is refused
    for score in (0, 6):
        with pytest.raises(ValidationError):
            CaseRated(score=score, channel="sms")
    with pytest.raises(ValidationError, match="either"):
        UnsafeFileSaved()
    with pytest.raises(ValidationError):
        CaseRated(score=5, channel="sms").score = 1


def test_an_actor_is_an_agent_or_nobody_in_particular(database: Database) -> None:
    for kind, agent_id in ((ActorKind.AGENT, None), (ActorKind.CITIZEN, new_id()), (ActorKind.SYSTEM, new_id())):
        with pytest.raises(ValueError, match="an agent has an id"):
            Actor(kind, agent_id)
    case = file_case(database)
    statement = "INSERT INTO case_events (id, case_id, at, actor, kind, version, data) VALUES (%s, %s, now(), %s, 'x', %s, '{}')"
    for actor, version in (("agent", 1), ("nobody", 1), ("citizen", 0)):
        with pytest.raises(psycopg.errors.CheckViolation), database.cursor() as cursor:
            cursor.execute(statement, [new_id(), case.id, actor, version])


def test_each_class_is_its_kinds_and_versions_alone() -> None:
    assert len(CLASSES) == len(get_args(KnownPayload))
    assert set(HistoryPayload.__subclasses__()) == set(CLASSES.values())


def test_a_key_means_the_same_in_every_class() -> None:
    meanings: dict[str, set[tuple[str, str]]] = {}
    for known in CLASSES.values():
        for name, field in known.model_fields.items():
            meanings.setdefault(name, set()).add((_type_of(field), _meaning_of(field)))
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}
    said = [next(iter(found))[1] for found in meanings.values()]
    assert len(said) == len(set(said)), "two keys mean the same"


def test_every_step_that_moves_a_case_is_a_cause() -> None:
    written: dict[Step, type[HistoryPayload]] = {
        Step.CLAIM: CaseClaimed, Step.ASSIGN: CaseAssigned, Step.TRANSFER: CaseTransferred,
        Step.RELEASE: CaseReleased, Step.REPLY: CaseReplied, Step.CLOSE: CaseClosed,
        Step.REOPEN: CaseReopened,
    }  # fmt: skip
    moving = {step for (before, step), after in TRANSITIONS.items() if before is not after} - {Step.CITIZEN_WRITES}
    causes = {written[step].KIND for step in moving} | {"citizen_wrote", StepUndone.KIND}
    assert causes <= set(get_args(Cause))


def test_nothing_else_reads_what_the_lines_say() -> None:
    """Whoever needs a payload gets an object from the one file that knows the keys."""
    root = Path(zrm.__file__).parent
    for path in root.rglob("*.py"):
        if path.relative_to(root).as_posix() not in ("casestore/history.py", "casestore/case.py"):
            queries = re.findall(r"case_events[^;]{0,400}", path.read_text(encoding="utf-8"))
            assert not any("data" in query for query in queries if "migrations" not in path.parts), path


def test_the_page_lists_every_kind_and_key() -> None:
    """What reports, webhooks and the API are told: `docs/history.md` says what the classes say."""
    page = PAGE.read_text(encoding="utf-8")
    assert _table(page, "Kinds") == _kinds()
    assert _table(page, "Keys") == _keys()


def _kinds() -> list[str]:
    rows = []
    for known in CLASSES.values():
        meaning = re.sub(r"\s+", " ", known.__doc__ or "")
        keys = ", ".join(
            f"`{name}`" if field.is_required() else f"`{name}`?" for name, field in known.model_fields.items()
        )
        rows.append(f"| `{known.KIND}` | {known.VERSION} | {meaning} | {keys or '–'} |")
    return rows


def _keys() -> list[str]:
    keys = {
        name: f"| `{name}` | {_type_of(field)} | {_meaning_of(field)} |"
        for known in CLASSES.values()
        for name, field in known.model_fields.items()
    }
    return [keys[name] for name in sorted(keys)]


def _table(page: str, title: str) -> list[str]:
    section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


def _meaning_of(field: FieldInfo) -> str:
    for one in (field, *_inner(field)):
        if one.description:
            return one.description
    raise AssertionError("a key without a meaning")


def _inner(field: FieldInfo) -> list[FieldInfo]:
    """What is said of the type below `… | None`."""
    inner = [one for one in get_args(field.annotation) if one is not type(None)]
    return [meta for one in inner for meta in getattr(one, "__metadata__", ()) if isinstance(meta, FieldInfo)]


def _type_of(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    options = [one for one in get_args(annotation) if one is not type(None)]
    if options and type(None) in get_args(annotation):
        annotation = getattr(options[0], "__origin__", options[0])
    if annotation is Status:
        return _codes(status.value for status in Status)
    if annotation == tuple[UUID, ...]:
        return "list of ids"
    if annotation in (UUID, str, bool, int):
        return {UUID: "id", str: "text", bool: "true or false", int: "number"}[annotation]
    return _codes(get_args(annotation))


def _codes(values: Any) -> str:
    return ", ".join(f"`{value}`" for value in values)
