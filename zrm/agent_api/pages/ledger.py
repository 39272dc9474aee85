"""The hourly ledger: per channel, whether every contact received is accounted for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from fastapi import Response

from zrm.agent_api.context import Desk
from zrm.agent_api.desk_request import SignedIn
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.layout import Shell
from zrm.insight import ledger
from zrm.insight.ledger import LedgerLine
from zrm.kit.clock import now

HOURS: Final = 48
router = page_router()


@router.get("/desk/ledger")
def page(context: Desk, desk_request: SignedIn) -> Response:
    """The last `HOURS` hours."""
    # Whole hours of UTC, as in the ledger; the coming one too, in case the store's clock is ahead of ours.
    this_hour = now().replace(minute=0, second=0, microsecond=0)
    since, until = this_hour - timedelta(hours=HOURS), this_hour + timedelta(hours=2)
    with context.database.cursor() as cursor:
        lines = ledger.for_agent(cursor, desk_request.grants, since, until)
        hours: dict[datetime, list[LedgerLine]] = {}
        for line in lines:
            hours.setdefault(line.hour, []).append(line)
        return Shell(context).page(
            "desk/ledger.html",
            desk_request,
            cursor,
            "ledger",
            hours=hours,
            this_hour=this_hour,
            broken=sum(1 for line in lines if not line.holds),
            late=sum(line.waiting for line in lines if line.hour < this_hour),
            window=HOURS,
        )
