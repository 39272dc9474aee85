"""What goes wrong is seen on the desk and put right from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from playwright.sync_api import expect

from tests.journeys.citizens import Town, new_address, new_phone
from tests.journeys.desk import PATIENCE, Desk
from tests.lab.twilio import THROTTLE, Refuse

pytestmark = [pytest.mark.peer("browser"), pytest.mark.timeout(240)]

TRAP = """
CREATE FUNCTION test_trap() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'a fault of this test'; END $$;
CREATE TRIGGER test_trap BEFORE INSERT ON contacts FOR EACH ROW WHEN (NEW.text LIKE '%trap%') EXECUTE FUNCTION test_trap();
"""


@contextmanager
def fault_in_the_store(town: Town) -> Iterator[None]:
    """Contacts with the word trap cannot be filed until the block ends."""
    with psycopg.connect(town.hub.servers.database_url, autocommit=True) as connection:
        connection.execute(TRAP)
        try:
            yield
        finally:
            connection.execute("DROP TRIGGER test_trap ON contacts")
            connection.execute("DROP FUNCTION test_trap")


def test_a_contact_in_quarantine_is_filed_after_the_fault_is_mended(town: Town, daniel: Desk) -> None:
    daniel.watch()
    sender = new_address()
    held = daniel.page.locator("[data-count=quarantine]")
    with fault_in_the_store(town):
        town.write(sender, "A letter", "There is a trap in this letter.")
        expect(held).to_have_text("1", timeout=PATIENCE)  # the number on the open page
        assert daniel.same_page()
        assert town.hub.ask("SELECT 1 FROM contacts WHERE address = %s", sender) == []
    daniel.visit("quarantine")
    item = daniel.page.locator(".z-work-item")
    expect(item).to_have_count(1)
    item.locator("form[action$='/replay'] button").click()
    expect(item).to_have_count(0, timeout=PATIENCE)
    case = town.case_of(sender)
    daniel.watch()
    daniel.sees(case, "A letter")
    expect(held).to_be_hidden()


def test_an_answer_that_failed_is_sent_again(town: Town, maryam: Desk) -> None:
    _, number = new_phone()
    town.text(number, "آسفالت کوچه خراب است.")
    case = town.case_of(number)
    town.text_to(number, "/track")  # the first word back has left; the next message is the answer
    maryam.visit(f"cases/{case}")
    maryam.claim()
    town.twilio.next(Refuse(21408))
    entry = maryam.answer("فردا درست می‌شود.")
    maryam.becomes(entry, "نرسید")
    expect(maryam.page.locator("[data-count=failed_deliveries]")).to_have_text("۱", timeout=PATIENCE)
    assert maryam.same_page()
    entry.locator("form[action$='/again'] button").click()
    message = town.text_to(number, "فردا درست می‌شود.")
    town.twilio.report(message, "delivered")
    maryam.becomes_after_reload(entry, "رسید")
    expect(maryam.page.locator("[data-count=failed_deliveries]")).to_be_hidden(timeout=PATIENCE)


def test_a_provider_that_asks_us_to_wait_is_tried_again_by_itself(town: Town, daniel: Desk) -> None:
    _, number = new_phone()
    town.text(number, "My cat is lost.")
    case = town.case_of(number)
    town.text_to(number, "/track")
    daniel.visit(f"cases/{case}")
    daniel.claim()
    town.twilio.next(THROTTLE)
    entry = daniel.answer("We told the shelter.")
    town.text_to(number, "We told the shelter.")
    daniel.becomes(entry, "Sent")
    expect(entry.locator(".z-steps li", has_text="Queued")).to_have_count(2)  # it was put back once
