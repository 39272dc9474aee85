"""The closing message to a citizen who wrote by SMS, messenger or mail: the case is closed, and how content are you?

Their digit comes back as a message like any other (`zrm.normalizer.self_service`). It is not sent to a citizen who
opted out, to a machine, or to an address that a third party may have put below their mail.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from zrm.casestore import contact as contacts
from zrm.casestore import outgoing
from zrm.casestore.answers import CLOSING_REASON
from zrm.casestore.contact import NewContact
from zrm.casestore.delivery import DeliveryKind
from zrm.casestore.outgoing import NewDelivery
from zrm.casestore.person import opted_out
from zrm.casework.self_service_texts import CLOSING_SUBJECT, closing_text
from zrm.contract.capabilities import of_channel
from zrm.kit.clock import now
from zrm.kit.db import Cursor, record
from zrm.kit.ids import new_id
from zrm.languages import Language
from zrm.ui.i18n import gettext


class _ClosingRecipient(NamedTuple):
    """Where a case's closing message goes."""

    code: str
    language: Language
    channel: str
    account: str
    address: str


def send_closing_message(
    cursor: Cursor, case_id: UUID, trace: str, *, reason: str = "", hold: float = 0
) -> tuple[UUID, UUID] | None:
    """Queue the closing message of a case, if its citizen gets one, in the transaction that closes it; `trace` leads to
    the case.

    `reason` is why it is closed without an answer. It leaves `hold` seconds later. Returns the ids of its contact and
    its delivery; None when none is sent.
    """
    cursor.execute(
        "SELECT k.code, k.language, k.channel, k.account, c.address FROM cases k JOIN contacts c ON c.case_id = k.id "
        "WHERE k.id = %s AND c.direction = 'in' AND c.channel = k.channel AND c.address <> '' "
        "AND c.person_id IS NOT DISTINCT FROM k.person_id "  # third parties who were copied in may have written too
        "AND NOT c.labels && ARRAY['robot', 'bounce', 'list', 'newsletter', 'dmarc_fail'] ORDER BY c.at DESC, c.id DESC LIMIT 1",
        [case_id],
    )
    to = record(cursor, _ClosingRecipient)
    if to is None or not of_channel(to.channel).asks_rating or opted_out(cursor, to.channel, to.address):
        return None
    title = gettext(to.language, CLOSING_SUBJECT) if of_channel(to.channel).subject_line else ""
    contact_id, written_at = new_id(), now()
    written = NewContact(
        id=contact_id,
        case_id=case_id,
        direction="out",
        channel=to.channel,
        account=to.account,
        at=written_at,
        leaves_at=written_at + timedelta(seconds=hold),
        text=closing_text(to.code, to.language, reason),
        title=title,
        address=to.address,
        language=to.language,
        labels=["closing_message", CLOSING_REASON] if reason else ["closing_message"],
        automatic=True,
    )
    contacts.add(cursor, [written])
    delivery = NewDelivery(
        DeliveryKind.CLOSING_MESSAGE,
        to.channel,
        to.account,
        to.address,
        case_id=case_id,
        contact_id=contact_id,
        trace=trace,
    )
    outgoing.queue(cursor, [delivery], hold=hold)
    return contact_id, delivery.id
