"""Which new passwords are taken: long ones that nobody would try first, whatever the language and the keyboard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pwdlib import PasswordHash

from zrm.demonstration import DEMO_AGENTS
from zrm.languages import LANGUAGES
from zrm.security import passwords
from zrm.security.guessing import _persian, guesses
from zrm.security.passwords import Weakness, weakness
from zrm.security.published import SECRETS
from zrm.ui.i18n import gettext

OWN = ("m.rezaei", "Maryam Rezaei", "مریم رضایی", "Citizen Contact Centre", "مرکز ارتباط با شهروندان")


@pytest.mark.parametrize(
    "password",
    [
        "blue rivers sing at noon",
        "correct horse battery",
        "four-green-parks",
        "دریا پشت کوه آرام خوابید",
        "xK9#mQ2$vL7p",
        "    spaces count too    ",
        "🌲 a tree and a lamp",
        "y7" + "lamp over the river " * 40,
    ],
)
def test_a_good_password_is_taken_whatever_it_is_made_of(password: str) -> None:
    assert weakness(password, own=OWN) is None


@pytest.mark.parametrize("password", ["", "short", "eleven char", "دریا پشت کو"])
def test_twelve_characters_are_the_least(password: str) -> None:
    assert len(password) < passwords.SHORTEST == 12
    assert weakness(password) is Weakness.SHORT


def test_marks_that_a_letter_is_written_with_do_not_make_it_longer() -> None:
    assert weakness("e\u0301" * 6) is Weakness.SHORT


def test_what_is_absurdly_long_is_not_hashed() -> None:
    assert weakness("lamp over the river " * 60) is Weakness.LONG


@pytest.mark.parametrize(
    "password",
    [
        "password1234", "Password123!", "P@ssw0rd1234", "123456789012", "qwertyuiop12", "aaaaaaaaaaaaaa", "abcabcabcabc",
        "iloveyou1234", "letmein123456", "qazwsxedcrfv", "1qaz2wsx3edc", "admin1234567",
    ],
)  # fmt: skip
def test_the_commonest_passwords_are_refused(password: str) -> None:
    assert weakness(password) is Weakness.COMMON


@pytest.mark.parametrize(
    "password",
    [
        "mohammad1370", "Mohammad@1370", "mohammadreza", "mohammadreza1370", "alireza13751375", "fatemeh1390!",
        "محمدرضا۱۳۷۰", "esteghlal1402", "iran1404!!!!", "salam1234567", "سلام۱۲۳۴۵۶۷۸", "ایران ایران ایران",
        "حشسسصخقی۱۲۳۴", "lplnvqh1370!", "tehran140312",
    ],
)  # fmt: skip
def test_persian_ones_too_in_both_scripts_and_on_both_keyboards(password: str) -> None:
    assert weakness(password + "!" * max(0, 12 - len(password))) is Weakness.COMMON


@pytest.mark.parametrize(
    "password",
    [
        "+989123456789", "09123456789a", "۰۹۱۲۳۴۵۶۷۸۹!", "0912 345 6789", "00989123456789", "6037991234567893",
        "0013542419ab", "ali09123456789",
    ],
)  # fmt: skip
def test_a_number_that_belongs_to_a_person_is_no_password(password: str) -> None:
    assert weakness(password) is Weakness.COMMON


@pytest.mark.parametrize("digits", ["6037991234567890", "7992739871300000018", "0499370898"])
def test_a_number_of_nobodys_is_worth_its_digits(digits: str) -> None:
    """No card (a check digit is wrong, or it is too long), no identity code, no telephone."""
    assert guesses(digits) > guesses("6037997501234562") == guesses("0499370899") == 1e4


@pytest.mark.parametrize(
    "password", ["maryamrezaei1405", "citizencontactcentre", "m.rezaei-contact", "مرکز ارتباط 1405", "CentreContact1!"]
)
def test_nor_are_ones_own_names_and_the_organisations(password: str) -> None:
    assert weakness(password, own=OWN) in (Weakness.OWN, Weakness.COMMON)


def test_what_persian_speakers_begin_with_is_years_and_words_without_the_lists_comments() -> None:
    tried = _persian()
    assert {str(year) for year in (*range(1330, 1421), *range(1950, 2042))} <= set(tried)
    assert tried.index("1400") < tried.index("1370"), "who was born lately is the likelier"
    assert tried.index("سلام") < tried.index("محمد")
    assert "speakers" not in tried


def test_own_names_count_only_for_who_has_them() -> None:
    assert weakness("Kestrel Wanderley 7", own=("k.wanderley", "Kestrel Wanderley")) is Weakness.OWN
    assert weakness("Kestrel Wanderley 7", own=OWN) is None


def test_the_present_password_is_not_taken_again() -> None:
    present = passwords.hash_password("blue rivers sing at noon")
    assert weakness("blue rivers sing at noon", present=present) is Weakness.PRESENT
    assert weakness("blue rivers sing at dusk", present=present) is None


@pytest.mark.parametrize("password", sorted(secret for secret in SECRETS if len(secret) >= passwords.SHORTEST))
def test_what_our_documents_print_is_no_password(password: str) -> None:
    assert weakness(password) is Weakness.PUBLISHED


def test_the_demonstrations_passwords_are_as_good_as_printed_ones_can_be() -> None:
    for agent in DEMO_AGENTS:
        assert len(agent.password) >= passwords.SHORTEST
        assert guesses(agent.password) >= passwords.ENOUGH_GUESSES


@pytest.mark.parametrize(
    ("kept", "typed"),
    [
        ("caf\u00e9 au lait at ten", "cafe\u0301 au lait at ten"),
        ("رمز من ﻻزم است", "رمز من لازم است"),
        ("\u212bngstrom and kelvin", "\u00c5ngstrom and kelvin"),
    ],
)
def test_one_password_has_one_spelling(kept: str, typed: str) -> None:
    assert passwords.matches(typed, passwords.hash_password(kept))
    assert passwords.matches(kept, passwords.hash_password(typed))


def test_a_hash_from_before_passwords_were_normalised_still_opens() -> None:
    typed = "cafe\u0301 au lait at ten"
    old = PasswordHash.recommended().hash(typed)
    assert passwords.matches(typed, old)
    assert not passwords.matches("cafe au lait at ten", old)


@given(st.text(max_size=300))
def test_whatever_is_typed_is_judged(password: str) -> None:
    assert guesses(password) >= 1 or not password


def test_signs_that_stand_for_letters_cannot_make_judging_expensive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work grows with the square and worse: it is never handed more than a piece."""
    import zxcvbn

    seen: list[int] = []
    ask = zxcvbn.zxcvbn

    def watched(text: str, **how: object) -> object:
        seen.append(len(text))
        return ask(text, **how)

    monkeypatch.setattr(zxcvbn, "zxcvbn", watched)
    weakness("4@8({[<369!1|70$5+%2" * 50)
    assert seen
    assert max(seen) <= 32
    assert len(seen) <= 12


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_reason_has_its_sentence(language: str) -> None:
    said = {gettext(language, message, least=12, most=1000) for message in passwords.MESSAGES.values()}
    assert len(said) == len(Weakness)
