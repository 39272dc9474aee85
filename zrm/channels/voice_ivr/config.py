"""The `voice_ivr` section of config.yaml."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address

from pydantic import Field, field_validator

from zrm.channels.channel import ChannelConfig
from zrm.channels.voice_ivr.number_prompts import GRAMMARS
from zrm.languages import Language

Network = IPv4Network | IPv6Network


class VoiceConfig(ChannelConfig):
    """How Asterisk reaches the telephone door, and the time limits of calls. Times in seconds."""

    host: str = Field(default="127.0.0.1", description="address the FastAGI server listens on")
    port: int = Field(default=4573, ge=1, le=65535, description="TCP port of the FastAGI server")
    allowed_peers: list[Network] = Field(
        default=[IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")],
        min_length=1,
        description="the Asterisk machines that may connect; AGI has no password, so keep this narrow",
    )
    accounts: list[str] = Field(
        default=[], description="dialled numbers this door answers for; empty: all that Asterisk sends"
    )
    recordings: str | None = Field(
        default=None,
        description="folder of recordings, at the same path for Asterisk and for ZRM, both may write; default <data_dir>/recordings",
    )
    prompts: str | None = Field(
        default=None,
        description="folder with your own prompts as fa/NAME.wav and en/NAME.wav, preferred over the spoken ones",
    )
    languages: list[Language] = Field(
        default=list(GRAMMARS), min_length=1, description="languages offered; the first is key 1, the second key 2"
    )
    max_calls: int = Field(
        default=120, ge=1, le=2000, description="calls at once; one more is sent back to the dialplan"
    )
    max_recording_seconds: int = Field(default=300, ge=5, le=3600, description="longest message")
    silence_seconds: int = Field(
        default=6, ge=0, le=60, description="silence that ends a message; 0: only a key or hanging up"
    )
    key_seconds: float = Field(default=6, ge=1, le=60, description="how long to wait for a key")
    settle_seconds: float = Field(default=10, ge=1, description="an orphaned recording untouched this long is taken in")
    finish_seconds: float = Field(default=30, ge=0, description="at a stop, how long running calls may go on")

    @field_validator("languages")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("each language once")
        if mute := set(value) - GRAMMARS.keys():
            raise ValueError(f"the telephone does not speak {', '.join(sorted(mute))}")
        return value

    def allows(self, peer: str) -> bool:
        """Whether an Asterisk at this IP address may connect."""
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.allowed_peers)
