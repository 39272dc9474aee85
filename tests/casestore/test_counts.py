"""The counters: adding differences up changes no sum, whoever writes meanwhile, and leaves few rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zrm.casestore import counts
from zrm.kit.db import Cursor, Database

Difference = tuple[str, datetime, str, int]
NOW = datetime.now(UTC)
THIS_HOUR = NOW.replace(minute=0, second=0, microsecond=0)
BY_HOUR = NOW.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=7)
LONG_AGO = BY_HOUR - timedelta(days=3)

differences = st.lists(
    st.tuples(
        st.sampled_from(["email", "sms"]),
        st.integers(0, 24 * 20).map(lambda hours: THIS_HOUR - timedelta(hours=hours)),
        st.sampled_from(["waiting", "filed"]),
        st.integers(-3, 3),
    ),
    max_size=60,
)


def write(cursor: Cursor, rows: Sequence[Difference]) -> None:
    cursor.executemany("INSERT INTO contact_counts VALUES (%s, %s, %s, %s)", rows)


def sums(cursor: Cursor) -> dict[tuple[str, str], int]:
    cursor.execute("SELECT channel, state, sum(n)::int FROM contact_counts GROUP BY 1, 2 HAVING sum(n) <> 0")
    return {(channel, state): n for channel, state, n in cursor}


def rows(cursor: Cursor) -> list[Difference]:
    cursor.execute("SELECT channel, hour, state, n FROM contact_counts ORDER BY hour, channel, state, n")
    return cursor.fetchall()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(differences)
def test_folding_to_days_keeps_every_sum_and_one_row_a_day(empty: Database, given_rows: list[Difference]) -> None:
    with empty.cursor() as cursor:
        cursor.execute("TRUNCATE contact_counts")
        write(cursor, given_rows)
        before = sums(cursor)
        recent = [row for row in rows(cursor) if row[1] >= BY_HOUR]
        counts.fold_days(cursor)
        folded = rows(cursor)
        assert sums(cursor) == before
        assert [row for row in folded if row[1] >= BY_HOUR] == recent
        old = [row for row in folded if row[1] < BY_HOUR]
        assert all(hour.astimezone(UTC).hour == 0 for _, hour, _, _ in old)
        assert len({row[:3] for row in old}) == len(old)
        counts.fold_days(cursor)
        assert rows(cursor) == folded


def test_a_contact_that_changes_its_state_after_its_day_was_folded_is_folded_next_time(empty: Database) -> None:
    day = LONG_AGO
    with empty.cursor() as cursor:
        write(cursor, [("sms", day + timedelta(hours=3), "quarantined", 2), ("sms", day, "filed", 5)])
        counts.fold_days(cursor)
        write(
            cursor,
            [("sms", day + timedelta(hours=3), "quarantined", -1), ("sms", day + timedelta(hours=3), "filed", 1)],
        )
        counts.fold_days(cursor)
        assert rows(cursor) == [("sms", day, "filed", 6), ("sms", day, "quarantined", 1)]


def test_what_others_write_while_days_are_folded_is_counted(empty: Database) -> None:
    at = LONG_AGO + timedelta(hours=5)
    with empty.cursor() as cursor:
        write(cursor, [("sms", at, "filed", 5)])
    with empty.connect() as writing, empty.connect() as folding, empty.cursor() as reader:
        write(writing.cursor(), [("sms", at, "filed", 1)])
        counts.fold_days(folding.cursor())
        assert sums(reader) == {("sms", "filed"): 5}  # neither of the two has committed
        writing.commit()
        assert sums(reader) == {("sms", "filed"): 6}
        folding.commit()
        assert sums(reader) == {("sms", "filed"): 6}
        counts.fold_days(reader)
        assert rows(reader) == [("sms", LONG_AGO, "filed", 6)]


def test_only_one_process_folds_at_a_time(empty: Database) -> None:
    with empty.cursor() as cursor:
        write(cursor, [("sms", LONG_AGO + timedelta(hours=1), "filed", 1)])
    with empty.cursor() as first, empty.cursor() as second:
        counts.fold_days(first)
        counts.fold_days(second)
        assert rows(second) == [("sms", LONG_AGO + timedelta(hours=1), "filed", 1)]


def test_a_year_is_a_few_thousand_rows(empty: Database) -> None:
    """What a scrape sums: by the hour it would be a quarter of a million."""
    with empty.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contact_counts SELECT channel, hour, 'filed', 3 FROM unnest(ARRAY['web', 'email', 'sms']) AS channel"
            " CROSS JOIN generate_series(now() - interval '90 days', now(), interval '1 hour') AS hour"
        )
        before = sums(cursor)
        counts.fold_days(cursor)
        assert sums(cursor) == before
        assert len(rows(cursor)) < 3 * (24 * 8 + 91)


def test_the_newest_differences_are_added_up_however_many_rows_the_past_has(empty: Database) -> None:
    with empty.cursor() as cursor:
        write(cursor, [("sms", LONG_AGO - timedelta(days=day), "filed", 1) for day in range(300)])
        write(cursor, [("sms", THIS_HOUR, "filed", 1)] * 3)
        counts.compact(cursor)
        assert len(rows(cursor)) == 303
        write(cursor, [("sms", THIS_HOUR, "filed", 1)] * 300)
        counts.compact(cursor)
        assert rows(cursor)[-1] == ("sms", THIS_HOUR, "filed", 303)
        assert len(rows(cursor)) == 301
