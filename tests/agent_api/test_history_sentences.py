"""Every line of a case's history has a sentence, in both languages, whoever did it."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from tests.casestore.test_history import any_json, any_payload
from zrm.agent_api.pages.history_sentences import History
from zrm.casestore.history import CITIZEN, SYSTEM, Actor, HistoryLine, by_agent
from zrm.casestore.history_payloads import KnownPayload, UnknownPayload
from zrm.kit.clock import now
from zrm.kit.ids import new_id
from zrm.languages import Language

SARA = new_id()
actors = st.sampled_from((CITIZEN, SYSTEM, by_agent(SARA)))


def line(payload: KnownPayload | UnknownPayload, actor: Actor) -> HistoryLine:
    kind = payload.KIND if isinstance(payload, get_args(KnownPayload)) else "of_tomorrow"
    return HistoryLine(new_id(), new_id(), now(), actor, kind, 1, payload)


@given(payload=any_payload, actor=actors)
def test_every_payload_has_a_sentence_in_both_languages(payload: KnownPayload, actor: Actor) -> None:
    said = [of(language).line(line(payload, actor)) for language in get_args(Language)]
    assert all(sentence.strip() and icon for sentence, icon in said)
    assert len({sentence for sentence, _icon in said}) == 2


def of(language: Language) -> History:
    return History(
        language,
        lambda agent_id: "Sara" if agent_id == SARA else "ZRM",
        lambda _: "Roads",
        lambda _: "Lamp",
        lambda _: "Complaint",
    )


@given(data=any_json, actor=actors)
def test_what_is_not_known_is_named_by_its_kind(data: object, actor: Actor) -> None:
    sentence, _icon = of("en").line(line(UnknownPayload(data), actor))
    assert "of_tomorrow" in sentence
