"""What the holder of a tracking code may see of the case: its status, and after proof the conversation and the files.

Only what happened is shown as happened: "answered" needs an answer that an agent wrote, that has left and that did not fail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from zrm.casestore.answers import CLOSING_REASON, answered_at
from zrm.casestore.contact import HAS_LEFT
from zrm.casestore.contact_files import UNSAFE
from zrm.contract.addresses import EMAIL, PHONE
from zrm.contract.capabilities import kind_of_address
from zrm.contract.descriptions import Description
from zrm.contract.files import StoredFile
from zrm.contract.tracking import OnTheWay, PublicFile, PublicMessage, Tracking
from zrm.errors import NotFound
from zrm.inbox import raw_contacts
from zrm.kit.db import Cursor, record, records

MESSAGES: Final = 200
FILES: Final = 500
ON_THE_WAY: Final = 20
MESSAGE_LENGTH: Final = 20_000
"""Characters shown of each message."""

_SHOWN: Final = f"(contacts.direction = 'in' OR contacts.direction = 'out' AND {HAS_LEFT})"
"""SQL: whether the citizen sees a contact of the conversation; an answer on hold is not shown yet."""

_State = Literal["received", "in_progress", "answered", "closed"]
_STATES: Final[dict[str, _State]] = {
    "new": "received",
    "open": "in_progress",
    "waiting": "answered",
    "closed": "closed",
}


class _Tracked(NamedTuple):
    """The case behind a code; without a case (`id`) only `received_at`, the time of the code's contact, means something."""

    id: UUID | None
    status: str
    language: str
    channel: str
    opened_at: datetime
    status_at: datetime
    changed_at: datetime
    title: str
    description: Description
    person_id: UUID | None
    received_at: datetime
    rated: bool
    complete: bool


def tracking_of(
    cursor: Cursor,
    code: str,
    *,
    proven: bool,
    default_language: str,
    writes_mail: bool,
    body_of: Callable[[str], bytes],
) -> Tracking:
    """The case behind a code; `body_of` gives a raw contact's body by its key. Errors: NotFound."""
    cursor.execute(
        """
        SELECT k.id, k.status, k.language, k.channel, k.opened_at, k.status_at,
               greatest(k.status_at, k.last_contact_at) AS changed_at, k.title, k.description, k.person_id,
               coalesce(w.received_at, k.opened_at) AS received_at,
               EXISTS (SELECT FROM ratings WHERE case_id = k.id AND at >= k.status_at) AS rated,
               (SELECT count(*) FILTER (WHERE id = r.contact_id) = 1 AND count(erased_at) = 0
                FROM contacts WHERE case_id = k.id AND direction = 'in') AS complete
        FROM tracking_codes r LEFT JOIN cases k ON k.id = r.case_id
        LEFT JOIN raw_contacts w ON w.id = r.contact_id AND w.kind = 'contact'
        WHERE r.code = %s AND num_nonnulls(k.id, w.id) > 0
        """,
        [code],
    )
    found = record(cursor, _Tracked)
    if found is None:
        raise NotFound("no such code")
    if found.id is None:  # received and not filed yet, or in quarantine: the sender sees no difference
        return Tracking(
            code, "received", default_language, found.received_at, found.received_at, proven=False, proofs=(),
            filed=False, happened={"received": found.received_at},
        )  # fmt: skip
    kinds = {kind for kind, _ in addresses_of(cursor, found.id, found.person_id)}
    # A citizen without an address has only the code, and must still get the answer. Where a message of theirs was erased
    # or taken off with its month, an address may have gone with it: then nothing shows that there was none.
    proven = proven or (found.complete and not kinds)
    proofs: list[Literal["phone", "email"]] = []
    if PHONE in kinds:
        proofs.append("phone")
    if EMAIL in kinds and writes_mail:
        proofs.append("email")
    state, happened = _progress(cursor, found.id, found.status, found.opened_at, found.status_at)
    return Tracking(
        code=code,
        state=state,
        language=found.language,
        opened_at=found.opened_at,
        changed_at=found.changed_at,
        proven=proven,
        proofs=tuple(proofs),
        title=found.title if proven else "",
        description=found.description if proven else (),
        messages=_messages(cursor, found.id, whole=proven),
        rated=found.rated and found.status == "closed",
        channel=found.channel,
        happened=happened,
        on_the_way=_on_the_way(cursor, code, body_of) if proven else (),
    )


def public_file(cursor: Cursor, code: str, file_id: UUID) -> StoredFile:
    """A file of the public conversation behind a code. Errors: NotFound, also for one with a virus or not yet scanned."""
    cursor.execute(
        "SELECT a.blob_key AS key, a.size, a.name, a.media_type FROM attachments a JOIN contacts ON contacts.id = a.contact_id "  # noqa: S608  # constants
        "WHERE a.id = %s AND a.role = 'attachment' AND a.scan <> ALL(%s) "
        f"AND contacts.public AND {_SHOWN} "
        "AND contacts.case_id = (SELECT case_id FROM tracking_codes WHERE code = %s)",
        [file_id, list(UNSAFE), code],
    )
    file = record(cursor, StoredFile)
    if file is None:
        raise NotFound("no such file")
    return file


