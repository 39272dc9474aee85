"""What failed without a case is listed for agents who handle failures everywhere, addresses only for those who may see them."""

from __future__ import annotations

from uuid import UUID

from tests.casework.installation import agent, file_case, unit
from tests.reasons import why
from zrm.casestore import outgoing
from zrm.casestore.agent import Permission
from zrm.casestore.delivery import DeliveryKind, DeliveryState
from zrm.casestore.outgoing import NewDelivery, OwnWords
from zrm.casework import failed_tasks
from zrm.casework.context import ActingAgent
from zrm.kit.db import Database
from zrm.security.grants import Grants
from zrm.security.masking import masked


def test_addresses_are_masked_for_agents_who_may_not_see_them_everywhere(database: Database) -> None:
    case = file_case(database)
    answer = NewDelivery(
        DeliveryKind.SELF_SERVICE, "sms", "3000", "+989121234567", question_id=case.contact_id, command="help",
        says=OwnWords("…", "fa"),
    )  # fmt: skip

    handles: dict[str, frozenset[UUID] | None] = {Permission.HANDLE_DELIVERIES: None}
    with database.cursor() as cursor:
        outgoing.queue(cursor, [answer])
        outgoing.set_state(cursor, answer.id, DeliveryState.FAILED, why("no such line"))
        sara, own = agent(cursor, "sara"), frozenset({unit(cursor, "roads")})
        shown = [
            failed_tasks.undelivered_self_answers(cursor, ActingAgent(sara, Grants(grants)))[0].address
            for grants in (
                handles,
                {**handles, Permission.VIEW_ADDRESSES: own},
                {**handles, Permission.VIEW_ADDRESSES: None},
            )
        ]
    assert shown == [masked(answer.address), masked(answer.address), answer.address]
    assert len(set(shown)) == 2
