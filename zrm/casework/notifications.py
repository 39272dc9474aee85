"""What an agent reads of their own notifications. It needs no grant; what a notification says of a case needs that of the case."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from zrm.casestore import notification
from zrm.casestore.notification import Notice, NoticeKind
from zrm.casework.context import ActingAgent
from zrm.kit.db import Cursor
from zrm.security import sign_ins


def listing(cursor: Cursor, actor: ActingAgent) -> list[Notice]:
    """The agent's list, the line with the newest first, each as `seen`; that of sign-ins names the newest's browser."""
    lines = [seen(actor, one) for one in notification.notices(cursor, actor.agent_id)]
    newest = [one.source_id for one in lines if one.kind == NoticeKind.SIGN_IN]
    browsers = sign_ins.browsers(cursor, actor.agent_id, newest)
    return [
        replace(one, words=" · ".join(filter(None, (browser.name, browser.system))))
        if (browser := browsers.get(one.source_id))
        else one
        for one in lines
    ]


def seen(actor: ActingAgent, notice: Notice) -> Notice:
    """A notification as the agent may see it: without unit, title and text if they do not see the case (any more)."""
    if notice.unit_id is not None and actor.sees(notice.unit_id):
        return notice
    return replace(notice, unit_id=None, title="", description=(), words="", words_description=())


def unread(cursor: Cursor, actor: ActingAgent) -> int:
    """How many lines of the agent's list have something unread."""
    return notification.unread(cursor, actor.agent_id)


def read_line(cursor: Cursor, actor: ActingAgent, notice_id: UUID) -> None:
    """Mark one line of the agent's list as read."""
    notification.read_line(cursor, actor.agent_id, notice_id)


def read_all(cursor: Cursor, actor: ActingAgent, *, shown: UUID | None = None) -> None:
    """Mark the agent's list as read, up to the newest that was `shown` (None: all of it)."""
    notification.read_all(cursor, actor.agent_id, shown=shown)


def read_case(cursor: Cursor, actor: ActingAgent, case_id: UUID) -> UUID | None:
    """Mark what the agent was told of a case as read; returns the first contact they had not read."""
    return notification.read_case(cursor, actor.agent_id, case_id)
