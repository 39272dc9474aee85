"""A passkey's challenge and response over two requests: the challenge is kept in a sealed cookie."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from uuid import UUID

from fastapi import Request, Response

from zrm.agent_api.context import DeskContext
from zrm.agent_api.sealed_cookies import SealedCookie, SealedState
from zrm.errors import NotFound
from zrm.kit.db import Cursor
from zrm.security import passkeys
from zrm.security.passkeys import RelyingParty

_MAKE, _USE = "make", "use"


class PasskeyRequest:
    """Creates and uses passkeys. Errors of all its steps: NotFound where browsers allow no passkey."""

    def __init__(self, context: DeskContext) -> None:
        self._context = context
        seconds = int(passkeys.ANSWER_WITHIN.total_seconds())
        self._cookie = SealedCookie(context, "zrm_passkey", "/desk", seconds=seconds)

    def has_any(self, cursor: Cursor, agent_id: UUID) -> bool:
        """Whether the agent has a passkey."""
        return bool(passkeys.of_agent(cursor, agent_id))

    def to_use(self, agent_id: UUID | None = None) -> Response:
        """What the browser needs to use one of the agent's, or (None) any that its user chooses."""
        return self._question(_USE, lambda cursor, challenge: passkeys.options_to_use(cursor, self._site, challenge, agent_id))  # fmt: skip

    def to_make(self, agent_id: UUID, *, login: str, name: str, organisation: str) -> Response:
        """What the browser needs to create one for the agent."""
        return self._question(
            _MAKE,
            lambda cursor, challenge: passkeys.options_to_make(
                cursor, self._site, challenge, agent_id, login=login, name=name, organisation=organisation
            ),
        )

    def used(self, request: Request, answer: str, agent_id: UUID | None = None) -> UUID | None:
        """The agent whose passkey answered; None if none did, or not one of this agent's."""
        state = self._cookie.read(request, _USE)
        if state is None:
            return None
        with self._context.database.cursor() as cursor:
            return passkeys.use(cursor, self._site, bytes.fromhex(state.secrets[0]), answer, agent_id)

    def made(self, request: Request, answer: str, agent_id: UUID, name: str) -> bool:
        """Store the passkey that the browser created for the agent; False if it does not answer our challenge."""
        state = self._cookie.read(request, _MAKE)
        if state is None:
            return False
        with self._context.database.cursor() as cursor:
            return passkeys.make(cursor, self._site, bytes.fromhex(state.secrets[0]), agent_id, answer, name)

    def drop(self, response: Response) -> None:
        """Remove the challenge: it has been answered."""
        self._cookie.drop(response)

    @property
    def _site(self) -> RelyingParty:
        if self._context.passkey_site is None:
            raise NotFound("no passkeys at this address")
        return self._context.passkey_site

    def _question(self, purpose: str, options: Callable[[Cursor, bytes], str]) -> Response:
        challenge = secrets.token_bytes(32)
        with self._context.database.cursor() as cursor:
            text = options(cursor, challenge)
        response = Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})
        self._cookie.write(response, SealedState(purpose, (challenge.hex(),)))
        return response
