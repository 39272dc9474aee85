"""Polls a provider's list of messages, for providers that do not repeat a message after an outage of ours.

No position is remembered: the list is read from its beginning, and a message we have gives its receipt again. A page is
kept whole before the next is requested, because the request may remove messages from the list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from threading import Event
from typing import Final

import httpx

from zrm.channels.sms.gateway.config import GatewayInbox, HttpGateway
from zrm.channels.sms.gateway.door import account_of, identify, said_in
from zrm.channels.sms.gateway.fields import at
from zrm.channels.sms.gateway.send import request_of
from zrm.contract.inbound import JSON, RawContact
from zrm.contract.ports import ReceptionPort
from zrm.errors import StoreUnavailable
from zrm.kit import log
from zrm.kit.ids import new_trace

_LONGEST_PAUSE: Final = 300.0
_MOST_PAGES: Final = 1000
_STORE_PAUSE: Final = 1.0
_log = log.get(__name__)


class Unanswered(Exception):
    """The provider gave no list of messages; the message is for an operator, without addresses or secrets."""


class Poller:
    """Reads one provider's inbox. `lines` are our numbers there; `name` the gateway's in the configuration."""

    def __init__(
        self, name: str, gateway: HttpGateway, how: GatewayInbox, lines: Sequence[str], reception: ReceptionPort
    ) -> None:
        self._name = name
        self._timeout = gateway.timeout
        self._how = how
        self._lines = lines
        self._reception = reception

    def run(self, stop: Event) -> None:
        """Poll until told to stop."""
        pause = self._how.every
        while not stop.is_set():
            try:
                self._round(stop)
                pause = self._how.every
            except Unanswered as error:
                pause = min(max(_LONGEST_PAUSE, self._how.every), pause * 2)
                _log.warning("inbox not read", channel="sms", gateway=self._name, reason=str(error))
            stop.wait(pause)

    def _round(self, stop: Event) -> None:
        """Read pages while they contain something new. Errors: Unanswered."""
        read = 0
        with httpx.Client(timeout=self._timeout, follow_redirects=False) as client:
            for _ in range(_MOST_PAGES):
                page = self._ask(client, read)
                read += len(page)
                fresh = sum(self._keep(item, stop) for item in page)  # keeps every one; `any` would stop at the first
                if not fresh:
                    return

    def _ask(self, client: httpx.Client, skip: int) -> list[JSON]:
        try:
            answer = client.send(request_of(client, self._how, {"skip": str(skip)}))
            if not answer.is_success:
                raise Unanswered(f"HTTP {answer.status_code}")
            found: JSON = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            raise Unanswered(type(error).__name__) from None
        items = at(found, self._how.each) if self._how.each else found
        if items is None and self._how.each:
            return []  # many providers leave an empty list out
        if not isinstance(items, list):
            raise Unanswered(f"no list at {self._how.each or 'the top'} of its answer")
        return items

    def _keep(self, item: JSON, stop: Event) -> bool:
        """Whether the message was new. Waits for a store that is away: the provider may not deliver it again."""
        body = json.dumps(item, ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
        identity = identify(self._how, item, body) or hashlib.sha256(body).hexdigest()[:40]
        contact = RawContact(
            channel="sms",
            account=account_of(self._how, item, self._lines) or next(iter(self._lines), self._name),
            external_id=f"{self._name}:{identity}",
            body=body,
            media_type="application/json",
            envelope={"gateway": self._name, "from": "inbox"},
            trace=new_trace(),
            content=said_in(self._how, item, body),
        )
        while not stop.is_set():
            try:
                receipt = self._reception.receive(contact)
            except StoreUnavailable:
                _log.warning("not received", channel="sms", reason="store unavailable")
                stop.wait(_STORE_PAUSE)
                continue
            if not receipt.repeated:
                _log.info("received", channel="sms", contact=str(receipt.contact_id), trace=contact.trace)
            return not receipt.repeated
        return False
