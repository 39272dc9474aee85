"""The channels `call`, `visit` and `letter`: their door is the desk's form "New contact", and they send no answers.

The body is JSON: {"text": "…", "name": "…", "phone": "…", "email": "…", "nature": "…"}; every key but `text` may be
missing. `envelope` holds `agent`, the id of the agent who entered it. Name and addresses are as the citizen stated
them, so they are claimed.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from zrm.channels.channel import ChannelConfig, Installation
from zrm.contract.addresses import EMAIL, PHONE, Sender
from zrm.contract.capabilities import Capabilities
from zrm.contract.errors import ReplyInvalid, Unparseable
from zrm.contract.files import InboundFile
from zrm.contract.inbound import Inbound, Parsed, RawContact
from zrm.contract.outbound import Reply, Sent
from zrm.contract.reasons import declare
from zrm.kit.text import clean, clean_line

_FIELDS: Final = declare("taken.fields", "not a contact taken at the desk; look at: %(fields)s")
_NOBODY: Final = declare("taken.nobody", "not a contact taken at the desk; it names no agent")
_NO_ANSWERS: Final = declare("taken.no_answers", "this channel cannot carry answers")
_TITLE: Final = 80  # characters
_TakenLine = Annotated[str, StringConstraints(strip_whitespace=True, max_length=320)]


class _TakenPayload(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    name: _TakenLine = ""
    phone: _TakenLine = ""
    email: _TakenLine = ""
    nature: _TakenLine = ""


class _TakenChannel:
    """The common base of the three."""

    kind: ClassVar[str]
    Config: ClassVar[type[ChannelConfig]] = ChannelConfig
    can: ClassVar[Capabilities]

    def __init__(self, config: ChannelConfig, installation: Installation) -> None:
        self.config = config

    def parse(self, raw: RawContact) -> list[Parsed]:
        """One Inbound. Errors: Unparseable, naming the fields but never repeating their values."""
        try:
            payload = _TakenPayload.model_validate_json(raw.body)
            agent = UUID(str(raw.envelope.get("agent", "")))
        except ValidationError as error:
            fields = sorted({".".join(map(str, one["loc"])) or "body" for one in error.errors(include_input=False)})
            raise Unparseable(_FIELDS(fields=", ".join(fields)[:400])) from None
        except ValueError:
            raise Unparseable(_NOBODY) from None
        name = clean_line(payload.name)
        senders = [
            Sender(kind, address, name, claimed=True)
            for kind, address in ((PHONE, payload.phone), (EMAIL, payload.email))
            if address.strip()
        ]
        text = clean(payload.text)
        return [
            Inbound(
                senders=tuple(senders),
                name="" if senders else name,
                text=text,
                title=_title_of(text),
                files=tuple(InboundFile(file.name, file.media_type, stored=file, role=file.role) for file in raw.files),
                nature=payload.nature,
                code_told=True,
                taken_by=agent,
            )
        ]

    def send(self, reply: Reply) -> Sent:
        """Errors: ReplyInvalid, always: these citizens are answered by telephone number or e-mail address."""
        raise ReplyInvalid(_NO_ANSWERS)

    def accounts(self) -> list[str]:
        """None: this channel sends nothing."""
        return []

    def redact(self) -> list[str]:
        """No secrets."""
        return []

    def check(self) -> list[str]:
        """Nothing is configured, so nothing can be wrong."""
        return []


class CallChannel(_TakenChannel):
    """A telephone call that an agent took."""

    kind: ClassVar[str] = "call"
    can: ClassVar[Capabilities] = Capabilities(
        names={"fa": "تماس تلفنی با کارشناس", "en": "Call taken at the desk"},
        in_sentence={"fa": "با تماس تلفنی با کارشناس", "en": "by a call taken at the desk"},
        icon="phone",
        taken_down=True,
    )


class VisitChannel(_TakenChannel):
    """A citizen's visit in person."""

    kind: ClassVar[str] = "visit"
    can: ClassVar[Capabilities] = Capabilities(
        names={"fa": "مراجعهٔ حضوری", "en": "Visit"},
        in_sentence={"fa": "با مراجعهٔ حضوری", "en": "in a visit"},
        icon="building-bank",
        taken_down=True,
    )


class LetterChannel(_TakenChannel):
    """A letter on paper."""

    kind: ClassVar[str] = "letter"
    can: ClassVar[Capabilities] = Capabilities(
        names={"fa": "نامهٔ کاغذی", "en": "Letter"},
        in_sentence={"fa": "با نامهٔ کاغذی", "en": "by letter"},
        icon="mail",
        taken_down=True,
    )


def _title_of(text: str) -> str:
    """The beginning of the text, cut between words if possible."""
    line = clean_line(text.split("\n", 1)[0])
    if len(line) <= _TITLE:
        return line
    head, _, rest = line[:_TITLE].rpartition(" ")
    return f"{head or rest[:-1]}…"
