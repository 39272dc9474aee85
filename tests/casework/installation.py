"""A case in the demonstration organisation, filed by hand in a few lines, and what the tests ask about it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from zrm.casestore import search
from zrm.casestore.agent import Permission
from zrm.casestore.search import SearchEntry
from zrm.casestore.search_words import contact_key
from zrm.casework.context import ActingAgent, ActionContext, SendingSetup
from zrm.casework.reply_routes import WEB, ReplyRoute, SendingAccount
from zrm.contract.capabilities import kind_of_address
from zrm.contract.descriptions import Description
from zrm.contract.reasons import Reason
from zrm.inbox import code, quarantine
from zrm.kit.clock import now
from zrm.kit.db import Cursor, Database
from zrm.kit.ids import new_id
from zrm.languages import LANGUAGES
from zrm.security.grants import Grants
from zrm.ui.descriptions import worded

EVERYTHING = Grants(dict.fromkeys(Permission))
"""Every permission for every unit."""


@dataclass(frozen=True)
class Filed:
    """A filed case: its ids and its citizen's address."""

    id: UUID
    code: str
    contact_id: UUID
    person_id: UUID
    address: str


def unit(cursor: Cursor, key: str) -> UUID:
    """A demonstration unit's id."""
    return one(cursor, "SELECT id FROM units WHERE key = %s", key)  # type: ignore[no-any-return]  # a uuid column


def agent(cursor: Cursor, login: str) -> UUID:
    """A demonstration agent's id."""
    return one(cursor, "SELECT id FROM agents WHERE login = %s", login)  # type: ignore[no-any-return]  # a uuid column


def one(cursor: Cursor, query: str, *values: object) -> Any:
    """The first column of the first row."""
    cursor.execute(query.encode(), list(values))
    row = cursor.fetchone()
    assert row is not None, query
    return row[0]


def file_case(
    database: Database,
    *,
    unit_key: str = "contact-centre",
    channel: str = "email",
    title: str = "The lamp is dark",
    text: str = "Since Monday.",
    name: str = "Sara Karimi",
    html: str = "",
    status: str = "new",
    assignee: UUID | None = None,
    address: str = "",
    description: Description = (),
) -> Filed:
    """File one case as the normalizer would: receipt, raw contact, person, case, contact."""
    at, number = now(), code.mint()
    address = address or ("sara@home.example" if channel == "email" else "+989121234567")
    filed = Filed(new_id(), number, new_id(), new_id(), address)
    account = "contact@city.example" if channel == "email" else "+982112345"
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO receipts VALUES (%s, %s, %s, %s, %s, %s, '')",
            [channel, account, str(filed.contact_id), filed.contact_id, number, at],
        )
        cursor.execute("INSERT INTO tracking_codes VALUES (%s, %s, %s)", [number, filed.contact_id, filed.id])
        cursor.execute(
            "INSERT INTO raw_contacts (id, channel, account, kind, media_type, body, size, envelope, files, trace,"
            " received_at, state) VALUES (%s, %s, %s, 'contact', 'text/plain', %s, %s, '{}', '[]', 'feed', %s, 'filed')",
            [filed.contact_id, channel, account, text.encode(), len(text.encode()), at],
        )
        cursor.execute("INSERT INTO persons VALUES (%s, %s, 'en', %s)", [filed.person_id, name, at])
        cursor.execute(
            "INSERT INTO addresses (id, person_id, kind, value, raw, claimed, created_at)"
            " VALUES (%s, %s, %s, %s, %s, false, %s)",
            [new_id(), filed.person_id, "email" if channel == "email" else "phone", filed.address, filed.address, at],
        )
        cursor.execute(
            "INSERT INTO cases (id, code, reply_token, title, description, language, channel, account, person_id, unit_id,"
            " assignee_id, status, opened_at, status_at, last_contact_at, closed_at)"
            " VALUES (%s, %s, %s, %s, %s, 'en', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                filed.id, number, f"token{number}", title, Jsonb(description[:1]), channel, account, filed.person_id, unit(cursor, unit_key),
                assignee, status, at, at, at, at if status == "closed" else None,
            ],
        )  # fmt: skip
        cursor.execute(
            "INSERT INTO contacts (id, case_id, direction, channel, account, person_id, address, title, text, html,"
            " headers, at, description) VALUES (%s, %s, 'in', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                filed.contact_id, filed.id, channel, account, filed.person_id, filed.address, title, text, html,
                json.dumps([["From", filed.address]]), at, Jsonb(description),
            ],
        )  # fmt: skip
        key = contact_key(title, text, *(worded(description, reader) for reader in LANGUAGES), name, number)
        search.index(cursor, [SearchEntry(filed.contact_id, filed.id, at, filed.person_id, filed.address, key)])
    return filed


def quarantine_one(database: Database, reason: Reason) -> UUID:
    """A received contact that could not be filed; returns its id."""
    contact_id = file_case(database).contact_id
    with database.cursor() as cursor:
        cursor.execute("UPDATE raw_contacts SET state = 'waiting' WHERE id = %s", [contact_id])
        quarantine.enter(cursor, contact_id, reason=reason, due_at=now())
    return contact_id


def acting(
    agent_id: UUID,
    case_id: UUID,
    version: int | None = None,
    *routes: ReplyRoute,
    hold: float = 0,
    domain: str = "city.example",
    grants: Grants = EVERYTHING,
) -> ActionContext:
    """An agent who may do everything, at a case; `routes` are those by which our accounts can send."""
    senders = tuple(
        SendingAccount(
            route.channel,
            route.account,
            kind_of_address(route.channel, route.address),
            route.max_text,
            route.files,
        )
        for route in routes
        if route.channel != WEB
    )
    return ActionContext(
        ActingAgent(agent_id, grants), case_id, version, SendingSetup(senders, mail_domain=domain, hold=hold)
    )
