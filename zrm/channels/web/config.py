"""The web door's section of config.yaml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from zrm.channels.channel import ChannelConfig


class ContactDetails(BaseModel):
    """Other ways to reach the organisation, shown on the first page with what each offers (a code, an answer).

    Empty ones are not shown, nor those whose channel is not open here: contacts to them would never become a case. A
    telephone number is always shown, because agents answer it too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sms: str = Field(default="", max_length=40, description="Number or short code for text messages.")
    phone: str = Field(default="", max_length=40, description="Telephone number that is answered.")
    fax: str = Field(default="", max_length=40, description="Fax number.")
    email: str = Field(default="", max_length=254, description="E-mail address for the public.")


class WebConfig(ChannelConfig):
    """The citizen's portal and the JSON door. Sizes in bytes, text lengths in characters, times in minutes."""

    account: str = Field(
        default="portal", min_length=1, max_length=100, description="Our name for this form, kept with each contact."
    )
    reach: ContactDetails = Field(
        default=ContactDetails(), description="Other ways to reach us, shown on the first page."
    )
    max_text: int = Field(default=20_000, ge=500, le=200_000, description="Longest message.")
    max_files: int = Field(default=10, ge=0, le=50, description="Most attachments of one message; 0 offers none.")
    max_file_bytes: int = Field(default=20_000_000, ge=10_000, description="Largest single attachment.")
    max_total_bytes: int = Field(default=50_000_000, ge=20_000, description="Largest request, everything together.")
    receipt_minutes: int = Field(
        default=30, ge=1, le=1440, description="How long the page with the code can be shown again."
    )
    proof_minutes: int = Field(
        default=30, ge=1, le=1440, description="How long a proven citizen may read without proving again."
    )
    api: bool = Field(default=True, description="Whether POST /api/contacts is open at all.")
    api_keys: dict[str, SecretStr] = Field(
        default_factory=dict, description="Integrators' names and keys; if any is given, every JSON request needs one."
    )
