"""Signing in and proving one's identity again: what is still missing after each step, and who is told of it.

An agent who has a second step set up, or must have one, needs both steps. A passkey counts as both; so does the
identity provider where the settings say that it asks for two. A new session begins at each step, so that an earlier
one, planted or left over, gains no access. A sign-in with a browser that is new to the agent is told to them, their
very first one excepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from zrm.casestore import agent as agents
from zrm.casestore import live, notification
from zrm.casestore.notification import NewNotice, NoticeKind
from zrm.config import Security
from zrm.errors import NotFound
from zrm.kit.db import Cursor, Database
from zrm.security import passwords, second_step, sessions, sign_ins
from zrm.security.browsers import Browser
from zrm.security.sessions import How, Session, Stage


@dataclass(frozen=True, slots=True)
class Proof:
    """An agent has proved their identity: how, with which browser, and whether they are known to have used it before.

    `earlier_token` is of the session that the browser had until now; empty if it had none.
    """

    agent_id: UUID
    how: How
    browser: Browser
    known_browser: bool
    earlier_token: str = ""


def enter(cursor: Cursor, proof: Proof, settings: Security, *, both_steps: bool) -> tuple[str, Session]:
    """Begin a session at the stage that is still missing, none if `both_steps` were taken; returns its token and itself."""
    if both_steps:
        return _begin(cursor, proof, Stage.SIGNED_IN)
    if second_step.has_one(cursor, proof.agent_id):
        return _begin(cursor, proof, Stage.SECOND_STEP)
    return _begin(cursor, proof, Stage.SET_UP if settings.two_step == "required" else Stage.SIGNED_IN)


def finish(cursor: Cursor, proof: Proof) -> tuple[str, Session]:
    """Nothing is missing any more: begin the complete session in place of the earlier one."""
    return _begin(cursor, proof, Stage.SIGNED_IN)


def _begin(cursor: Cursor, proof: Proof, stage: Stage) -> tuple[str, Session]:
    if proof.earlier_token:
        sessions.end(cursor, sessions.token_hash(proof.earlier_token))
    token, session = sessions.start(cursor, proof.agent_id, stage=stage, how=proof.how, browser=proof.browser)
    if stage is Stage.SIGNED_IN:
        signed_in = sign_ins.record(
            cursor, proof.agent_id, how=proof.how, browser=proof.browser, known=proof.known_browser
        )
        if signed_in.returning and not proof.known_browser:
            notification.tell(cursor, [NewNotice(proof.agent_id, None, signed_in.id, NoticeKind.SIGN_IN)])
            live.publish_change(cursor, "notification", [proof.agent_id])
    return token, session


def second_step_by_code(cursor: Cursor, agent_id: UUID, secret: bytes, code: str) -> How | None:
    """How an agent took the second step by this code, which is used up now: the app's or a recovery code; None if it is
    neither.
    """
    if second_step.right_code(cursor, agent_id, secret, code):
        return How.TWO_STEPS
    return How.RECOVERY_CODE if second_step.use_recovery_code(cursor, agent_id, secret, code) else None


def proves_again(
    database: Database, agent_id: UUID, secret: bytes, settings: Security, *, code: str, password: str
) -> bool:
    """Whether a signed-in agent proves their identity again: by the app's code if one is given, else by the password, where
    passwords are allowed. A recovery code does not do.
    """
    with database.cursor() as cursor:
        if code:
            return second_step.right_code(cursor, agent_id, secret, code)
        account = agents.of_id(cursor, agent_id)
    return passwords.matches(password, account.password_hash if account and settings.passwords else None)


def offers_second_step(settings: Security) -> bool:
    """Whether agents can set up a second step."""
    return settings.two_step != "off"


def require_second_step_offered(settings: Security, session: Session) -> None:
    """Errors: NotFound where no second step is offered, unless the session was begun to set one up."""
    if not offers_second_step(settings) and session.stage is Stage.SIGNED_IN:
        raise NotFound("no second step is offered")


def first_recovery_codes(cursor: Cursor, agent_id: UUID, secret: bytes) -> list[str]:
    """An agent has set up a second step: recovery codes for them, empty if they have unused ones."""
    if second_step.recovery_codes_left(cursor, agent_id):
        return []
    return second_step.new_recovery_codes(cursor, agent_id, secret)
