"""What the portal writes itself instead of by its framework, and must be the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from starlette.responses import RedirectResponse, Response

from tests.channels.web.portal import CONFIG, INSTALLATION
from zrm.channels.web.page_renderer import PageRenderer
from zrm.channels.web.signed_tokens import Pass, ReceiptNote, Seals
from zrm.ui.headers import PAGE

SEALS = Seals(INSTALLATION.secret, receipt_seconds=60, proof_seconds=60)


@pytest.mark.parametrize("public_url", ["https://portal.example", "http://127.0.0.1"])
@pytest.mark.parametrize(
    "value",
    [
        SEALS.seal_receipt(
            ReceiptNote("283541907624", datetime(2026, 11, 20, 8, 30, 1, 5, tzinfo=UTC), reachable=False)
        ),
        SEALS.seal_pass(Pass("283541907624", proven=True)),
    ],
    ids=["receipt", "pass"],
)
def test_a_cookie_is_written_as_the_framework_writes_it(public_url: str, value: str) -> None:
    ours, theirs = Response(), Response()
    site = PageRenderer(CONFIG, replace(INSTALLATION, public_url=public_url))
    site.set_cookie(ours, "zrm_receipt", value, path="/receipt", seconds=1800)
    theirs.set_cookie(
        "zrm_receipt", value, max_age=1800, path="/receipt", httponly=True, samesite="lax",
        secure=public_url.startswith("https"),
    )  # fmt: skip
    assert ours.raw_headers == theirs.raw_headers


@pytest.mark.parametrize("path", ["/receipt", "/track/matter?sent=link"])
def test_the_way_on_is_written_as_the_framework_writes_it(path: str) -> None:
    ours, theirs = PageRenderer(CONFIG, INSTALLATION).go(path), RedirectResponse(path, status_code=303, headers=PAGE)
    assert (ours.status_code, ours.body) == (theirs.status_code, theirs.body)
    assert sorted(ours.raw_headers) == sorted(theirs.raw_headers)
