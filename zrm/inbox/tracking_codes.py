"""Tracking codes: each was drawn for one contact and leads to that contact's case. The only file that writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from sqlalchemy import CHAR
from sqlmodel import Field

from zrm.kit.db import Cursor
from zrm.kit.tables import Table


class TrackingCode(Table, table=True):
    """A code, the contact it was drawn for, and that contact's case once it is filed.

    The case is written here because the contact may be removed with its month. A code of no contact was drawn for one
    that was received twice at once.
    """

    __tablename__ = "tracking_codes"

    code: str = Field(sa_type=CHAR(12), primary_key=True)
    contact_id: UUID
    case_id: UUID | None = None


def insertion(rows: LiteralString) -> str:
    """SQL that stores the `code` and `id` of each row of a relation, for a statement that does more than that."""
    return f"INSERT INTO tracking_codes (code, contact_id) SELECT code, id FROM {rows}"  # noqa: S608  # constants


def lead(cursor: Cursor, codes: Sequence[tuple[str, UUID]]) -> None:
    """Each code leads to the case its contact was filed in; pairs (code, case id)."""
    if codes:
        cursor.execute(
            "UPDATE tracking_codes t SET case_id = f.case_id FROM unnest(%s::bpchar[], %s::uuid[]) AS f (code, case_id) "
            "WHERE t.code = f.code",
            [[code for code, _ in codes], [case_id for _, case_id in codes]],
        )
