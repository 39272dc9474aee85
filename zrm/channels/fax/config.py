"""The section `channels.fax` of config.yaml."""

from __future__ import annotations

import stat
from pathlib import Path

from pydantic import Field, model_validator

from zrm.channels.channel import ChannelConfig
from zrm.errors import ConfigError


class FaxConfig(ChannelConfig):
    """Fax. Fax servers post faxes over HTTP (`token` or `token_file`) or put them into `spool`."""

    token: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._~+/=-]{16,200}$",
        json_schema_extra={"expected": "16 to 200 ASCII letters, digits and . _ ~ + / = -"},
        description="As ${NAME}: the secret the fax machines' hooks show.",
    )
    token_file: Path | None = Field(
        default=None, description="A file that only its owner may read, holding that secret; in place of token."
    )
    spool: str | None = Field(
        default="spool/fax", description="Folder faxes are dropped into, below data_dir or absolute; null for none."
    )
    line: str = Field(
        default="fax",
        pattern=r"^[A-Za-z0-9+*#_-]{1,32}$",
        json_schema_extra={"expected": "at most 32 ASCII letters, digits and + * # _ -"},
        description="Name of our fax line where the hook does not know the called number.",
    )
    max_mb: int = Field(default=32, ge=1, le=256, description="The largest fax taken, in megabytes.")
    poll: float = Field(default=1.0, gt=0, le=60, description="Seconds between two looks into the spool.")
    orphan_seconds: float = Field(
        default=600, ge=1, description="Seconds after which a TIFF without its note is taken as it is."
    )
    keep_days: float = Field(
        default=7, ge=0, description="Days a received file stays in the spool's done/; the hub has its own copy."
    )

    @model_validator(mode="after")
    def _one_token(self) -> FaxConfig:
        if self.token and self.token_file:
            raise ValueError("expected token or token_file, not both")
        return self

    @property
    def max_bytes(self) -> int:
        """The largest fax taken, in bytes."""
        return self.max_mb * 1024 * 1024


def read_token(config: FaxConfig) -> str | None:
    """The HTTP door's secret; None if it is not configured. Errors: ConfigError for a file unfit to hold it."""
    if config.token_file is None:
        return config.token
    path = config.token_file
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigError(f"channels.fax.token_file: cannot be read: {type(error).__name__}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError("channels.fax.token_file: others may read it; expected mode 0600")
    if len(token) < 16:
        raise ConfigError("channels.fax.token_file: expected a secret of at least 16 characters")
    return token
