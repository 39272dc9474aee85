"""How a message centre is reached by SMPP."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from zrm.channels.sms.alphabet import Plain


class SmppGateway(BaseModel):
    """An SMSC. One listener binds as receiver; every worker that sends binds as transmitter while it has something to send."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["smpp"] = Field(description="A network's message centre (SMSC), reached by SMPP.")
    host: str = Field(description="The SMSC's host name or address.")
    port: int = Field(default=2775, ge=1, le=65535, description="The SMSC's port.")
    system_id: str = Field(
        pattern=r"^[!-~]{1,15}$",
        json_schema_extra={"expected": "at most 15 ASCII characters without a space"},
        description="Our name there.",
    )
    password: str = Field(
        pattern=r"^[ -~]{1,8}$",
        json_schema_extra={"expected": "at most 8 ASCII characters, as SMPP allows no more"},
        description="As ${NAME}; SMPP allows eight characters.",
    )
    system_type: str = Field(
        default="",
        pattern=r"^[ -~]{0,12}$",
        json_schema_extra={"expected": "at most 12 ASCII characters"},
        description="A word for our kind of system, where the network wants one.",
    )
    bind: Literal["receiver", "transceiver"] = Field(
        default="receiver", description="How the listener binds; a few networks send reports to transceivers only."
    )
    alphabet: Plain = Field(default="gsm", description="What data coding 0 means at this SMSC, both ways.")
    message_ids: Literal["as_given", "hex_then_decimal", "decimal_then_hex"] = Field(
        default="as_given", description="How ids are written when a message is taken, and then in its report."
    )
    window: int = Field(default=100, ge=1, le=1000, description="Messages from the SMSC being kept at the same time.")
    enquire_link: float = Field(default=30, ge=0.1, description="Seconds of silence after which the line is tested.")
    timeout: float = Field(default=15, gt=0, le=120, description="Seconds to wait for the SMSC.")
    per_second: float = Field(
        default=0, ge=0, description="Parts a worker hands over in a second at most; 0: no limit."
    )
    part_minutes: float = Field(
        default=10, gt=0, description="Minutes a long message waits for its missing parts before it is filed without."
    )

    def secrets(self) -> list[str]:
        """The secrets that must never reach a log."""
        return [self.password]
