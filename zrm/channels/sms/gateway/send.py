"""Sends a message to a described provider and judges its answer: no result is reported that is not certain."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

import httpx
import phonenumbers

from zrm.channels.sms import messages
from zrm.channels.sms.gateway.config import Asking, HttpGateway, Sending, Signature
from zrm.channels.sms.gateway.fields import pick
from zrm.contract.errors import (
    ConfigInvalid,
    ConnectionFailed,
    OutcomeUnknown,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    ReplyInvalid,
    SendError,
    Throttled,
)
from zrm.contract.inbound import JSON
from zrm.contract.outbound import Reply, Sent
from zrm.contract.reasons import Reason
from zrm.kit.gsm import cost

_PLACE: Final = re.compile(r"\{([a-z_]+)\}")
_MEANINGS: Final[dict[str, tuple[type[SendError], Reason]]] = {
    "throttled": (Throttled, messages.GATEWAY_WAIT),
    "unreachable": (RecipientUnreachable, messages.NUMBER_WRONG),
    "opted_out": (RecipientOptedOut, messages.OPTED_OUT),
    "settings": (ConfigInvalid, messages.GATEWAY_SETTINGS),
    "invalid": (ReplyInvalid, messages.GATEWAY_REJECTED),
}


def send(name: str, gateway: HttpGateway, sender: str, reply: Reply, report_url: str) -> Sent:
    """Send one message; `name` the gateway's in the configuration. Errors: SendError and nothing else."""
    how = gateway.send
    if how is None:
        raise ConfigInvalid(messages.GATEWAY_RECEIVES_ONLY)
    if len(reply.text) > how.max_text:
        raise ReplyInvalid(messages.GATEWAY_TOO_LONG)
    values = {
        "to": _number(reply.to, how.numbers),
        "from": _number(sender, how.numbers),
        "text": reply.text,
        "id": str(reply.id),
        "report_url": report_url,
        "coding": "0" if cost(reply.text).encoding == "GSM-7" else "2",
    }
    try:
        with httpx.Client(timeout=gateway.timeout, follow_redirects=False) as client:
            answer = client.send(request_of(client, how, values))
            text = answer.text
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError):
        raise ConnectionFailed(messages.GATEWAY_NOT_REACHED) from None
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError):
        raise ConfigInvalid(messages.GATEWAY_SETTINGS) from None
    except httpx.RequestError:
        raise OutcomeUnknown(messages.UNKNOWN) from None
    reference = judge(how, answer.status_code, text, answer.headers)
    return Sent(f"{name}:{reference}" if reference else "", final=False)


def judge(how: Sending, status: int, text: str, headers: Mapping[str, str]) -> str:
    """The provider's id in an answer that means "taken", empty if it gives none. Errors: SendError."""
    code = (pick(how.code, text) if how.code else None) or ""
    meaning = next((meaning for meaning, codes in how.errors.items() if code in codes), None)
    taken = 200 <= status < 300
    if taken and how.success is not None:
        found = pick(how.success.at, text)
        taken = found is not None and (not how.success.values or found in how.success.values)
        if not taken and not code and found is None:
            raise OutcomeUnknown(messages.UNKNOWN, code=str(status))  # a success in a format that is not described
    if taken:
        reference = pick(how.message_id, text) if how.message_id else ""
        if reference is None:
            raise OutcomeUnknown(messages.UNKNOWN, code=str(status))
        return reference[:200]
    shown = (code or str(status))[:40]
    if meaning is not None:
        kind, reason = _MEANINGS[meaning]
        raise kind(reason, code=shown)
    if status in (429, 503):
        wait = headers.get("retry-after", "")
        raise Throttled(messages.GATEWAY_WAIT, code=shown, retry_after=float(wait) if wait.isdigit() else None)
    if status >= 500:
        raise OutcomeUnknown(messages.UNKNOWN, code=shown)
    if status in (401, 403, 404, 405) or 300 <= status < 400:
        raise ConfigInvalid(messages.GATEWAY_SETTINGS, code=shown)
    raise Rejected(messages.GATEWAY_REJECTED, code=shown)


def sign(how: Signature, data: bytes) -> str:
    """The header's value for some data."""
    digest = hmac.new(how.secret.encode(), data, getattr(hashlib, how.digest))
    return how.prefix + (digest.hexdigest() if how.encoding == "hex" else b64encode(digest.digest()).decode())


def request_of(client: httpx.Client, how: Asking, values: Mapping[str, str]) -> httpx.Request:
    """A described request with its places filled."""
    fields = {name: _fill(value, values) for name, value in how.fields.items()}
    url, _, query = how.url.partition("?")
    params: list[tuple[str, str | int | float | bool | None]] = [
        (place, str(_fill(value, values))) for place, value in httpx.QueryParams(query).multi_items()
    ]
    headers = dict(how.headers)
    content: bytes | None = None
    if how.body == "query":
        params += [(name, str(value)) for name, value in fields.items()]
    elif how.body == "form":
        content = str(httpx.QueryParams({name: str(value) for name, value in fields.items()})).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
    else:
        content = json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")
        headers["Content-Type"] = "application/json; charset=utf-8"
    if how.signature is not None:
        signed = content if content is not None else str(httpx.QueryParams(params)).encode()
        headers[how.signature.header] = sign(how.signature, signed)
    auth = (how.basic.username, how.basic.password) if how.basic else None
    request = client.build_request(how.method, url, params=params or None, content=content, headers=headers)
    return next(httpx.BasicAuth(*auth).auth_flow(request)) if auth else request


def _fill(value: object, values: Mapping[str, str]) -> JSON:
    """A template with its placeholders filled, at any depth; placeholders in the values are not replaced."""
    if isinstance(value, str):
        return _PLACE.sub(lambda match: values.get(match[1], match[0]), value)
    if isinstance(value, list):
        return [_fill(item, values) for item in value]
    if isinstance(value, dict):
        return {str(key): _fill(item, values) for key, item in value.items()}
    return value if isinstance(value, bool | int | float) else None


def _number(number: str, form: str) -> str:
    if not number.startswith("+"):
        return number  # a short code or a name
    if form == "digits":
        return number[1:]
    if form == "national":
        try:
            parsed = phonenumbers.parse(number)
        except phonenumbers.NumberParseException:
            return number[1:]
        return "".join(
            character
            for character in phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
            if character.isdigit()
        )
    return number
