"""What the desk gets from the code that composes the installation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from zrm.agent_api.live_connections import EventHub
from zrm.casework.context import SendingSetup
from zrm.casework.reply_routes import SendingAccount
from zrm.config import Settings
from zrm.contract.inbound import RawContact, Receipt
from zrm.dispatch.queues import Monitor
from zrm.insight.health import Health, RoleProblem
from zrm.kit.blobs import BlobStore
from zrm.kit.cookies import Cookie, cookie
from zrm.kit.db import Cursor, Database
from zrm.security.grants import Grants
from zrm.security.passkeys import RelyingParty
from zrm.ui.pages import Pages

if TYPE_CHECKING:
    from zrm.security.identity_provider import IdentityProvider

TEMPLATES = Path(__file__).parent / "pages" / "templates"


@dataclass(frozen=True)
class DeskContext:
    """Everything the desk needs. `senders` are our accounts that can answer, from the channels' capabilities;
    `own_addresses` ours on every channel, to which nothing is sent; `secret` keys its hashes; `monitor` reports on the
    queue, `health` on the roles (None: not asked). `receive` is the front desk's, for taken contacts (None: none can be
    taken). `pages` gets the desk's own templates as "desk/…".
    """

    settings: Settings
    database: Database
    blobs: BlobStore
    pages: Pages
    secret: bytes
    senders: tuple[SendingAccount, ...] = ()
    own_addresses: frozenset[str] = frozenset()
    monitor: Monitor | None = None
    receive: Callable[[RawContact], Receipt] | None = None
    health: Health | None = None
    hub: EventHub = field(default_factory=EventHub)

    def problems(self, cursor: Cursor, grants: Grants) -> list[RoleProblem]:
        """Which roles do not run, and what waits too long; nothing for an agent who does not handle deliveries
        everywhere.
        """
        return self.health.for_agent(cursor, grants) if self.health is not None else []

    @cached_property
    def sending(self) -> SendingSetup:
        """How answers leave this installation."""
        settings = self.settings
        return SendingSetup(self.senders, self.own_addresses, settings.mail_domain, settings.dispatch.hold)

    @cached_property
    def provider(self) -> IdentityProvider | None:
        """The organisation's identity provider, if the settings name one."""
        from zrm.security.identity_provider import IdentityProvider  # libraries that few installations need

        settings = self.settings.security.identity_provider
        if settings is None:
            return None
        return IdentityProvider(settings, f"{self.settings.public_url.rstrip('/')}/desk/sign-in/provider/answer")

    @cached_property
    def passkey_site(self) -> RelyingParty | None:
        """What passkeys are bound to; None where browsers allow none."""
        return RelyingParty.of(self.settings.public_url)

    def __post_init__(self) -> None:
        """Make the desk's templates known to the renderer."""
        self.pages.add_folder("desk", TEMPLATES)

    @property
    def secure(self) -> bool:
        """Whether the public address is https, so that cookies can require it."""
        return self.settings.public_url.startswith("https:")

    def cookie(self, name: str, path: str) -> Cookie:
        """The name of one of the desk's cookies in this installation."""
        return cookie(name, path, secure=self.secure)


async def desk_context(request: Request) -> DeskContext:
    """The desk that the application serves (`agent_api.install`)."""
    context: DeskContext = request.app.state.desk
    return context


Desk = Annotated[DeskContext, Depends(desk_context)]
"""A route's parameter: the desk it belongs to."""
