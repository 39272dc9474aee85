"""The description of an HTTP provider: our requests to it, and how its answers, messages and reports are read."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

PLACES = frozenset({"to", "from", "text", "id", "report_url", "coding"})
"""The placeholders in our requests: our number and theirs, the text, our reply's id, the address for reports, 0 (GSM-7)
or 2 (UCS-2)."""

_PLACE = re.compile(r"\{([a-z_]+)\}")


def _compiles(pattern: str) -> str:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if compiled.groups != 1:
        raise ValueError("expected a regular expression with one (group)")
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
Digest = Literal["sha1", "sha256", "sha512"]


class _GatewayPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pick(_GatewayPart):
    """Where a value is: `path` in JSON ("data.0.id") or the name of a form field, or the group of a `pattern`."""

    path: str | None = Field(
        default=None, min_length=1, description="Keys and positions with dots between, or a field."
    )
    pattern: Pattern | None = Field(
        default=None, description="A regular expression over the whole body, with one group."
    )

    @model_validator(mode="after")
    def _one(self) -> Pick:
        if (self.path is None) == (self.pattern is None):
            raise ValueError("expected path or pattern")
        return self


class Signature(_GatewayPart):
    """HMAC of a body (of the query where there is no body), carried in a header."""

    header: str = Field(description="The header that carries it.")
    secret: str = Field(min_length=8, description="The shared key, as ${NAME}.")
    digest: Digest = Field(default="sha256", description="The hash function.")
    encoding: Literal["hex", "base64"] = Field(default="hex", description="How the signature is written.")
    prefix: str = Field(default="", description='What stands before it in the header, such as "sha256=".')


class Token(_GatewayPart):
    """A shared secret that the provider sends with each of its requests."""

    header: str | None = Field(default=None, description="The header that carries it.")
    field: str | None = Field(default=None, description="Or the field of the query or form that carries it.")
    value: str = Field(min_length=8, description="The secret, as ${NAME}.")

    @model_validator(mode="after")
    def _one(self) -> Token:
        if (self.header is None) == (self.field is None):
            raise ValueError("expected header or field")
        return self


class Basic(_GatewayPart):
    """A user name and password for every request of ours."""

    username: str = Field(description="Our name at the provider.")
    password: str = Field(min_length=1, description="As ${NAME}.")


class Success(_GatewayPart):
    """When an answer means "taken". Without it every 2xx does."""

    at: Pick = Field(description="Where the answer says so.")
    values: list[str] = Field(default_factory=list, description="The values that mean taken; empty: any value does.")


class Asking(_GatewayPart):
    """A request of ours."""

    places: ClassVar[frozenset[str]] = PLACES

    url: str = Field(description="The address; {places} allowed in its query.")
    method: Literal["GET", "POST", "PUT"] = Field(default="POST", description="The HTTP method.")
    body: Literal["json", "form", "query"] = Field(default="json", description="Where the fields go.")
    fields: dict[str, JsonValue] = Field(description="The fields, nested as the provider wants them, with {places}.")
    headers: dict[str, str] = Field(
        default_factory=dict, description="Headers, such as an Authorization with a ${KEY}."
    )
    basic: Basic | None = Field(default=None, description="If we sign in with a name and a password (HTTP Basic).")
    signature: Signature | None = Field(default=None, description="If we sign what we ask with a shared key.")

    @field_validator("url")
    @classmethod
    def _web(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in ("http", "https") or not url.hostname or "{" in url.netloc + url.path:
            raise ValueError("expected an http or https address, with {places} in its query only")
        return value

    @model_validator(mode="after")
    def _known_places(self) -> Self:
        unknown = {place for place in _PLACE.findall(f"{self.url} {self.fields}") if place not in self.places}
        if unknown:
            raise ValueError(f"unknown {{places}} {sorted(unknown)}; there are {sorted(self.places)}")
        if self.body == "query" and not all(isinstance(value, str | int | float) for value in self.fields.values()):
            raise ValueError("fields of a query cannot be nested")
        return self

    def secrets(self) -> list[str]:
        """The secrets that must never reach a log."""
        found = [*self.headers.values(), *(str(value) for value in self.fields.values() if "{" not in str(value))]
        found = [value for value in found if len(value) >= 8 and not value.startswith("http")]
        found += [self.signature.secret] if self.signature is not None else []
        return found + ([self.basic.password] if self.basic is not None else [])


class Sending(Asking):
    """How one message is sent."""

    numbers: Literal["e164", "digits", "national"] = Field(
        default="e164", description="How phone numbers are written: +98912…, 98912… or 0912…"
    )
    max_text: int = Field(default=1000, ge=1, le=10000, description="Characters the provider takes in one message.")
    success: Success | None = Field(
        default=None, description="When an answer means that the message was taken; without it every 2xx does."
    )
    message_id: Pick | None = Field(default=None, description="Where the answer has the provider's id of the message.")
    code: Pick | None = Field(default=None, description="Where a refusal has its code.")
    errors: dict[Literal["throttled", "unreachable", "opted_out", "settings", "invalid"], list[str]] = Field(
        default_factory=dict, description="What the codes mean; any other code is a plain refusal."
    )


class Hook(_GatewayPart):
    """What all requests of the provider to us have in common. One of `token` and `signature` is needed."""

    body: Literal["json", "form", "query"] = Field(default="json", description="Where the provider puts its fields.")
    charset: str = Field(default="utf-8", description="The encoding of forms and queries.")
    token: Token | None = Field(default=None, description="If the provider proves itself by a shared secret.")
    signature: Signature | None = Field(
        default=None, description="If the provider signs its requests with a shared key."
    )
    answer: str = Field(default="", description="The text with which the provider wants to be answered.")

    @model_validator(mode="after")
    def _guarded(self) -> Hook:
        if self.token is None and self.signature is None:
            raise ValueError("expected token or signature: else anyone could send texts in a citizen's name")
        if self.body == "json" and self.token is not None and self.token.field:
            raise ValueError("a token's field is for queries and forms; expected header")
        return self

    @field_validator("charset")
    @classmethod
    def _known_charset(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError("expected a character set such as utf-8 or windows-1256") from None
        return value


class Segment(_GatewayPart):
    """Where a provider that delivers long messages in single parts says which part this is."""

    reference: str = Field(description="Where the number is that the parts of one message share.")
    number: str = Field(description="Where the part's place is, from 1.")
    total: str = Field(description="Where the number of parts is; less than 2: a message in one piece.")
    minutes: float = Field(
        default=10, gt=0, description="Minutes a long message waits for its missing parts before it is filed without."
    )


class Message(_GatewayPart):
    """The positions of the fields in a citizen's message."""

    from_: str = Field(alias="from", description="Where the citizen's number is.")
    text: str = Field(description="Where the words are.")
    to: str | None = Field(default=None, description="Where our number is; not needed if the provider has only one.")
    id: str | None = Field(default=None, description="Where the provider's id of the message is.")
    time: str | None = Field(
        default=None, description="Where the time is; with the words it stands in for a missing id."
    )
    part: Segment | None = Field(default=None, description="If long messages come in parts: where these are numbered.")

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if self.id is None and self.time is None:
            raise ValueError("expected id or time: else the same words on another day would be the same message")
        return self


