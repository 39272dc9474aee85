"""Random citizens of a small town and their matters, in Persian and English.

All of them are invented: the names are very common ones, mailboxes end in example.*, numbers are random.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from zrm.languages import Language

LETTER_NAMES: Final = {"fa": "نامه.txt", "en": "letter.txt"}
"""The name of a letter that comes as a file, by the language of its writer."""
_FIRST: Final = {
    "fa": [
        "مریم",
        "زهرا",
        "فاطمه",
        "سمیه",
        "نرگس",
        "لیلا",
        "الهام",
        "شیرین",
        "محمد",
        "علی",
        "حسین",
        "رضا",
        "امیر",
        "مهدی",
        "سعید",
        "حمید",
        "پرویز",
        "کاوه",
    ],
    "en": [
        "Mary",
        "Susan",
        "Laura",
        "Emma",
        "Nadia",
        "Grace",
        "Helen",
        "Ruth",
        "James",
        "Robert",
        "Daniel",
        "Thomas",
        "Peter",
        "Samuel",
        "George",
        "Karim",
    ],
}
_LAST: Final = {
    "fa": [
        "احمدی",
        "محمدی",
        "حسینی",
        "کریمی",
        "رضایی",
        "موسوی",
        "جعفری",
        "قاسمی",
        "صادقی",
        "نوری",
        "رستمی",
        "کاظمی",
        "یوسفی",
        "اکبری",
        "مرادی",
        "بهرامی",
    ],
    "en": [
        "Smith",
        "Jones",
        "Taylor",
        "Brown",
        "Wilson",
        "Evans",
        "Walker",
        "Wright",
        "Green",
        "Hall",
        "Wood",
        "Harris",
        "Clarke",
        "Turner",
        "Hughes",
    ],
}
_STREETS: Final = {
    "fa": ("خیابان بهار", "کوچهٔ یاس", "بلوار کشاورز", "خیابان حافظ", "میدان ولیعصر", "خیابان ۱۷ شهریور", "شهرک گلستان"),
    "en": (
        "Spring Street",
        "Mill Lane",
        "Station Road",
        "Church Walk",
        "Market Square",
        "Park Avenue",
        "Bridge Street",
    ),
}
_WHEN: Final = {
    "fa": ("از دیروز", "سه روز است که", "از هفتهٔ پیش", "از ساعت ۶ صبح امروز", "نزدیک یک ماه است که"),
    "en": ("Since yesterday", "For three days now", "Since last week", "Since six o'clock this morning", "For a month"),
}
_MATTERS: Final[dict[str, tuple[tuple[str, str, str, str], ...]]] = {
    # subject in the demonstration's tree, nature, title, sentence
    "fa": (
        ("street-light", "report", "خاموشی چراغ معابر", "{when} چراغ‌های {street} خاموش است و شب‌ها رفت‌وآمد خطرناک شده است."),
        ("pothole", "complaint", "چالهٔ بزرگ در خیابان", "{when} در {street} پلاک {number} چالهٔ بزرگی باز شده و چند خودرو آسیب دیده‌اند."),
        ("water-cut", "complaint", "قطع آب", "{when} آب {street} قطع است و کسی به تلفن ۱۲۲ پاسخ نمی‌دهد."),
        ("water-bill", "request", "اشتباه در قبض آب", "مبلغ قبض آب من {number}۰۰۰۰ ریال بیشتر از ماه پیش است. لطفاً کنتور را دوباره بخوانید."),
        ("waste-late", "complaint", "جمع نشدن زباله", "{when} زبالهٔ {street} جمع نشده است و بوی آن آزاردهنده است."),
        ("permit-building", "request", "پروندهٔ پروانهٔ ساختمان", "پروندهٔ شمارهٔ {number} برای پروانهٔ ساختمان در چه مرحله‌ای است؟"),
        ("staff", "criticism", "رفتار کارمند", "{when} برای یک امضا می‌آیم و هر بار می‌گویند فردا بیا. خواهشمندم رسیدگی کنید."),
        ("", "suggestion", "پیشنهاد برای پارک محله", "پیشنهاد می‌کنم در پارک {street} چند نیمکت و آب‌خوری گذاشته شود."),
    ),
    "en": (
        ("street-light", "report", "Street lights are out", "{when} the lights in {street} are out and it is not safe to walk there at night."),
        ("pothole", "complaint", "Large pothole", "{when} there is a deep hole in front of {number} {street}; two cars were damaged."),
        ("water-cut", "complaint", "No water", "{when} we have had no water in {street} and nobody answers the emergency number."),
        ("water-bill", "request", "Mistake in my water bill", "My bill is {number}0 higher than last month. Please read the meter again."),
        ("waste-late", "complaint", "Waste was not collected", "{when} the bins in {street} have not been emptied."),
        ("permit-building", "request", "State of my building permit", "How far is file {number}? I applied for it in spring."),
        ("staff", "criticism", "How I was treated", "{when} I have been sent from desk to desk for one signature. Please look into it."),
        ("", "suggestion", "Benches for the park", "Please put some benches and a drinking fountain into the park at {street}."),
    ),
}  # fmt: skip
_MORE: Final = {
    "fa": (
        "پیش از این هم دو بار تماس گرفته‌ام و نتیجه‌ای نداشت.",
        "چند همسایهٔ سالمند داریم که نمی‌توانند بیرون بروند.",
        "لطفاً نتیجه را با پیامک به من خبر دهید.",
        "با سپاس از زحمات شما.",
    ),
    "en": (
        "I have called twice before without any result.",
        "Some of our neighbours are elderly and cannot leave the house.",
        "Please let me know what you decide.",
        "Thank you for your work.",
    ),
}
_FOLLOW_UP: Final = {
    "fa": ("هنوز کسی نیامده است. لطفاً پیگیری کنید.", "عکس را هم برایتان می‌فرستم.", "متشکرم، مشکل حل شد."),
    "en": ("Nobody has come yet. Please look into it.", "I send you a picture as well.", "Thank you, it is fixed now."),
}
_LATIN: Final = [
    "maryam",
    "zahra",
    "narges",
    "leila",
    "mohammad",
    "ali",
    "hossein",
    "reza",
    "amir",
    "saeed",
    "mary",
    "james",
    "daniel",
    "emma",
    "peter",
    "grace",
]

# the networks' numbers behind 09: the form asks the citizen to check any other
_MOBILE: Final = (*range(10, 24), *range(30, 40))


@dataclass(frozen=True, slots=True)
class Citizen:
    """A citizen with a matter. `phone` is in E.164; `text` is the whole message, `title` its title."""

    language: Language
    name: str
    email: str
    phone: str
    subject: str
    nature: str
    title: str
    text: str


def citizen(chance: random.Random, languages: Sequence[Language], number: int, run: str) -> Citizen:
    """The `number`th citizen of a run: always a new person, so that every run finds a hub that does not know them."""
    language = chance.choice(list(languages))
    subject, nature, title, sentence = chance.choice(_MATTERS[language])
    street = chance.choice(_STREETS[language])
    said = sentence.format(when=chance.choice(_WHEN[language]), street=street, number=chance.randint(2, 480))
    more = chance.sample(_MORE[language], chance.randint(0, 3))
    given = chance.choice(_LATIN)
    return Citizen(
        language=language,
        name=f"{chance.choice(_FIRST[language])} {chance.choice(_LAST[language])}",
        email=f"{given}.{run}.{number}@{chance.choice(('mail', 'post', 'home'))}.example.org",
        phone=f"+989{chance.choice(_MOBILE)}{chance.randint(0, 9_999_999):07}",
        subject=subject,
        nature=nature,
        title=title,
        text="\n".join([said, *more]),
    )


def follow_up(chance: random.Random, language: Language) -> str:
    """A citizen's later message on the same matter."""
    return chance.choice(_FOLLOW_UP[language])
