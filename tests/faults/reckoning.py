"""After a fault: wait until the hub has healed, then hold it to the truth, from the senders' side and the store's."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import psycopg

from tests.faults.conftest import SmallInstallation
from tests.journeys.hub import Hub
from tests.lab.process import PeerError, wait_until
from tests.lab.smtp_sink import SmtpSink
from zrm.insight import ledger
from zrm.installation import load_config
from zrm.kit.clock import now
from zrm.simulate.endpoints import KINDS
from zrm.simulate.simulator import Simulator, Tally

PATIENCE = 90.0
"""Seconds; nothing here is a measure of speed."""

_ENDED = {"sent", "delivered", "failed", "unknown", "withdrawn"}


def end_leases(hub: Hub) -> None:
    """Let the minute pass after which what a killed worker was sending is given to another, and what waits on purpose."""
    hub.ask("UPDATE timers SET due_at = now() RETURNING 1")
    hub.ask("UPDATE outbox SET due_at = now() WHERE topic IN ('deliver', 'render') AND due_at > now() RETURNING 1")


def heal(hub: Hub, seconds: float = PATIENCE) -> None:
    """Wait until every role runs again and no work is left. Errors: PeerError saying what is left."""
    for role in ("relay", "worker-1", "worker-2", "worker-3", "web", "email", "voice_ivr", "fax"):
        hub.wait_for(role)
    hub.wait_until_ready(seconds)
    end_leases(hub)
    try:
        wait_until(lambda: _left(hub) == [], "the outbox to be empty", seconds)
    except PeerError as problem:
        raise PeerError(f"{problem}; left: {_left(hub)}") from None


def _left(hub: Hub) -> list[tuple[object, ...]]:
    """What is still to be done: things in the doors' spools, then tasks.

    A call that was cut off before its first sound leaves a note that waits for minutes, and no citizen's word.
    """
    spooled = [*hub.recordings.glob("*.wav"), *hub.fax_spool.glob("*.json")]
    try:
        return [(path.name,) for path in spooled] or hub.ask(
            "SELECT topic, attempts, due_at - now(), failed_at, error || reason_code FROM outbox"
            " UNION ALL SELECT topic, 0, due_at - now(), NULL, 'timer' FROM timers"
        )
    except psycopg.OperationalError:
        return [("the store is away",)]
    finally:
        time.sleep(0.1)


def hold_to_truth(hub: Hub, *tallies: Tally, sink: SmtpSink | None = None) -> None:
    """Nothing lost, nothing doubled, the law holds; what left the installation left it once."""
    _every_promise_is_kept(hub, tallies)
    _the_law_holds(hub)
    _each_contact_is_in_one_case(hub)
    _counters_tell_the_truth(hub)
    _every_delivery_ended_once(hub, sink)


def _every_promise_is_kept(hub: Hub, tallies: tuple[Tally, ...]) -> None:
    known = Counter[str]()
    for code, external_id in hub.ask(
        "SELECT r.code, r.external_id FROM receipts r JOIN raw_contacts w ON w.id = r.contact_id"
    ):
        known.update((str(code), str(external_id)))
    for tally in tallies:
        for channel, references in tally.acknowledged.items():
            found = {reference: known[reference] for reference in references}
            assert set(found.values()) <= {1}, f"{channel}: {[r for r, n in found.items() if n != 1]} lost or doubled"
    if tallies:
        # Each sender keeps its contact's identity, so the store may hold nothing that no sender knows of, except from
        # those who rang off in the middle and were never told.
        sent = sum((Counter({c: len(r) for c, r in t.acknowledged.items()}) + t.left for t in tallies), Counter[str]())
        given_up = sum((t.given_up for t in tallies), Counter[str]())
        refused = sum((t.refused for t in tallies), Counter[str]())
        assert not given_up, f"senders gave up: {given_up} {[t.words for t in tallies]}"
        assert not refused, f"honest senders were refused: {refused} {[t.words for t in tallies]}"
        stored = dict(hub.ask("SELECT channel, count(*) FROM raw_contacts WHERE kind = 'contact' GROUP BY 1"))
        assert {c: n for c, n in stored.items() if n > sent[c]} == {}, f"more in the store than was sent: {sent}"


def _the_law_holds(hub: Hub) -> None:
    assert hub.ask("SELECT count(*) FROM raw_contacts WHERE state = 'waiting'") == [(0,)]
    unmatched = "SELECT count(*) FROM receipts r FULL JOIN raw_contacts w ON w.id = r.contact_id WHERE {} IS NULL"
    assert hub.ask(unmatched.format("w.id")) == [(0,)], "a receipt without its contact"
    assert hub.ask(unmatched.format("r.contact_id")) == [(0,)], "a contact without its receipt"
    with (
        psycopg.connect(hub.servers.database_url, options="-c timezone=UTC") as connection,
        connection.cursor() as cursor,
    ):
        lines = ledger.by_hour(cursor, now() - timedelta(days=1), now() + timedelta(days=1))
    assert lines
    assert [line for line in lines if not line.holds] == []


def _each_contact_is_in_one_case(hub: Hub) -> None:
    astray = hub.ask(
        "SELECT w.id, w.state, count(c.id) FROM raw_contacts w LEFT JOIN contacts c ON c.id = w.id "
        "WHERE w.kind = 'contact' GROUP BY 1, 2 HAVING count(c.id) <> (w.state IN ('filed', 'joined'))::int"
    )
    assert astray == []
    not_one_case = hub.ask(
        "SELECT r.code, count(k.id) FROM raw_contacts w JOIN receipts r ON r.contact_id = w.id "
        "LEFT JOIN cases k ON k.code = r.code WHERE w.state = 'filed' GROUP BY 1 HAVING count(k.id) <> 1"
    )
    assert not_one_case == []
    nobodys = hub.ask(
        "SELECT k.id FROM cases k WHERE NOT EXISTS (SELECT FROM contacts c WHERE c.case_id = k.id AND c.direction = 'in')"
    )
    assert nobodys == []
    twins = hub.ask(
        "SELECT kind, value, count(DISTINCT person_id) FROM addresses WHERE NOT claimed GROUP BY 1, 2 "
        "HAVING count(DISTINCT person_id) > 1"
    )
    assert twins == [], "one address that showed itself, two persons"
    untold = hub.ask(
        "SELECT c.id FROM contacts c JOIN cases k ON k.id = c.case_id WHERE c.direction = 'in' "
        "AND c.agent_id IS DISTINCT FROM k.assignee_id AND EXISTS ("
        "SELECT FROM case_events e WHERE e.case_id = k.id AND e.kind IN ('claimed', 'assigned', 'replied', 'reopened') "
        "AND e.agent_id = k.assignee_id AND e.at < c.at) AND NOT EXISTS (SELECT FROM case_events e "
        "WHERE e.case_id = k.id AND e.kind IN ('assigned', 'transferred', 'released') AND e.at >= c.at) "
        "AND NOT EXISTS (SELECT FROM notifications n WHERE n.source_id = c.id AND n.agent_id = k.assignee_id)"
    )
    assert untold == [], "contacts whose assignee was not told of them"
    for (key,) in hub.ask("SELECT DISTINCT blob_key FROM attachments"):
        assert (hub.var / "blobs" / str(key)[:2] / str(key)[2:4] / str(key)).is_file()


def _counters_tell_the_truth(hub: Hub) -> None:
    counted = hub.ask("SELECT channel, state, sum(n)::int FROM contact_counts GROUP BY 1, 2 HAVING sum(n) <> 0")
    assert sorted(counted) == sorted(hub.ask("SELECT channel, state, count(*)::int FROM raw_contacts GROUP BY 1, 2"))
    counted = hub.ask("SELECT unit_id::text, status, sum(n)::int FROM case_counts GROUP BY 1, 2 HAVING sum(n) <> 0")
    assert sorted(counted) == sorted(hub.ask("SELECT unit_id::text, status, count(*)::int FROM cases GROUP BY 1, 2"))


def _every_delivery_ended_once(hub: Hub, sink: SmtpSink | None) -> None:
    rows = hub.ask(
        "SELECT d.id, d.channel, d.state, c.message_id FROM deliveries d JOIN contacts c ON c.id = d.contact_id"
    )
    assert {row[2] for row in rows} <= _ENDED
    arrived = arrivals(hub, sink)
    for identifier, channel, state, message_id in rows:
        if channel not in ("email", "sms") or (channel == "email" and sink is None):
            continue
        came = arrived[str(message_id) if channel == "email" else str(identifier)]
        most = {"failed": (0,), "withdrawn": (0,), "unknown": (0, 1)}.get(str(state), (1,))
        assert came in most, f"{channel} delivery {identifier} is {state} and came {came} times"


def arrivals(hub: Hub, sink: SmtpSink | None) -> Counter[str]:
    """How often each message reached the mail server (by Message-ID) or Twilio (by the delivery's id)."""
    arrived = Counter(str(mail.message["Message-ID"]) for mail in list(sink.mails)) if sink else Counter[str]()
    for message in hub.twilio.outbound():
        query = parse_qs(urlsplit(message.status_callback or "").query)
        arrived.update(query.get("reply", ()))
    return arrived


def load(
    installation: SmallInstallation, *doors: str, rate: float = 20.0, seconds: float = 600.0, seed: int = 1
) -> Simulator:
    """Honest senders at these doors (all five if none is named), who come again until they are told yes."""
    plan = load_config(installation.hub.config)
    simulator = Simulator(plan, doors or KINDS, rate=rate, seconds=seconds, seed=seed, threads=12, patience=PATIENCE)
    installation.tallies.append(simulator.tally)
    return simulator


def wait_for(simulator: Simulator, more: int, channel: str = "") -> None:
    """Wait until so many more contacts have been acknowledged."""
    wanted = simulator.acknowledged(channel) + more
    wait_until(lambda: simulator.acknowledged(channel) >= wanted, f"{more} more acknowledged contacts", PATIENCE)
