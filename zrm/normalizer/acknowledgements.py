"""The acknowledgement of a new case: whether it may be sent, and the rows by which it is."""

from __future__ import annotations

from collections.abc import Sequence

from zrm.casestore.contact import NewContact
from zrm.casestore.delivery import DeliveryKind
from zrm.casestore.history import SYSTEM, NewLine
from zrm.casestore.history_payloads import CodeNotSent, LoopBroken
from zrm.casestore.outgoing import NewDelivery
from zrm.casework.acknowledge import SUBJECT, acknowledgement
from zrm.casework.reply_routes import ReplyRoute, SendingAccount
from zrm.config import Settings
from zrm.contract.addresses import EMAIL
from zrm.contract.capabilities import kind_of_address, of_channel
from zrm.kit.ids import new_id
from zrm.kit.mail_addresses import own_message_id
from zrm.normalizer.interpretation import Interpretation
from zrm.normalizer.lookups import TYPED, BatchContext, KnownCase, acknowledgement_route
from zrm.normalizer.write_batch import WriteBatch
from zrm.ui.i18n import gettext


class Acknowledgements:
    """The acknowledgements of one transaction; together they stay below the limits for automatic answers."""

    def __init__(
        self, known: BatchContext, rows: WriteBatch, settings: Settings, senders: Sequence[SendingAccount]
    ) -> None:
        self._known = known
        self._rows = rows
        self._settings = settings
        self._senders = senders

    def acknowledge(self, case: KnownCase, reading: Interpretation) -> None:
        """Add the acknowledgement of the new case; where a limit withholds it, the history says so."""
        route = acknowledgement_route(reading, self._settings, self._senders)
        if route is None:
            return
        address, at, trace = route.address, reading.raw.received_at, reading.raw.contact.trace
        if (route.channel, address) in self._known.opted_out_addresses:
            return
        kind = kind_of_address(route.channel, address)
        if route.claimed and (kind, address) in self._known.doubtful:  # only a message from there ends the doubt
            return
        if not self._count_answer(route):
            withheld = CodeNotSent if route.claimed else LoopBroken
            withholding = withheld(channel=route.channel, contact_id=reading.raw.id)
            self._rows.events.append(NewLine(case.id, SYSTEM, withholding, at))
            return
        wording = self._known.first_words.get(case.unit_id, self._known.first_words.get(None))
        text = acknowledgement(
            case.code, case.language, self._settings, kind=kind, wording=wording, typed=route.claimed
        )
        title = gettext(case.language, SUBJECT) if kind == EMAIL else ""
        answer_id = new_id()
        message_id = (
            own_message_id(answer_id, self._settings.mail_domain) if of_channel(route.channel).message_ids else ""
        )
        labels = ["acknowledgement", *([TYPED] if route.claimed else [])]
        self._rows.contacts.append(
            NewContact(
                id=answer_id,
                case_id=case.id,
                direction="out",
                channel=route.channel,
                account=route.account,
                at=at,
                text=text,
                title=title,
                address=address,
                language=case.language,
                labels=labels,
                message_id=message_id,
                automatic=True,
            )
        )
        if message_id:
            self._rows.message_ids.append((message_id, case.id))
        self._rows.deliveries.append(
            NewDelivery(
                DeliveryKind.ACKNOWLEDGEMENT, route.channel, route.account, address, case_id=case.id, contact_id=answer_id,
                trace=trace, at=at,
            )
        )  # fmt: skip

    def _count_answer(self, route: ReplyRoute) -> bool:
        """Count one automatic answer to a pair of addresses; False, and not counted, if the limit is reached."""
        pair = (route.channel, route.account, route.address)
        hour, day = self._known.answered.get(pair, (0, 0))
        limits = self._settings.automatic
        if hour >= limits.per_hour or day >= limits.per_day:
            return False
        if route.claimed and (day >= limits.typed_per_day or self._known.codes_to_typed >= limits.typed_per_hour):
            return False
        self._known.answered[pair] = (hour + 1, day + 1)
        self._known.codes_to_typed += route.claimed
        return True
