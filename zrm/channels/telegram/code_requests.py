"""Requests that only the front desk can answer: the state of the case behind a tracking code, and a rating of it."""

from __future__ import annotations

import asyncio

from zrm.channels.channel import Installation
from zrm.channels.telegram import messages
from zrm.channels.telegram.dialogue import Ask
from zrm.channels.telegram.messages import OutgoingMessage, menu
from zrm.contract.ports import SelfServicePort, TrackingPort
from zrm.errors import NotFound, StoreUnavailable, TooManyTries
from zrm.kit import log
from zrm.languages import LANGUAGES, Language
from zrm.ui.calendars import DateReader, date_time_text
from zrm.ui.i18n import digits, format_code, gettext

_log = log.get(__name__)


class CodeRequests:
    """Answers the citizens' requests of one messenger."""

    def __init__(
        self, kind: str, installation: Installation, tracking: TrackingPort, self_service: SelfServicePort
    ) -> None:
        self._kind = kind
        self._installation = installation
        self._tracking = tracking
        self._self_service = self_service

    async def answer(self, ask: Ask, bot: str, user: int, language: Language) -> list[OutgoingMessage]:
        """The answer to a user of one of the bots."""
        peer = f"{self._kind}:{user}"
        try:
            if ask.kind == "track":
                return await asyncio.to_thread(self._track, ask.code, peer, language)
            done = await asyncio.to_thread(self._self_service.rate, ask.code, ask.score, self._kind, peer)
            return [
                OutgoingMessage(gettext(language, messages.RATED if done else messages.NOT_RATED), keys=menu(language))
            ]
        except NotFound:
            return [OutgoingMessage(gettext(language, messages.NO_SUCH_CODE), keys=menu(language))]
        except TooManyTries:
            return [OutgoingMessage(gettext(language, messages.TOO_MANY_TRIES), keys=menu(language))]
        except StoreUnavailable:  # the update itself is durable: only the request must be repeated by the citizen
            _log.warning("not looked up", channel=self._kind, account=bot)
            return [OutgoingMessage(gettext(language, messages.AWAY), keys=menu(language))]

    def _track(self, code: str, peer: str, language: Language) -> list[OutgoingMessage]:
        found = self._tracking.track(code, peer)
        text = gettext(
            language,
            messages.STATE,
            code=format_code(found.code, language),
            state=gettext(language, messages.STATES[found.state]),
            date=date_time_text(
                found.changed_at,
                DateReader(language, LANGUAGES[language].calendar, self._installation.timezone),
            ),
        )
        says = [OutgoingMessage(text, keys=menu(language))]
        if found.state == "closed" and not found.rated:
            row = tuple((digits(score, language), f"r:{found.code}:{score}") for score in range(1, 6))
            says.append(OutgoingMessage(gettext(language, messages.HOW_CONTENT), buttons=(row,)))
        return says
