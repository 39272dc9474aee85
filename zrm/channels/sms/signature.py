"""Whether a webhook is Twilio's own: HMAC over the public URL and the sorted fields.

Twilio's RequestValidator decides in the end; before it the same HMAC is tried with a precomputed key and nothing
parsed, because this check runs for every incoming message.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from hashlib import sha1
from urllib.parse import urlparse

from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import (
    HMAC_SHA1,
    RequestValidator,
    add_port,
    get_signature_algorithm,
    remove_port,
)

from zrm.channels.sms.form import Fields


class Signatures:
    """Checks the signatures of one account's webhooks. `public_url` is the hub's address as Twilio sees it."""

    def __init__(self, secret: str, public_url: str) -> None:
        self._library = RequestValidator(secret)
        self._key = hmac.new(secret.encode(), digestmod=sha1)
        self._public_url = public_url
        parsed = urlparse(public_url)
        # Twilio signs with the port or without it, whatever the address in its console says.
        self._origins = tuple(dict.fromkeys((remove_port(parsed).encode(), add_port(parsed).encode())))

    def genuine(self, target: bytes, fields: Fields, signature: bytes, settings: bytes = b"") -> bool:
        """Whether `signature` fits `target` (raw path and query) and `fields`.

        `signature` and `settings` are the headers X-Twilio-Signature and X-Twilio-Webhooks-Signature-Settings.
        """
        algorithm = get_signature_algorithm(settings.decode("latin-1"))
        if algorithm == HMAC_SHA1:
            text = "".join(name + value for name, value in sorted(set(fields))).encode()
            for origin in self._origins:
                mac = self._key.copy()
                mac.update(origin + target + text)
                if hmac.compare_digest(b64encode(mac.digest()), signature):
                    return True
        return bool(
            self._library.validate(
                self._public_url + target.decode("latin-1"),
                ImmutableMultiDict(fields),
                signature.decode("latin-1"),
                algorithm,
            )
        )
