"""When a refusal is the address's own fault: nobody has it. Everything else leaves the address as good as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.channels.email.refusals import blames_address, status_in


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("5.0.0", "550 Unknown user c@citizen.example"),
        ("5.0.0", "550 User unknown"),
        ("5.2.0", "550 5.2.0 No such user here"),
        ("5.1.351", "550 5.1.351 Remote server returned unknown recipient or mailbox unavailable -> 550 User unknown"),
        ("5.1.1", ""),
        ("5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
        ("5.7.1", "550 5.7.1 No such user"),
        ("5.4.4", "Host or domain name not found"),
        ("", "550 5.1.1 <c@citizen.example>... User Unknown"),
        ("", "Sorry, no mailbox here by that name. (#5.1.1)"),
        ("", "550: این نشانی وجود ندارد"),
        ("5.0.0", "550 Пользователь не найден"),
        ("5.0.0", "550 Kullanıcı bulunamadı"),
    ],
)
def test_nobody_has_it(status: str, words: str) -> None:
    assert blames_address(status, words)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("5.1.1", "550 5.7.1 IP address blacklisted by recipient"),
        ("5.1.1", "550 IP address blacklisted by recipient"),
        ("5.0.0", "554 Client host blocked using bl.spamcop.net"),
        ("5.7.1", "550 5.7.1 delivery not authorized"),
        ("5.1.1", "552 5.2.2 Mailbox full"),
        ("5.1.1", "550 mailbox is full"),
        ("5.2.2", "550 user unknown"),
        ("5.0.0", "552 Quota exceeded"),
        ("4.1.1", "450 4.1.1 User unknown"),
        ("5.1.1", "450 User unknown, try again"),
        ("5.0.0", "451 4.3.0 User unknown"),
        ("5.0.0", "550 Rejected"),
        ("5.0.0", "550 Domain of sender address ali@example.com does not exist"),
        ("5.1.8", "553 5.1.8 does not exist"),
        ("5.7.27", "550 5.7.27 sender's domain takes no mail"),
        ("5.3.4", "552 5.3.4 Message too big for system"),
        ("5.1.0", "550 5.1.0 192.0.2.22 is not allowed to send, per its SPF record"),
        ("", ""),
        ("", "see version 5.1.1.2 of our terms"),
    ],
)
def test_the_address_is_good(status: str, words: str) -> None:
    assert not blames_address(status, words)


@given(st.text(max_size=20), st.text(max_size=500))
def test_any_words_are_judged(status: str, words: str) -> None:
    assert not (status.startswith("4") and not status_in(words) and blames_address(status, words))
