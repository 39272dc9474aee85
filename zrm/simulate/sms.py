"""Twilio: signed webhooks, repeated unchanged while the answer is not a 2xx."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import time
from typing import ClassVar, Final
from urllib.parse import urlencode

import httpx

from zrm.simulate.corpus import Citizen, follow_up
from zrm.simulate.scenario import Acknowledged, Refused, TryAgain

_RECENT: Final = 200


class SmsDoor:
    """Texts to one number of ours. `again` is the share of texts from citizens who have written before."""

    kind: ClassVar[str] = "sms"

    def __init__(
        self, web: httpx.Client, public_url: str, number: str, account_sid: str, secret: str, *, again: float = 0.15
    ) -> None:
        self.web = web
        path = f"/hooks/twilio/sms/{number.removeprefix('+')}"
        self.path, self.signed_url = path, public_url.rstrip("/") + path
        self._number, self._account_sid, self._secret = number, account_sid, secret.encode()
        self._again = again
        self._known: list[Citizen] = []

    def scenario(self, citizen: Citizen, chance: random.Random) -> Text:
        """A new text, or now and then a second one from the same phone."""
        text = citizen.text
        if self._known and chance.random() < self._again:
            citizen = chance.choice(self._known)
            text = follow_up(chance, citizen.language)
        elif len(self._known) < _RECENT:
            self._known.append(citizen)
        # Twilio's own ids never come twice, whatever the run's seed is.
        sid = "SM" + random.SystemRandom().randbytes(16).hex()
        fields = {
            "ToCountry": "IR",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "FromCountry": "IR",
            "Body": text,
            "To": self._number,
            "NumSegments": str(1 + len(text) // 67),
            "MessageSid": sid,
            "AccountSid": self._account_sid,
            "From": citizen.phone,
            "ApiVersion": "2010-04-01",
        }
        return Text(self, sid, fields)

    def signature(self, fields: dict[str, str]) -> str:
        """HMAC-SHA1 over the public URL and the sorted fields, in base64."""
        signed = self.signed_url + "".join(name + fields[name] for name in sorted(fields))
        return base64.b64encode(hmac.new(self._secret, signed.encode(), hashlib.sha1).digest()).decode()

    def close(self) -> None:
        """Closes nothing: the web client is its owner's."""


class Text:
    """One text message from Twilio."""

    def __init__(self, door: SmsDoor, sid: str, fields: dict[str, str]) -> None:
        self._door = door
        self._sid = sid
        self.body = urlencode(fields).encode()
        self.headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1",
            "X-Twilio-Signature": door.signature(fields),
            "I-Twilio-Idempotency-Token": sid[2:],
        }

    def go(self) -> Acknowledged:
        """Call the webhook once. Errors: TryAgain, Refused."""
        began = time.monotonic()
        try:
            answer = self._door.web.post(self._door.path, content=self.body, headers=self.headers)
        except httpx.TransportError as error:
            raise TryAgain(type(error).__name__) from None
        if answer.status_code >= 500 or answer.status_code == 429:
            raise TryAgain(str(answer.status_code))
        if answer.status_code != 200:
            raise Refused(f"{answer.status_code} {answer.text[:200]}")
        return Acknowledged(self._sid, time.monotonic() - began)
