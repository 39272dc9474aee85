"""A citizen keys the tracking code on the telephone and hears how far the case is."""

from __future__ import annotations

import pytest

from tests.channels.voice_ivr.test_calls import hears
from tests.journeys.citizens import Caller, Town, new_phone
from tests.journeys.desk import Desk
from tests.journeys.hub import PROMPTS
from tests.lab.telephony import Telephony

pytestmark = [pytest.mark.peer("browser"), pytest.mark.peer("asterisk"), pytest.mark.timeout(240)]


def test_a_citizen_hears_that_the_case_is_being_worked_on(town: Town, maryam: Desk, telephony: Telephony) -> None:
    dialled, number = new_phone()
    town.text(number, "آب کوچه قطع است.")
    case = town.case_of(number)
    maryam.visit(f"cases/{case}")
    maryam.claim()
    caller = Caller(telephony, dialled)
    caller.ask_for_state("fa", town.code_of(case))
    assert hears(caller.call.heard, PROMPTS / "fa" / "state-in_progress.wav")
    assert not hears(caller.call.heard, PROMPTS / "fa" / "state-closed.wav")
