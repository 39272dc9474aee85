"""The commands that take a month off the tables that grow for ever, and make one that is missing (docs/production.md)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from zrm.casestore import months
from zrm.casework import detached_month
from zrm.checks import require
from zrm.installation import open_runtime
from zrm.kit.database_checks import obstacles
from zrm.kit.db import Database
from zrm.readiness import schema_findings

console = Console(highlight=False)

month_cli = typer.Typer(no_args_is_help=True, help="The months into which the big tables are divided.")

Month = Annotated[datetime, typer.Argument(formats=["%Y-%m"], help="A month, such as 2026-11.")]


@month_cli.command("detach")
def detach(month: Month) -> None:
    """Take a month off all tables. Refused while something in it is still to be done."""
    with _database("month detach") as database:
        parts = months.detach(database, month.date())
    console.print(
        f"{month:%Y-%m} is taken off and stands in {', '.join(parts)}: dump these tables, say `zrm month forget "
        f"{month:%Y-%m}`, then drop them.",
        soft_wrap=True,
    )


@month_cli.command("forget")
def forget(month: Month) -> None:
    """Remove the search text and the files of contacts whose month was taken off."""
    with _database("month forget") as database:
        forgotten = detached_month.forget_month(database, month.date())
    console.print(
        f"The search text and files of {forgotten} contacts are removed; unused files go from the folder within a day.",
        soft_wrap=True,
    )


@month_cli.command("make")
def make(month: Month) -> None:
    """Make a month in the tables that lack it and move its rows there from the default partitions. In a quiet hour: nobody
    reads or writes a table while its rows move.
    """
    with _database("month make") as database:
        moved = months.make_from_default(database, month.date())
    told = ", ".join(f"{table}: {rows} rows" for table, rows in moved.items())
    console.print(
        f"{month:%Y-%m} is made ({told})." if moved else f"Every table has {month:%Y-%m} already.", soft_wrap=True
    )


@contextmanager
def _database(command: str) -> Iterator[Database]:
    runtime = open_runtime(command)
    try:
        require(obstacles(runtime.database) or schema_findings(runtime)[0])
        yield runtime.database
    finally:
        runtime.close()
