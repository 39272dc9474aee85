"""Passwords, masks, grants and keyed hashes."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from zrm.errors import Forbidden, NotFound
from zrm.security import passwords
from zrm.security.grants import Grants
from zrm.security.keyed import keyed_hash
from zrm.security.masking import masked

HERE, THERE = uuid4(), uuid4()


@pytest.mark.parametrize(
    ("typed", "kept", "right"),
    [
        ("a long enough one", "a long enough one", True),
        ("a long enough on", "a long enough one", False),
        ("گذرواژهٔ بلند", "گذرواژهٔ بلند", True),
        ("", "a long enough one", False),
        ("x" * 5000, "x" * 5000, False),
        ("anything", None, False),
        ("a password that nobody has", None, False),
    ],
)
def test_a_password(typed: str, kept: str | None, right: bool) -> None:
    password_hash = None if kept is None else passwords.hash_password(kept)
    assert passwords.matches(typed, password_hash) is right


def test_a_hash_that_is_none_is_a_wrong_password() -> None:
    assert not passwords.matches("anything", "plain text in the column")
    assert not passwords.matches("a password that nobody has", "")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("sara@example.org", "s•••@e•••"),
        ("+989121234567", "•••67"),
        ("110", "•••"),
        ("", ""),
        ("@", "•••@•••"),
    ],
)
def test_a_mask(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_grants_hold_where_they_were_given() -> None:
    grants = Grants.of([("view", None), ("work", HERE), ("work", HERE)])
    assert grants.units("view") is None
    assert grants.has("view", THERE)
    assert grants.has("work", HERE)
    assert not grants.has("work", THERE)
    assert not grants.anywhere("assign")
    assert grants.anywhere("view")
    assert grants.anywhere("work")
    grants.require_anywhere("work")


def test_everywhere_is_not_narrowed_by_one_unit_more() -> None:
    assert Grants.of([("work", HERE), ("work", None), ("work", THERE)]).units("work") is None


def test_what_may_not_be_seen_does_not_exist_and_what_may_not_be_done_is_forbidden() -> None:
    grants = Grants.of([("view", HERE)])
    with pytest.raises(Forbidden):
        grants.require("work", HERE, to_see="view")
    with pytest.raises(NotFound):
        grants.require("work", THERE, to_see="view")
    with pytest.raises(NotFound):
        grants.require_anywhere("ledger")


def test_a_permission_of_one_unit_does_not_hold_in_another_that_is_seen_too() -> None:
    grants = Grants.of([("view", None), ("work", HERE)])
    grants.require("work", HERE, to_see="view")
    with pytest.raises(Forbidden):
        grants.require("work", THERE, to_see="view")


def test_for_what_belongs_to_no_unit_a_permission_must_hold_everywhere() -> None:
    grants = Grants.of([("quarantine", HERE), ("ledger", None)])
    grants.require_everywhere("ledger")
    for permission in ("quarantine", "unknown"):
        assert not grants.everywhere(permission)
        with pytest.raises(NotFound):
            grants.require_everywhere(permission)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [(None, None, None), (None, HERE, {HERE}), (HERE, None, {HERE}), (HERE, HERE, {HERE}), (HERE, THERE, set())],
)
def test_two_permissions_hold_together_where_both_do(
    one: UUID | None, other: UUID | None, both: set[UUID] | None
) -> None:
    assert Grants.of([("view", one), ("work", other)]).both("view", "work") == both


def test_a_keyed_hash_depends_on_key_purpose_and_text() -> None:
    base = keyed_hash(b"k", "route", "x")
    assert base == keyed_hash(b"k", "route", "x")
    assert (
        len({base, keyed_hash(b"j", "route", "x"), keyed_hash(b"k", "peer", "x"), keyed_hash(b"k", "route", "y")}) == 4
    )
