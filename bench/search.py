"""Searching a large store: the page of results compared with a plain list of the same desk, for rare, common and missing words."""

from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode

import httpx
import psycopg

from bench import stock
from bench.figures import Figure, Result, Sizes, median
from tests.journeys.hub import Hub
from zrm.casestore.search_words import contact_key
from zrm.inbox import code
from zrm.simulate.simulator import percentile
from zrm.ui.i18n import LOCALE_FOLDER

TARGET_MS: Final = 100.0
_WORDS: Final = 30_000
_LENGTHS: Final = (12, 90)  # words of a contact
_STEP: Final = 5_000
_ROUNDS: Final = 3
_FIRST: Final = 5_000_001  # apart from the numbers other parts use on a shared hub


def measure(hub: Hub, sizes: Sizes) -> Result:
    """Sequential requests of one agent over one connection, searches and lists in turn."""
    stock.fill(hub.servers.database_url, _FIRST, sizes.cases)
    words = _vocabulary()
    requests = max(1, sizes.desk_requests // 15)
    _give_words(hub.servers.database_url, words)
    result = Result(
        "Search",
        f"{sizes.cases:,} cases. The best of {_ROUNDS} rounds of {requests} requests each, one after the other, by one agent over one connection; each "
        "is the page of results from request to last byte, by turns with the list “all open” (the control). Every case has a "
        f"message of {_LENGTHS[0]} to {_LENGTHS[1]} words, drawn from {_WORDS:,} by Zipf's law out of the pieces of "
        "Persian ones. The agent sees all units; for one unit of five the last lines.",
    )
    queries = {
        "the commonest word": words[0],
        "a word of one case in ten": words[60],
        "a word of one case in a hundred": words[700],
        "a rare word": words[20_000],
        "two words": f"{words[60]} {words[700]}",
        "a word nobody wrote": "ژژژژژژ",
        "a name": "citizen 77",
        "a number as at home": "0912 000 0777",
        "a number as abroad": "+989120000777",
        "the last four digits": "0777",
        "a word of two letters": "از",
        "half a code": "9512 0734",
    }
    with httpx.Client(trust_env=False, timeout=60) as client:
        hub.sign_in(client, "maryam")
        for name, query in queries.items():
            result.figures.append(_figure(hub, client, name, query, requests))
    with httpx.Client(trust_env=False, timeout=60) as client:
        hub.sign_in(client, "sara")
        for name in ("a word of one case in a hundred", "a rare word", "the last four digits"):
            result.figures.append(_figure(hub, client, f"{name}, one unit", queries[name], requests))
    return result


def _figure(hub: Hub, client: httpx.Client, name: str, query: str, requests: int) -> Figure:
    pages = (f"{hub.web}/desk/search?{urlencode({'q': query})}", f"{hub.web}/desk/queue/open")
    rounds = [_round(client, pages, requests) for _ in range(_ROUNDS)]
    found, listed, slowest = min(rounds)
    return Figure(
        f"{name}: p50 (p99)",
        f"{found:.1f} ms ({slowest:.1f})",
        f"{listed:.1f} ms",
        f"{found / listed:.1f} ×",
        f"< {TARGET_MS:g} ms",
        found < TARGET_MS,
    )


def _round(client: httpx.Client, pages: tuple[str, str], requests: int) -> tuple[float, float, float]:
    """ms: the medians of the two pages, and the 99th percentile of the first."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(-1, requests):
        for page, taken in zip(pages, times, strict=True):
            began = time.perf_counter()
            client.get(page).raise_for_status()
            if turn >= 0:
                taken.append(time.perf_counter() - began)
    return 1000 * median(times[0]), 1000 * median(times[1]), 1000 * percentile(times[0], 0.99)


def _vocabulary() -> list[str]:
    """Words by rank: those of our Persian pages, then combinations of their pieces."""
    chance = random.Random(1)
    text = "".join(path.read_text("utf-8") for path in sorted(LOCALE_FOLDER.parents[1].rglob("locale/fa/*.po")))
    base = sorted(set(re.findall("[\u0622-\u06cc]{3,12}", text)))
    chance.shuffle(base)
    made = dict.fromkeys(base)
    while len(made) < _WORDS:
        made[chance.choice(base)[:6] + chance.choice(base)[-4:]] = None
    return list(made)


def _give_words(url: str, words: list[str]) -> None:
    """Gives every stocked contact its own words, and its citizen a telephone number."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("""
            INSERT INTO addresses (id, person_id, kind, value, raw, claimed, created_at)
            SELECT uuidv7(), person_id, 'phone', '+98912' || lpad((row_number() OVER (ORDER BY c.id))::text, 7, '0'), '',
                false, c.at FROM contacts c WHERE account = 'stock' ON CONFLICT DO NOTHING
        """)
        rows = connection.execute("""
            SELECT c.id, k.title, p.name FROM contacts c JOIN cases k ON k.id = c.case_id
            JOIN persons p ON p.id = c.person_id WHERE c.account = 'stock' ORDER BY c.id
        """).fetchall()
        said = _texts(words)
        for start in range(0, len(rows), _STEP):
            step = [(row[0], next(said), *row[1:], code.mint()) for row in rows[start : start + _STEP]]
            for statement, column in (
                ("UPDATE contacts c SET text = w.words FROM {} WHERE c.id = w.id", [row[1] for row in step]),
                (
                    "UPDATE contact_search s SET key = w.words FROM {} WHERE s.contact_id = w.id",
                    [contact_key(*row[1:]) for row in step],
                ),
            ):
                given = "unnest(%s::uuid[], %s::text[]) AS w (id, words)"
                connection.execute(statement.format(given).encode(), [[row[0] for row in step], column])
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def _texts(words: list[str]) -> Iterator[str]:
    chance = random.Random(2)
    weights = list(itertools.accumulate(1 / (rank + 5) for rank in range(len(words))))
    while True:
        yield " ".join(chance.choices(words, cum_weights=weights, k=chance.randint(*_LENGTHS)))
