"""Kannel, described as an HTTP provider by `config`, so that an operator need not look its interface up."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from zrm.channels.sms.gateway.config import HttpGateway, Pick, Receiving, Reporting, Sending, Success, Token


class KannelGateway(BaseModel):
    """A Kannel of our own: smsbox sends, and calls us with what comes in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["kannel"] = Field(description="A Kannel of our own.")
    send_url: str = Field(description="smsbox's address for sending, such as http://127.0.0.1:13013/cgi-bin/sendsms.")
    username: str = Field(description="Of the group sendsms-user.")
    password: str = Field(min_length=4, description="As ${NAME}.")
    token: str = Field(min_length=8, description="As ${NAME}: the key that Kannel repeats in its calls to us.")
    smsc: str | None = Field(default=None, description="The smsc-id to send by, if Kannel has several.")
    timeout: float = Field(default=15, gt=0, le=120, description="Seconds to wait for Kannel, for each step.")

    def described(self) -> HttpGateway:
        """The same as the description of an HTTP provider."""
        fields: dict[str, JsonValue] = {
            "username": self.username,
            "password": self.password,
            "to": "{to}",
            "from": "{from}",
            "text": "{text}",
            "charset": "UTF-8",
            "coding": "{coding}",
            "dlr-mask": 27,  # arrived, did not arrive, taken by the network, refused by the network
            "dlr-url": f"{{report_url}}?ref={{id}}&state=%d&key={self.token}",
        }
        if self.smsc is not None:
            fields["smsc"] = self.smsc
        key = Token(field="key", value=self.token)
        return HttpGateway(
            kind="http",
            timeout=self.timeout,
            send=Sending(
                url=self.send_url,
                method="GET",
                body="query",
                fields=fields,
                success=Success(at=Pick(pattern=r"^\s*([03]):")),
            ),
            receive=Receiving.model_validate(
                {
                    "body": "query", "token": key, "from": "from", "to": "to", "text": "text", "id": "id",
                    "time": "time", "coding": "coding",
                }
            ),
            report=Reporting(
                body="query",
                token=key,
                our_id="ref",
                state="state",
                states={"delivered": ["1"], "sent": ["4", "8"], "failed": ["2", "16"]},
            ),
        )  # fmt: skip

    def secrets(self) -> list[str]:
        """The secrets that must never reach a log."""
        return [self.password, self.token]
