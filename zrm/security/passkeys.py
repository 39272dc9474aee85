"""Passkeys (WebAuthn): a key in the agent's own device, which the device uses only for its owner.

The device must verify its user (a finger, a face, its own code), so a passkey counts as both steps. It is bound to our
public address: a page that looks like ours gets nothing. A challenge is accepted once. A key whose counter stands still
or goes back was copied, and is refused.

The library is loaded when a passkey is first used: that takes a second, which no other command should wait for.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, col, delete, select, update

from zrm.kit.db import Cursor, record, session_of
from zrm.kit.ids import new_id
from zrm.kit.tables import UNLOGGED, Table

if TYPE_CHECKING:
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

MOST: Final = 20
LONGEST_NAME: Final = 60
ANSWER_WITHIN: Final = timedelta(minutes=5)
_LONGEST_ANSWER: Final = 64 * 1024


class Passkey(Table, table=True):
    """A passkey as it is stored and as its owner sees it."""

    __tablename__ = "passkeys"
    __table_args__ = (Index("passkeys_agent", "agent_id"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    agent_id: UUID = Field(foreign_key="agents.id")
    credential_id: bytes = Field(unique=True)
    public_key: bytes
    sign_count: int = Field(sa_type=BigInteger)
    transports: list[str] = Field(sa_type=ARRAY(Text))
    name: str
    made_at: datetime
    used_at: datetime | None = None


class UsedChallenge(Table, table=True):
    """The hash of a challenge that was answered: a second answer does not count."""

    __tablename__ = "used_challenges"
    __table_args__ = UNLOGGED

    challenge_hash: str = Field(primary_key=True)
    at: datetime


class _StoredKey(NamedTuple):
    """What a passkey's signature is checked with."""

    id: UUID
    agent_id: UUID
    public_key: bytes
    sign_count: int


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """What passkeys are bound to: the public address's origin and its host."""

    origin: str
    host: str

    @classmethod
    def of(cls, public_url: str) -> RelyingParty | None:
        """None where browsers allow no passkey: at a bare IP address, and without TLS except on this machine."""
        parts = urlsplit(public_url)
        host = parts.hostname or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            secure = parts.scheme == "https" or host == "localhost" or host.endswith(".localhost")
            return cls(f"{parts.scheme}://{parts.netloc}", host) if host and secure else None
        return None


def of_agent(cursor: Cursor, agent_id: UUID) -> list[Passkey]:
    """The agent's passkeys, in the order they were made."""
    theirs = select(Passkey).where(Passkey.agent_id == agent_id).order_by(col(Passkey.id))
    return list(session_of(cursor).exec(theirs.execution_options(populate_existing=True)))


def options_to_make(
    cursor: Cursor, site: RelyingParty, challenge: bytes, agent_id: UUID, *, login: str, name: str, organisation: str
) -> str:
    """What the browser needs to create one, as JSON; a device that has one for this agent creates no second."""
    import webauthn
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name=organisation,
        user_name=login,
        user_id=agent_id.bytes,
        user_display_name=name,
        challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(of_agent(cursor, agent_id)),
    )
    return webauthn.options_to_json(options)


def options_to_use(cursor: Cursor, site: RelyingParty, challenge: bytes, agent_id: UUID | None = None) -> str:
    """What the browser needs to use one, as JSON: one of this agent's, or (None) any that its user chooses."""
    import webauthn
    from webauthn.helpers.structs import UserVerificationRequirement

    known = []
    if agent_id is not None:
        known = _descriptors(of_agent(cursor, agent_id))
    options = webauthn.generate_authentication_options(
        rp_id=site.host,
        challenge=challenge,
        allow_credentials=known,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def make(cursor: Cursor, site: RelyingParty, challenge: bytes, agent_id: UUID, answer: str, name: str) -> bool:
    """Store the passkey that a browser created; False if the response is not to our challenge, or there are `MOST`
    already.
    """
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException
    from webauthn.helpers.structs import AuthenticatorTransport

    if len(answer) > _LONGEST_ANSWER:
        return False
    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
        given = json.loads(answer)["response"].get("transports") or []
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError):
        return False
    transports = [one for one in given if isinstance(one, str) and one in set(AuthenticatorTransport)][:8]
    if not _first_answer(cursor, challenge):
        return False
    cursor.execute(
        "INSERT INTO passkeys (id, agent_id, credential_id, public_key, sign_count, transports, name, made_at)"
        " SELECT %s, %s, %s, %s, %s, %s, %s, now() WHERE (SELECT count(*) FROM passkeys WHERE agent_id = %s) < %s"
        " ON CONFLICT (credential_id) DO NOTHING RETURNING id",
        [
            new_id(), agent_id, made.credential_id, made.credential_public_key, made.sign_count, transports, name,
            agent_id, MOST,
        ],
    )  # fmt: skip
    return cursor.fetchone() is not None


