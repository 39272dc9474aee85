"""One form for all spellings of an e-mail address, and a domain's other spelling for servers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zrm.kit.mail_addresses import comparable, server_domain


@pytest.mark.parametrize(
    ("spellings", "form", "server"),
    [
        (["Ali@People.Example", "ali@people.example.", " ALI@PEOPLE.EXAMPLE"], "ali@people.example", "people.example"),
        (["ali@مثال.إختبار", "ali@XN--MGBH0FB.xn--kgbechtv"], "ali@مثال.إختبار", "xn--mgbh0fb.xn--kgbechtv"),
        (["a@نامه\u200cای.ایران", "a@xn--mgba3gch31f060k.xn--mgba3a4f16a"], "a@نامه\u200cای.ایران", "xn--mgba3gch31f060k.xn--mgba3a4f16a"),
        (["a@straße.example", "a@XN--STRAE-OQA.example", "A@STRAßE.example"], "a@straße.example", "xn--strae-oqa.example"),
        (["a@例え。テスト", "a@例え.テスト"], "a@例え.テスト", "xn--r8jz45g.xn--zckzah"),
        (["re\u0301ne\u0301@x.example", "r\u00e9n\u00e9@x.example"], "r\u00e9n\u00e9@x.example", "x.example"),
        (['"ali.x"@x.example', "ali.x@x.example"], "ali.x@x.example", "x.example"),
    ],
)  # fmt: skip
def test_all_spellings_have_one_form(spellings: list[str], form: str, server: str) -> None:
    assert {comparable(one) for one in spellings} == {form}
    assert server_domain(form.rpartition("@")[2]) == server


def test_different_addresses_stay_different() -> None:
    ours = [
        "a@b.example",
        "a@strasse.example",
        "a@straße.example",
        "a@b_c.example",
        "a@[192.0.2.1]",
        "a@xn--zzzzzz999.example",
        "a",
    ]
    assert len({comparable(one) for one in ours}) == len(ours)


@given(st.text(max_size=80), st.text(max_size=300))
def test_the_form_of_a_form_is_itself(local: str, domain: str) -> None:
    form = comparable(f"{local}@{domain}")
    assert comparable(form) == form


@given(st.text(max_size=300))
def test_any_domain_has_a_name_for_servers_or_none(domain: str) -> None:
    try:
        assert server_domain(domain).isascii()
    except ValueError:
        return