class Receiving(Hook, Message):
    """How a citizen's message arrives."""

    coding: str | None = Field(
        default=None, description="Where a data coding is, 2 or 8 meaning that the words are raw UTF-16 (Kannel)."
    )


class GatewayInbox(Asking, Message):
    """A list of messages at the provider that we poll, so that an outage of ours loses nothing."""

    places: ClassVar[frozenset[str]] = frozenset({"skip"})

    each: str = Field(default="", description="Where the list is in the answer's JSON; left out: the answer is it.")
    every: float = Field(default=60, ge=1, description="Seconds between two questions.")


class Reporting(Hook):
    """How a delivery report arrives: by the provider's id, or by our own that went out as {id}."""

    each: str | None = Field(default=None, description="Where a list of reports is, if many come in one request.")
    id: str | None = Field(default=None, description="Where the provider's id of our message is.")
    our_id: str | None = Field(default=None, description="Or where our own {id} is.")
    state: str = Field(description="Where the state is.")
    states: dict[Literal["sent", "delivered", "failed"], list[str]] = Field(
        description="What the provider's states mean; others are recorded and ignored."
    )
    reason: str | None = Field(default=None, description="Where a failure's reason is.")

    @model_validator(mode="after")
    def _of_something(self) -> Reporting:
        if self.id is None and self.our_id is None:
            raise ValueError("expected id or our_id")
        return self


class HttpGateway(_GatewayPart):
    """A provider with an HTTP interface."""

    kind: Literal["http"] = Field(description="Any provider that is reached by HTTP, described here.")
    send: Sending | None = Field(
        default=None, description="How an answer is handed over; without it none is sent here."
    )
    receive: Receiving | None = Field(default=None, description="How the provider brings us a citizen's message.")
    inbox: GatewayInbox | None = Field(
        default=None, description="Where messages lie at the provider's until we ask for them."
    )
    report: Reporting | None = Field(default=None, description="How the provider says what became of an answer.")
    timeout: float = Field(default=15, gt=0, le=120, description="Seconds to wait for the provider, for each step.")

    def secrets(self) -> list[str]:
        """The secrets that must never reach a log."""
        found = [secret for asking in (self.send, self.inbox) if asking is not None for secret in asking.secrets()]
        for hook in (self.receive, self.report):
            if hook is not None and hook.signature is not None:
                found.append(hook.signature.secret)
            if hook is not None and hook.token is not None:
                found.append(hook.token.value)
        return found