def use(cursor: Cursor, site: RelyingParty, challenge: bytes, answer: str, agent_id: UUID | None = None) -> UUID | None:
    """The agent whose passkey answered our challenge; None if no passkey did, or not one of the expected agent.

    The key's row is locked while its response is checked, so that of two equal responses one is refused.
    """
    import webauthn
    from webauthn.helpers import base64url_to_bytes
    from webauthn.helpers.exceptions import WebAuthnException

    if len(answer) > _LONGEST_ANSWER:
        return None
    try:
        said = json.loads(answer)
        credential_id = base64url_to_bytes(str(said["id"]))
        handle = said["response"].get("userHandle")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    cursor.execute(
        "SELECT p.id, p.agent_id, p.public_key, p.sign_count FROM passkeys p JOIN agents a ON a.id = p.agent_id"
        " WHERE p.credential_id = %s AND a.active FOR UPDATE OF p",
        [credential_id],
    )
    key = record(cursor, _StoredKey)
    if key is None or (agent_id is not None and key.agent_id != agent_id):
        return None
    try:
        shown = webauthn.verify_authentication_response(
            credential=said,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=key.public_key,
            credential_current_sign_count=key.sign_count,
            require_user_verification=True,
        )
        right = handle is None or base64url_to_bytes(str(handle)) == key.agent_id.bytes
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not right or not _first_answer(cursor, challenge):
        return None
    cursor.execute("UPDATE passkeys SET sign_count = %s, used_at = now() WHERE id = %s", [shown.new_sign_count, key.id])
    return key.agent_id


def rename(cursor: Cursor, agent_id: UUID, passkey_id: UUID, name: str) -> bool:
    """Rename one of the agent's passkeys; False if there is no such one."""
    return session_of(cursor).exec(update(Passkey).where(*_one(agent_id, passkey_id)).values(name=name)).rowcount > 0


def remove(cursor: Cursor, agent_id: UUID, passkey_id: UUID) -> bool:
    """Remove one of the agent's passkeys; False if there is no such one."""
    return session_of(cursor).exec(delete(Passkey).where(*_one(agent_id, passkey_id))).rowcount > 0


def remove_all(cursor: Cursor, agent_id: UUID) -> None:
    """Remove every passkey of the agent."""
    session_of(cursor).exec(delete(Passkey).where(col(Passkey.agent_id) == agent_id))


def _one(agent_id: UUID, passkey_id: UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(Passkey.agent_id) == agent_id, col(Passkey.id) == passkey_id


def _first_answer(cursor: Cursor, challenge: bytes) -> bool:
    """Whether this challenge has not been answered yet; a response that was overheard is worthless."""
    cursor.execute("DELETE FROM used_challenges WHERE at < now() - %s", [2 * ANSWER_WITHIN])
    cursor.execute(
        "INSERT INTO used_challenges (challenge_hash, at) VALUES (%s, now()) ON CONFLICT DO NOTHING RETURNING 1",
        [hashlib.sha256(challenge).hexdigest()],
    )
    return cursor.fetchone() is not None


def _descriptors(keys: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor

    return [
        PublicKeyCredentialDescriptor(
            id=key.credential_id, transports=[AuthenticatorTransport(one) for one in key.transports] or None
        )
        for key in keys
    ]
