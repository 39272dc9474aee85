"""A long Persian text by a real SMSC to a case, and the long answer back with its reports: door, T1, T2, T4, report.

Field 2.6: doubles created (jasmin#1232). Field 2.13: delivery receipts lost for long SMS (jasmin#424, #423).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from tests.casework.installation import acting
from tests.channels.sms.line import PERSIAN, channel_at
from tests.dispatch.test_deliver import make_case
from tests.lab.process import Child, wait_until
from tests.lab.smsc import PASSWORD, SYSTEM, Smsc
from zrm.casestore import outbox
from zrm.casestore.outbox import Task, Topic
from zrm.casework import case_actions
from zrm.casework.reply_routes import ReplyRoute
from zrm.channels.sms.smpp.pdu import read_delivered
from zrm.config import Settings
from zrm.contract.inbound import Report
from zrm.dispatch.deliver import Deliver
from zrm.dispatch.status import NO_REPORT, StatusHandler, query_missing_reports
from zrm.frontdesk.desk import front_desk
from zrm.inbox.receive import Inbox
from zrm.kit.blobs import BlobStore
from zrm.kit.db import Database
from zrm.normalizer.filing import Filer
from zrm.normalizer.reports import apply_delivery_report


def test_a_long_text_becomes_a_case_and_the_answer_is_reported_delivered(
    tmp_path: Path, database: Database, inbox: Inbox, blobs: BlobStore, settings: Settings
) -> None:
    """Field 2.6 and 2.13: parts out of order and doubled come in, every part that goes out is reported on."""
    settings = settings.model_copy(update={"acknowledge": []})

    def work(topic: Topic, handler: Callable[[list[Task]], None]) -> None:
        with database.cursor() as cursor:
            cursor.execute("UPDATE outbox SET due_at = now() WHERE error LIKE 'report for%'")
            tasks = outbox.claim(cursor, topic, limit=100, lease=60)
        handler(tasks)

    def ask(query: str) -> list[tuple[object, ...]]:
        with database.cursor() as cursor:
            cursor.execute(query.encode())
            return cursor.fetchall()

    with Smsc(tmp_path) as smsc:
        channel = channel_at(smsc.port, tmp_path)
        filer = Filer(database, blobs, {"sms": channel.parse}, settings, {"sms": channel.join})
        desk, stop = front_desk(database, blobs, inbox, settings, b"key", []), threading.Event()
        listener = threading.Thread(target=channel._listen, args=(desk, stop))
        listener.start()
        try:
            smsc.wait_for("bound", mode="receiver")
            smsc.deliver(PERSIAN, how="udh", order=[3, 1, 0, 3, 2, 4])
            smsc.wait_for("answer", 6, status=0)
            work(Topic.FILE, filer)
            assert ask("SELECT text FROM contacts") == [(PERSIAN.strip(),)] or ask("SELECT text FROM contacts") == [
                (PERSIAN,)
            ]
            ((case_id, version, agent_id),) = ask("SELECT id, version, (SELECT id FROM agents LIMIT 1) FROM cases")
            with database.cursor() as cursor:
                way = ReplyRoute("sms", "30001", "+989121234567")
                act = acting(agent_id, case_id, version, way)  # type: ignore[arg-type]  # ids and a number, as read
                case_actions.reply(cursor, act, route=way, title="", text=PERSIAN)
            work(Topic.DELIVER, Deliver(database, {"sms": channel}, settings))
            assert ask("SELECT state FROM deliveries") == [("sent",)]
            wait_until(lambda: ask("SELECT count(*) FROM raw_contacts WHERE kind = 'report'") == [(5,)], "the reports")
            work(Topic.FILE, filer)
            assert ask("SELECT state FROM deliveries") == [("delivered",)]
            assert "".join(message["text"] for message in smsc.log("submit")) == PERSIAN.strip()
        finally:
            stop.set()
            listener.join()
            channel.close()


def test_a_long_answer_whose_reports_were_lost_is_asked_after_part_by_part(
    tmp_path: Path, database: Database, blobs: BlobStore, settings: Settings
) -> None:
    """Field 2.13: jasmin#424, #423: one report of three came; the SMSC itself says what became of the others."""
    delivery = make_case(database, PERSIAN[:190])
    with database.cursor() as cursor:
        words = ["sms", "30001", "+989121234567", delivery]
        cursor.execute("UPDATE deliveries SET channel = %s, account = %s, address = %s WHERE id = %s", words)
        tasks = outbox.claim(cursor, Topic.DELIVER, limit=10, lease=60)

    def ask_smsc() -> tuple[object, ...]:
        with database.cursor() as cursor:
            cursor.execute("UPDATE deliveries SET asked_at = NULL, changed_at = now() - interval '25 hours'")
            assert query_missing_reports(cursor, hours=24) == 1
            asking = outbox.claim(cursor, Topic.STATUS, limit=10, lease=60)
        StatusHandler(database, {"sms": channel})(asking)
        with database.cursor() as cursor:
            cursor.execute("SELECT state, coalesce(reason_params ->> 'words', reason_code) FROM deliveries")
            return cursor.fetchone() or ()

    with Smsc(tmp_path) as smsc:
        channel = channel_at(smsc.port, tmp_path)
        smsc.hold_receipts()
        Deliver(database, {"sms": channel}, settings)(tasks)
        ids = [taken["id"] for taken in smsc.log("submit")]
        assert len(ids) == 3
        with database.cursor() as cursor:
            assert apply_delivery_report(cursor, "sms", Report(f"mci:{ids[1]}", "delivered"))
        smsc.settle(ids[0], 2)
        assert ask_smsc() == ("sent", NO_REPORT.code), (
            "one part is still under way: the timeline says that nobody knows"
        )
        smsc.settle(ids[2], 2)
        assert ask_smsc() == ("delivered", "")
        assert [asked["id"] for asked in smsc.log("query")] == [ids[0], ids[2], ids[2]], (
            "what is known is not asked again"
        )
        channel.close()


