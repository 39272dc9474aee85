"""One id, two messages: at every door each message is kept under a receipt of its own, and brought again it has the old one.

Providers count anew after a move, test with fixed ids, repeat themselves. A door that answers yes has kept the words.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import quote

import httpx
import pytest

from tests.channels.fax.faxes import fax
from tests.channels.sms.aggregator import Aggregator
from tests.channels.sms.hub import PUBLIC_URL, installation, serving
from tests.lab.process import wait_until
from tests.lab.twilio import TwilioStandIn
from zrm.casestore import outbox
from zrm.casestore.outbox import Topic
from zrm.channels.fax.channel import FaxChannel
from zrm.channels.fax.config import FaxConfig
from zrm.channels.sms.channel import SmsChannel
from zrm.channels.sms.config import SmsConfig
from zrm.config import Settings
from zrm.contract.inbound import REPEATED_ID
from zrm.frontdesk.desk import CitizensDesk, front_desk
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.normalizer.filing import Filer

TOKEN = "token-of-webhooks"
TWILIO, RED, KANNEL = "+982130001", "30007000", "30008000"
SECRET = "a-secret-of-the-hooks"
Post = Callable[[str], int]


def channel_at(account: TwilioStandIn, url: str = "http://127.0.0.1:1") -> SmsChannel:
    fields: dict[str, object] = {"from": "msisdn", "to": "to", "text": "text", "id": "id"}
    asking: dict[str, object] = {"url": f"{url}/inbox", "method": "GET", "body": "query", "fields": {}, "every": 1}
    red = {
        "kind": "http",
        "receive": fields | {"token": {"header": "X-Token", "value": TOKEN}},
        "inbox": fields | asking,
    }
    kannel = {"kind": "kannel", "send_url": "http://127.0.0.1:1/", "username": "u", "password": "word", "token": TOKEN}
    section = {
        "api_base": account.url,
        "accounts": {
            TWILIO: {"account_sid": account.account, "auth_token": account.token},
            RED: {"gateway": "red"},
            KANNEL: {"gateway": "kannel"},
        },
        "gateways": {"red": red, "kannel": kannel},
    }
    return SmsChannel(SmsConfig.model_validate(section), installation())


@pytest.fixture
def account() -> Iterator[TwilioStandIn]:
    with TwilioStandIn() as opened:
        yield opened


@pytest.fixture
def desk(database: Database, blobs: BlobStore, inbox: Inbox, settings: Settings) -> CitizensDesk:
    return front_desk(database, blobs, inbox, settings, b"key", [])


@pytest.fixture
def posts(account: TwilioStandIn, desk: CitizensDesk) -> Iterator[dict[str, Post]]:
    """By door, how a message with these words comes in; all have one id."""
    with ExitStack() as stack:
        sms = channel_at(account)
        stack.callback(sms.close)
        hub = stack.enter_context(serving(sms.routes(desk)))
        fax_hub = stack.enter_context(
            serving(FaxChannel(FaxConfig(token=SECRET, max_mb=1), installation()).routes(desk))
        )

        def twilio(words: str) -> int:
            path, form = f"/hooks/twilio/sms/{TWILIO[1:]}", {"MessageSid": "SM" + "1" * 32, "From": "+989121234567"}
            form |= {"To": TWILIO, "Body": words}
            signature = {"X-Twilio-Signature": account.signature(PUBLIC_URL + path, form)}
            return httpx.post(hub + path, data=form, headers=signature).status_code

        def gateway(words: str) -> int:
            item = {"id": "77", "msisdn": "989121234567", "to": RED, "text": words}
            return httpx.post(f"{hub}/hooks/sms/red/message", json=item, headers={"X-Token": TOKEN}).status_code

        def kannel(words: str) -> int:
            text = quote(words.encode("utf-16-be"))
            query = f"key={TOKEN}&id=77&from=%2B989121234567&to={KANNEL}&time=1&coding=2&text={text}"
            return httpx.get(f"{hub}/hooks/sms/kannel/message?{query}").status_code

        def failed_fax(words: str) -> int:
            form = {"source": "hylafax", "call": "42", "caller": "0218", "called": "150", "stamp": "1", "error": words}
            files = {name: (None, value) for name, value in form.items()}
            return httpx.post(
                f"{fax_hub}/hooks/fax", files=files, headers={"Authorization": f"Bearer {SECRET}"}
            ).status_code

        def fax_of(caller: str) -> int:
            form = {"source": "hylafax", "call": "42", "caller": caller, "called": "150"}
            files = {"file": ("fax.tif", fax(), "image/tiff")}
            head = {"Authorization": f"Bearer {SECRET}"}
            return httpx.post(f"{fax_hub}/hooks/fax", data=form, files=files, headers=head).status_code

        yield {"twilio": twilio, "gateway": gateway, "kannel": kannel, "failed fax": failed_fax, "fax": fax_of}


def receipts(database: Database) -> list[tuple[str, bool]]:
    """(id, whether it is marked) of all contacts, the oldest first."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT r.external_id, w.envelope ? %s FROM receipts r JOIN raw_contacts w ON w.id = r.contact_id "
            "ORDER BY w.id",
            [REPEATED_ID],
        )
        return cursor.fetchall()


@pytest.mark.parametrize("door", ["twilio", "gateway", "kannel", "failed fax", "fax"])
def test_another_message_under_a_known_id_is_kept_and_marked_and_the_same_one_is_not_doubled(
    door: str, posts: dict[str, Post], database: Database
) -> None:
    words = ("چراغ کوچه خراب است", "آب شهر قطع است", "چراغ کوچه خراب است")
    assert [posts[door](said) for said in (*words, *words)] == [200] * 6
    (first, marked), (second, then_marked) = receipts(database)
    assert second.startswith(f"{first}/")
    assert (marked, then_marked) == (False, True)


def test_an_agent_sees_that_the_id_was_another_messages(
    posts: dict[str, Post], account: TwilioStandIn, database: Database, blobs: BlobStore, settings: Settings
) -> None:
    posts["gateway"]("چراغ خراب است")
    posts["gateway"]("آب قطع است")
    with database.cursor() as cursor:
        tasks = outbox.claim(cursor, Topic.FILE, limit=10, lease=60)
    Filer(database, blobs, {"sms": channel_at(account).parse}, settings)(tasks)
    with database.cursor() as cursor:
        cursor.execute("SELECT text, labels FROM contacts WHERE direction = 'in' ORDER BY at, id")
        assert cursor.fetchall() == [("چراغ خراب است", []), ("آب قطع است", [REPEATED_ID])]


def test_what_comes_by_webhook_and_lies_in_the_inbox_too_is_one_whatever_shape_it_has(
    posts: dict[str, Post], account: TwilioStandIn, desk: CitizensDesk, database: Database
) -> None:
    posts["gateway"]("چراغ خراب است")
    listed = [
        {"id": 77, "msisdn": "+98 912 123 4567", "text": "چراغ خراب است", "to": RED, "status": "read"},
        {"id": 77, "msisdn": "+98 912 123 4567", "text": "چراغ هنوز خراب است", "to": RED, "status": "read"},
    ]
    with Aggregator((200, json.dumps(listed))) as provider:
        stop = threading.Event()
        listening = threading.Thread(target=channel_at(account, provider.url).listen, args=(desk, stop))
        listening.start()
        wait_until(lambda: len(provider.asked) > 2 and len(receipts(database)) > 1, "the inbox to be read twice")
        stop.set()
        listening.join()
    assert [marked for _, marked in receipts(database)] == [False, True]
