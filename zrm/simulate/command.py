"""`zrm simulate`: traffic with a progress bar, then its reconciliation."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from zrm.insight.ledger import STATES
from zrm.installation import Runtime
from zrm.simulate.endpoints import web_address
from zrm.simulate.reconciliation import Reckoning, cases_of, filing_seconds, reckon, store_time, wait_until_quiet
from zrm.simulate.simulator import Happening, Simulator, Tally, percentile
from zrm.simulate.watch import DeskWatch

QUIET_SECONDS: Final = 120.0


def simulate(
    runtime: Runtime, simulator: Simulator, console: Console, *, watch_as: tuple[str, str] | None = None
) -> bool:
    """Send, wait until the hub is quiet, print the reconciliation; whether the law holds. The hub runs elsewhere.

    `watch_as` is the login and password of the agent whose desk is watched for the rows.
    """
    database = runtime.database
    since = store_time(database)
    with contextlib.ExitStack() as stack:
        watch = None
        if watch_as is not None:
            watch = stack.enter_context(DeskWatch(web_address(runtime.config), *watch_as))
        quiet = _send(runtime, simulator, stack.enter_context(_progress(console)))
        until = store_time(database)
        with database.cursor() as cursor:
            reckonings = reckon(cursor, simulator.tally, since, until)
            filing = filing_seconds(cursor, since, until)
            delays = watch.delays(simulator.tally, lambda wanted: cases_of(cursor, wanted)) if watch else None
    _print_account(console, reckonings, simulator.tally)
    _print_times(console, simulator.tally, filing, delays)
    if not quiet:
        console.print(f"[red]The hub was not quiet after {QUIET_SECONDS:.0f} s; run `zrm check`, look at the desk.[/]")
    holds = quiet and all(reckoning.holds for reckoning in reckonings)
    unheard = sum(simulator.tally.refused.values()) + sum(simulator.tally.given_up.values())
    for words, count in simulator.tally.words.most_common(8):
        console.print(f"  {count} × {words}", markup=False, style="dim")
    if holds and not unheard:
        console.print("[green]The law holds: what was acknowledged is in the store, once, and has become something.[/]")
    elif not holds:
        console.print("[red]The law does not hold.[/]")
    else:
        console.print(f"[red]The law holds, but {unheard} contacts were never taken.[/]")
    return holds and not unheard


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description:24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)


def _send(runtime: Runtime, simulator: Simulator, progress: Progress) -> bool:
    """Send the traffic; whether the hub became quiet afterwards."""
    task = progress.add_task("contacts acknowledged", total=simulator.total, note="")
    simulator.told = lambda happening: _show(progress, task, simulator.tally, happening)
    simulator.run()
    waiting = progress.add_task("waiting to be filed", total=None, note="")
    quiet = wait_until_quiet(
        runtime.database, QUIET_SECONDS, look=lambda left: progress.update(waiting, note=f"{left} left")
    )
    progress.update(waiting, total=1, completed=1, note="")
    return quiet


def _show(progress: Progress, task: TaskID, tally: Tally, happening: Happening) -> None:
    again = sum(tally.tried_again.values())
    note = f"{again} tried again" if again else ""
    progress.update(task, advance=0 if happening.outcome == "again" else 1, note=note)


def _print_account(console: Console, reckonings: Sequence[Reckoning], tally: Tally) -> None:
    table = Table(title="received = filed + joined + ignored + quarantined + waiting")
    table.add_column("")
    for one in reckonings:
        table.add_column(one.channel, justify="right")
    rows: dict[str, list[int]] = {
        "sent": [tally.sent[one.channel] for one in reckonings],
        "tried again": [tally.tried_again[one.channel] for one in reckonings],
        "acknowledged": [one.acknowledged for one in reckonings],
        "received": [one.line.received for one in reckonings],
    }
    rows |= {state: [getattr(one.line, state) for one in reckonings] for state in STATES}
    rows |= {
        "acknowledged, not stored": [len(one.lost) for one in reckonings],
        "stored, not acknowledged": [one.strange for one in reckonings],
    }
    for name, numbers in rows.items():
        table.add_row(name, *map(str, numbers))
    table.add_row("law", *("[green]holds[/]" if one.holds else "[red]BROKEN[/]" for one in reckonings))
    console.print(table)
    if any(one.left for one in reckonings):
        console.print(f"  {sum(one.left for one in reckonings)} conversations broke with the hub holding the contact.")


def _print_times(console: Console, tally: Tally, filing: list[float], delays: list[float] | None) -> None:
    table = Table(title="milliseconds")
    table.add_column("from … to")
    for heading in ("count", "p50", "p90", "p99", "most"):
        table.add_column(heading, justify="right")
    rows = {f"{channel}: door to answer": seconds for channel, seconds in tally.seconds.items()}
    rows["receipt to case"] = filing
    if delays is not None:
        rows["answer to the row on an open desk"] = delays
    for name, seconds in rows.items():
        values = [percentile(seconds, share) * 1000 for share in (0.5, 0.9, 0.99, 1.0)]
        table.add_row(name, str(len(seconds)), *(f"{value:.1f}" for value in values))
    console.print(table)
