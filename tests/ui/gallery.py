"""Examples for the gallery pages, in both languages, with the awkward cases: long words, mixed directions, hostile markup."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from zrm.languages import Language
from zrm.ui.frame import DeskFrame, FooterLink, NavItem, NavSection, PortalFrame

TEMPLATES = Path(__file__).parent / "templates"
NOW = datetime(2026, 11, 23, 11, 52, tzinfo=UTC)
SHEET = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 210 297'%3E"
    "%3Cpath d='M20 30h170M20 50h150M20 70h165M20 90h120M20 130h160M20 150h140' stroke='%23444' stroke-width='4'/%3E%3C/svg%3E"
)

_FA = {
    "heading": "صندوق ورودی",
    "claim": "به عهده گرفتن",
    "reply": "پاسخ",
    "chips": ["باز", "بدون مسئول", "از مهلت گذشته"],
    "note": "نشانی با پروندهٔ قبلی یکی است؛ با واحد خدمات شهری هماهنگ شود.",
    "file": "عکس چاله.jpg",
    "citizen": "مریم احمدی‌نژاد",
    "agent": "سارا کریمی",
    "subject": "چاله در خیابان ولیعصر، روبه‌روی پلاک ۱۲",
    "letter": "سلام\nدو هفته است که جلوی پلاک ۱۲ چاله‌ای باز شده و دیشب یک موتورسوار افتاد.\n\n"
    "شمارهٔ تماس من 0912 345 6789 است و ایمیلم maryam@example.org.\n\n<script>alert(1)</script>",
    "quoted": "در تاریخ ۱ آذر نوشته بودید که بررسی می‌کنید.",
    "headers": "From: maryam@example.org\nSubject: =?utf-8?B?2obYp9mE2Yc=?=\nMessage-ID: <abc@example.org>",
    "event": "سارا کریمی این پرونده را به عهده گرفت",
    "answer": "خانم احمدی‌نژاد، سلام\n\nگروه تعمیر فردا صبح اعزام می‌شود. نتیجه را همین‌جا خبر می‌دهیم.",
    "error": "شمارهٔ تلفن را کامل بنویسید، مانند ۰۹۱۲۳۴۵۶۷۸۹",
    "phone": "شمارهٔ تلفن",
    "org": "سامانهٔ پاسخ‌گویی شهر نمونه",
    "units": ["خدمات شهری", "آب و فاضلاب", "حمل‌ونقل"],
    "nav": ["همهٔ باز", "پرونده‌های من", "بدون مسئول", "از مهلت گذشته", "قرنطینه", "نرسیده‌ها", "دفتر دسترسی"],
    "sections": ["صندوق ورودی", "نگهداری"],
    "team": "خدمات شهری",
    "contact": "تلفن ۱۳۷، هر روز از ۷ تا ۲۲. نشانی: میدان نمونه، ساختمان مرکزی.",
    "links": ["پیگیری با کد", "حریم خصوصی"],
}
_EN = {
    "heading": "Inbox",
    "claim": "Claim",
    "reply": "Reply",
    "chips": ["Open", "Unassigned", "Past due"],
    "note": "Same address as an earlier case; agree the date with Public Works first.",
    "file": "pothole.jpg",
    "citizen": "Maryam Ahmadinejad",
    "agent": "Sara Karimi",
    "subject": "Pothole in Valiasr Street, opposite number 12",
    "letter": "Hello,\nfor two weeks there has been a pothole in front of number 12, and last night a rider fell.\n\n"
    "My number is 0912 345 6789, خیابان ولیعصر.\n\n<script>alert(1)</script>",
    "quoted": "On 22 November you wrote that you would look into it.",
    "headers": "From: maryam@example.org\nSubject: Pothole\nMessage-ID: <abc@example.org>",
    "event": "Sara Karimi claimed this case",
    "answer": "Dear Ms Ahmadinejad,\n\nthe repair crew comes tomorrow morning. We will tell you here how it went.",
    "error": "Enter the whole phone number, such as 09123456789",
    "phone": "Phone number",
    "org": "Sampleton Citizen Centre",
    "units": ["Public Works", "Water", "Transport"],
    "nav": ["All open", "My cases", "Unassigned", "Past due", "Quarantine", "Failed deliveries", "Access ledger"],
    "sections": ["Inbox", "Upkeep"],
    "team": "Public Works",
    "contact": "Phone 137, every day from 7 to 22. Central Building, Sample Square.",
    "links": ["Track with a code", "Privacy"],
}


def demo(language: Language) -> dict[str, object]:
    """What the gallery templates call `demo`."""
    words = _FA if language == "fa" else _EN
    kinds = ["email", "sms", "voice_ivr", "web", "fax", "telegram", "call"]
    states = ["new", "open", "waiting", "in_progress", "reopened", "answered", "closed"]
    rows = [
        {
            "id": str(number),
            "href": "#",
            "title": words["subject"] if number % 3 else words["event"],
            "snippet": words["letter"],
            "person": words["citizen"] if number % 4 else "+98 912 345 6789",
            "kind": kinds[number % 7],
            "status": states[number % 7],
            "at": NOW - timedelta(minutes=3 * 5**number),
            "sort": f"{9 - number}",
            "unit": words["units"][number % 3] if number % 5 else "",
            "assignee": words["agent"] if number % 2 else "",
            "unread": number < 3,
            "due": NOW + timedelta(hours=5 if number == 1 else -30) if number in (1, 4) else None,
            "late": number == 4,
        }
        for number in range(8)
    ]
    return {
        **words,
        "rows": rows,
        "now": NOW,
        "earlier": NOW - timedelta(hours=26),
        "code": "482915037766",
        "sheet": SHEET,
    }


def desk_frame(language: Language) -> DeskFrame:
    """The desk around the gallery."""
    words = _FA if language == "fa" else _EN
    icons = ["inbox", "user-check", "users", "clock-exclamation", "shield-half", "send-off", "books"]
    keys = ["g i", "g m", "g a", "g d", "g q", "g f", "g l"]
    counts = [128, 7, 34, 3, 2, 0, None]
    items = [
        NavItem(
            f"n{place}", words["nav"][place], f"#{place}", icons[place], keys[place], counts[place], urgent=place == 3
        )
        for place in range(7)
    ]
    return DeskFrame(
        organisation=str(words["org"]),
        user_name=str(words["agent"]),
        user_note=str(words["team"]),
        csrf="token",
        current="n0",
        sections=(NavSection("", items[:4]), NavSection(words["sections"][1], items[4:])),
        unread=4,
        events_href="",
        search_href="#search",
    )


def portal_frame(language: Language) -> PortalFrame:
    """The citizen's page around the gallery."""
    words = _FA if language == "fa" else _EN
    return PortalFrame(
        organisation=str(words["org"]),
        language_hrefs={"fa": "#fa", "en": "#en"},
        contact_note=str(words["contact"]),
        links=tuple(FooterLink(text, "#") for text in words["links"]),
    )
