"""A small demonstration organisation: units, a subject tree, agents, templates. Idempotent: what is there is left as it is."""

from __future__ import annotations

from dataclasses import dataclass

from pwdlib import PasswordHash
from sqlmodel import Session, select

from zrm.casestore import template
from zrm.casestore.agent import Agent, Grant, Permission
from zrm.casestore.subject import SubjectNode
from zrm.casestore.template import Wording
from zrm.casestore.unit import Unit
from zrm.kit.db import Database

_UNITS = (
    ("contact-centre", "مرکز تماس شهروندان", "Citizen contact centre", None),
    ("roads", "راه و معابر", "Roads and streets", "contact-centre"),
    ("water", "آب و فاضلاب", "Water and sewerage", "contact-centre"),
    ("waste", "پسماند و نظافت شهری", "Waste and cleaning", "contact-centre"),
    ("permits", "مجوزها و پروانه‌ها", "Permits and licences", "contact-centre"),
)
_SUBJECTS = (
    ("streets", "خیابان و پیاده‌رو", "Streets and pavements", None, "roads"),
    ("street-light", "روشنایی معابر", "Street lighting", "streets", "roads"),
    ("pothole", "چاله و خرابی آسفالت", "Potholes and broken asphalt", "streets", "roads"),
    ("water", "آب", "Water", None, "water"),
    ("water-cut", "قطعی و افت فشار آب", "Water cuts and low pressure", "water", "water"),
    ("water-bill", "قبض آب", "Water bill", "water", "water"),
    ("waste", "پسماند", "Waste", None, "waste"),
    ("waste-late", "جمع‌آوری نشدن زباله", "Missed collection", "waste", "waste"),
    ("permits", "مجوز", "Permits", None, "permits"),
    ("permit-building", "پروانه ساختمان", "Building permit", "permits", "permits"),
    ("staff", "رفتار و پاسخگویی کارکنان", "Conduct of staff", None, "contact-centre"),
)
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
_EVERYTHING = tuple(Permission)
_OPERATOR = (
    Permission.VIEW_CASES,
    Permission.WORK_CASES,
    Permission.VIEW_ADDRESSES,
    Permission.HANDLE_DELIVERIES,
)


@dataclass(frozen=True, slots=True)
class DemoAgent:
    """A demonstration sign-in, printed by `zrm up`."""

    login: str
    password: str
    name_fa: str
    name_en: str
    unit: str
    language: str
    everywhere: bool


DEMO_AGENTS = (
    DemoAgent("maryam", "demo-maryam-1405", "مریم رضایی", "Maryam Rezaei", "contact-centre", "fa", True),
    DemoAgent("daniel", "demo-daniel-2026", "دانیال کریمی", "Daniel Karimi", "contact-centre", "en", True),
    DemoAgent("sara", "demo-sara-1405", "سارا احمدی", "Sara Ahmadi", "roads", "fa", False),
)


def seed(database: Database) -> bool:
    """Make the demonstration organisation if the database has no unit yet; True if it was made now."""
    with database.session() as session:
        if session.exec(select(Unit).limit(1)).first() is not None:
            return False
        units = _add_units(session)
        _add_subjects(session, units)
        _add_agents(session, units)
        keys = {key: unit.id for key, unit in units.items()}
    with database.cursor() as cursor:
        for unit, *wording in _TEMPLATES:
            template.add(cursor, Wording(keys[unit] if unit else None, *wording), None)
    return True


def _add_units(session: Session) -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for key, name_fa, name_en, parent in _UNITS:
        units[key] = Unit(key=key, name_fa=name_fa, name_en=name_en, parent_id=units[parent].id if parent else None)
        session.add(units[key])
        session.flush()
    return units


def _add_subjects(session: Session, units: dict[str, Unit]) -> None:
    nodes: dict[str, SubjectNode] = {}
    for key, name_fa, name_en, parent, unit in _SUBJECTS:
        parent_id = nodes[parent].id if parent else None
        nodes[key] = SubjectNode(key=key, name_fa=name_fa, name_en=name_en, parent_id=parent_id, unit_id=units[unit].id)
        session.add(nodes[key])
        session.flush()


def _add_agents(session: Session, units: dict[str, Unit]) -> None:
    hasher = PasswordHash.recommended()
    for demo in DEMO_AGENTS:
        unit = units[demo.unit]
        agent = Agent(
            login=demo.login,
            name_fa=demo.name_fa,
            name_en=demo.name_en,
            password_hash=hasher.hash(demo.password),
            unit_id=unit.id,
            language=demo.language,
            calendar="solar" if demo.language == "fa" else "gregorian",
        )
        session.add(agent)
        session.flush()
        for permission in _EVERYTHING if demo.everywhere else _OPERATOR:
            where = None if demo.everywhere else unit.id
            session.add(Grant(agent_id=agent.id, permission=permission.value, unit_id=where))
