"""A small demonstration organisation from demonstration.yaml, with passwords and templates. Existing records are not
changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zrm.casestore import agent as agents
from zrm.casestore import template
from zrm.casestore.template import Wording
from zrm.kit.db import Cursor, Database
from zrm.kit.yaml_section import load
from zrm.organisation import actions, model
from zrm.security.passwords import hash_password, matches

ORGANISATION = Path(__file__).with_name("demonstration.yaml")
_TEMPLATES = (
    (None, "greeting", "سلام", "Greeting", "{name} گرامی،\nسلام", "Dear {name},"),
    (
        None, "signature", "امضا", "Signature", "با احترام\n{agent}\n{unit}، {organisation}",
        "Kind regards\n{agent}\n{unit}, {organisation}",
    ),
    (
        None, "answer", "درخواست توضیح بیشتر", "Ask for more",
        "برای رسیدگی به پروندهٔ {code} به نشانی دقیق و اگر ممکن است یک عکس نیاز داریم. در پاسخ به همین پیام بفرستید.",
        "To go on with case {code} we need the exact address and, if you can, a picture. Simply answer this message.",
    ),
    (
        None, "answer", "پیگیری پرونده", "How to follow the case",
        "با کد {code} می‌توانید هر زمان ببینید پرونده به کجا رسیده است: {track}",
        "With the code {code} you can see at any time how far your case has come: {track}",
    ),
    (
        "roads", "answer", "تعمیر در برنامه است", "Repair is planned",
        "گزارش شما دربارهٔ «{subject}» بررسی شد و تعمیر در برنامهٔ این هفته است.",
        "Your report about “{subject}” has been looked at; the repair is planned for this week.",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DemoAgent:
    """A demonstration sign-in, printed by `zrm up`."""

    login: str
    password: str
    does: str
    language: str


DEMO_AGENTS = (
    DemoAgent("maryam", "demo-maryam-1405", "everything for every unit", "fa"),
    DemoAgent("daniel", "demo-daniel-2026", "everything for every unit", "en"),
    DemoAgent("sara", "demo-sara-1405", "the work of the unit roads", "fa"),
)


def seed(database: Database) -> bool:
    """Make the demonstration organisation if the database has no unit yet; True if it was made now."""
    with database.cursor() as cursor:
        actions.lock(cursor)
        present = actions.stored(cursor)
        if present.units:
            return False
        actions.write(cursor, model.changes(present, model.read(load(ORGANISATION), present)))
        for demo in DEMO_AGENTS:
            account = agents.by_login(cursor, demo.login)
            if account is not None:
                agents.set_password_hash(cursor, account.id, hash_password(demo.password))
        units = actions.unit_ids(cursor)
        for unit, kind, name_fa, name_en, text_fa, text_en in _TEMPLATES:
            names, texts = {"fa": name_fa, "en": name_en}, {"fa": text_fa, "en": text_en}
            template.add(cursor, Wording(units[unit] if unit else None, kind, names, texts), None)
    return True


def published(cursor: Cursor) -> list[str]:
    """The logins that accept a demonstration password, which is published in the sources."""
    accounts = [(demo, agents.by_login(cursor, demo.login)) for demo in DEMO_AGENTS]
    return [
        demo.login
        for demo, account in accounts
        if account is not None and account.active and matches(demo.password, account.password_hash)
    ]