def addresses_of(cursor: Cursor, case_id: UUID, person_id: UUID | None) -> list[tuple[str, str]]:
    """(kind, value) of the addresses that may prove the case: its person's, or without a person the one it came from.

    An address that was only claimed proves the cases it was given in, not other cases of its person: a stranger may
    have typed theirs beside the citizen's.
    """
    cursor.execute(
        "SELECT kind, value FROM addresses a WHERE person_id = %(person)s AND (NOT claimed "
        "OR value = ANY((SELECT opened_from FROM cases WHERE id = %(case)s)::text[]) OR EXISTS ("
        "SELECT FROM contacts c WHERE c.case_id = %(case)s AND c.direction = 'in' "
        "AND a.value = ANY(c.address || c.other_addresses))) ORDER BY claimed, created_at",
        {"person": person_id, "case": case_id},
    )
    found = [(kind, value) for kind, value in cursor]
    if not found:
        cursor.execute(
            "SELECT channel, opened_from[1] FROM cases WHERE id = %(case)s AND opened_from <> '{}' UNION ALL "
            "(SELECT channel, address FROM contacts WHERE case_id = %(case)s AND direction = 'in' AND address <> '' "
            "ORDER BY at LIMIT 1) LIMIT 1",
            {"case": case_id},
        )
        found += [(kind_of_address(channel, address), address) for channel, address in cursor]
    return found


def _progress(
    cursor: Cursor, case_id: UUID, status: str, opened_at: datetime, status_at: datetime
) -> tuple[_State, Mapping[str, datetime]]:
    """The case's status, and the time of each step that has happened in this round."""
    cursor.execute(
        "SELECT min(at) FROM case_events WHERE case_id = %s AND kind IN ('claimed', 'assigned', 'replied', 'reopened')",
        [case_id],
    )
    (begun,) = cursor.fetchone() or (None,)
    answered = answered_at(cursor, case_id)
    state = _STATES[status]
    if state == "answered" and answered is None:  # the answer is on hold, or was withdrawn
        state = "in_progress"
    happened = {"received": opened_at}
    if state != "received" and (begun is not None or state == "in_progress"):
        happened["in_progress"] = begun or status_at
    if state in ("answered", "closed") and answered is not None:
        happened["answered"] = answered
    if state == "closed":
        happened["closed"] = status_at
    return state, happened


class _PublicContact(NamedTuple):
    """A contact as the citizen may read it; `ours`: we wrote it."""

    id: UUID
    at: datetime
    ours: bool
    channel: str
    text: str
    closing: bool
    description: Description


def _messages(cursor: Cursor, case_id: UUID, *, whole: bool) -> tuple[PublicMessage, ...]:
    """The conversation, oldest first. Of a very long conversation only the newest part, which the citizen waits for; of
    a very long message only the beginning, because its writer has the whole. Unless `whole`, only the number of
    messages and their times.
    """
    cursor.execute(
        "SELECT id, coalesce(leaves_at, at) AS at, direction = 'out' AS ours, channel, left(text, %s) AS text, "  # noqa: S608  # constants
        f"%s = ANY(labels) AS closing, description FROM contacts WHERE case_id = %s AND public AND {_SHOWN} "
        "ORDER BY contacts.at DESC, id DESC LIMIT %s",
        [MESSAGE_LENGTH + 1 if whole else 0, CLOSING_REASON, case_id, MESSAGES],
    )
    # An answer stands where it left, after what came in while it was held.
    found = sorted(records(cursor, _PublicContact), key=lambda one: (one.at, one.id))
    files = _files(cursor, [one.id for one in found]) if whole else {}
    return tuple(
        PublicMessage(
            one.at,
            one.ours,
            one.channel,
            one.text if len(one.text) <= MESSAGE_LENGTH else f"{one.text[:MESSAGE_LENGTH]}…",
            files=tuple(files.get(one.id, ())),
            closing=one.closing,
            description=one.description if whole else (),
        )
        for one in found
    )


def _files(cursor: Cursor, contact_ids: Sequence[UUID]) -> Mapping[UUID, list[PublicFile]]:
    cursor.execute(
        "SELECT contact_id, id, name, media_type, size, CASE WHEN scan = ANY(%s) THEN scan ELSE '' END AS withheld "
        "FROM attachments "
        "WHERE contact_id = ANY(%s) AND role = 'attachment' ORDER BY contact_id, position, id LIMIT %s",
        [list(UNSAFE), list(contact_ids), FILES],
    )
    found: defaultdict[UUID, list[PublicFile]] = defaultdict(list)
    for row in records(cursor, dict):
        found[row.pop("contact_id")].append(PublicFile(**row))
    return found


def _on_the_way(cursor: Cursor, code: str, body_of: Callable[[str], bytes]) -> tuple[OnTheWay, ...]:
    """What the holder of this code sent by a door that had proven it and is not filed yet (or is quarantined), oldest
    first.
    """
    found = raw_contacts.unfiled_in_conversation(cursor, code, limit=ON_THE_WAY)
    return tuple(
        OnTheWay(one.received_at, one.contact(one.body or b"" if one.body_key is None else body_of(one.body_key)))
        for one in found[::-1]
    )