def test_a_killed_listener_loses_nothing_and_doubles_nothing(
    tmp_path: Path, database_url: str, redis_url: str, database: Database
) -> None:
    """What was acknowledged is there; what was not is delivered again by the network, and is there once."""
    config = tmp_path / "config.yaml"

    def start() -> Child:
        environment = {
            **os.environ,
            "ZRM_CONFIG": str(config),
            "ZRM_DATABASE_URL": database_url,
            "ZRM_REDIS_URL": redis_url,
        }
        return Child([sys.executable, "-m", "zrm.cli", "listen", "sms"], log=tmp_path / "listen.log", env=environment)

    def kept() -> list[str]:
        with database.cursor() as cursor:
            cursor.execute("SELECT body FROM raw_contacts")
            return [read_delivered(body).source for (body,) in cursor]

    with Smsc(tmp_path) as smsc:
        config.write_text(
            json.dumps(
                {
                    "organisation": {"name": {"fa": "آزمون", "en": "Test"}},
                    "data_dir": str(tmp_path / "data"),
                    "channels": {
                        "sms": {
                            "accounts": {"30001": {"gateway": "mci"}},
                            "gateways": {
                                "mci": {"kind": "smpp", "host": "127.0.0.1", "port": smsc.port, "system_id": SYSTEM, "password": PASSWORD}
                            },
                        }
                    },
                }
            ),
            encoding="utf-8",
        )  # fmt: skip
        listener = start()
        senders = [f"98912{number:07d}" for number in range(60)]
        try:
            smsc.wait_for("bound", mode="receiver")
            for sender in senders:
                smsc.deliver("چراغ خراب است", sender=sender)
                if sender == senders[40]:
                    os.kill(listener.pid, signal.SIGKILL)
                    break
            assert listener.wait(10)
            smsc.wait_for("close", mode="receiver")
            answered = {answer["from"] for answer in smsc.log("answer", status=0)}
            assert answered <= set(kept()), "what was acknowledged is there"
            listener = start()
            smsc.wait_for("bound", 2, mode="receiver")
            again = [sender for sender in senders if sender not in answered]
            for sender in again:
                smsc.deliver("چراغ خراب است", sender=sender)
            wait_until(lambda: len(smsc.log("answer", status=0)) >= len(senders), "every answer")
            assert sorted(kept()) == senders, "each once"
        finally:
            listener.stop()
