"""Our short way to the signature says what Twilio's own validator says."""

from __future__ import annotations

from urllib.parse import urlencode, urlparse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import HMAC_SHA256, RequestValidator, add_port, remove_port

from zrm.channels.sms.form import read_form
from zrm.channels.sms.signature import Signatures

TOKEN = "token-of-the-account"
VALIDATOR = RequestValidator(TOKEN)
ORIGINS = ("https://hub.example.org", "https://hub.example.org:8443", "http://10.0.0.1:8000", "https://gov.example/zrm")

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
forms = st.lists(st.tuples(words, words), max_size=6)
targets = st.builds(
    lambda path, query: f"/hooks/twilio/sms/{path}" + (f"?{query}" if query else ""),
    st.text("0123456789%2B+;,@", max_size=12),
    st.text("abc=&%20+;?/#", max_size=12),
)


@given(st.sampled_from(ORIGINS), targets, forms, st.booleans(), st.sampled_from(["", "key=k,algorithm=HMAC_SHA256"]))
def test_what_twilio_signs_is_genuine(
    origin: str, target: str, fields: list[tuple[str, str]], with_port: bool, settings: str
) -> None:
    algorithm = HMAC_SHA256 if settings else None
    signer = RequestValidator(TOKEN)
    parsed = urlparse(origin + target)
    url = (add_port if with_port else remove_port)(parsed)
    signature = signer.compute_signature(url, ImmutableMultiDict(fields), algorithm)
    theirs = VALIDATOR.validate(origin + target, ImmutableMultiDict(fields), signature, algorithm)
    ours = Signatures(TOKEN, origin).genuine(target.encode(), fields, signature.encode(), settings.encode())
    assert ours or not theirs
    if "#" not in target and ";" not in target:
        assert ours == theirs


@given(st.sampled_from(ORIGINS), forms, forms, st.binary(max_size=40))
def test_what_twilio_did_not_sign_is_not(
    origin: str, fields: list[tuple[str, str]], others: list[tuple[str, str]], junk: bytes
) -> None:
    target = "/hooks/twilio/sms/1"
    signature = VALIDATOR.compute_signature(origin + target, ImmutableMultiDict(others))
    signatures = Signatures(TOKEN, origin)
    theirs = VALIDATOR.validate(origin + target, ImmutableMultiDict(fields), signature)
    assert signatures.genuine(target.encode(), fields, signature.encode()) == theirs
    assert not signatures.genuine(target.encode(), fields, junk)


@given(forms)
def test_form_is_read_as_it_was_written(fields: list[tuple[str, str]]) -> None:
    assert read_form(urlencode(fields).encode()) == fields


@pytest.mark.parametrize("settings", ["algorithm=HMAC_MD5", "algorithm=none", "key=x,algorithm=é"])
def test_unknown_algorithm_is_refused(settings: str) -> None:
    signature = VALIDATOR.compute_signature("https://hub.example.org/x", {})
    signatures = Signatures(TOKEN, "https://hub.example.org")
    assert not signatures.genuine(b"/x", [], signature.encode(), settings.encode("latin-1"))
