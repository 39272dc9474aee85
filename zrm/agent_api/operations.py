"""What must not be forgotten: contacts in quarantine, answers in trouble, tasks that failed, and the hourly ledger.

Held contacts, failed tasks, jobs, automatic answers without a case and the ledger belong to no unit: they are for agents
whose permission holds everywhere. An answer in trouble is for who sees its case and may handle its unit's deliveries.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.case_page import CasePages
from zrm.agent_api.context import DeskContext
from zrm.agent_api.desk_request import DeskRequest, Guard
from zrm.agent_api.layout import Shell
from zrm.casestore import directory, live, outbox, worklists
from zrm.casestore.agent import Permission
from zrm.casestore.outbox import Topic
from zrm.casework import failed_deliveries
from zrm.dispatch import monitor
from zrm.errors import Conflict, NotFound
from zrm.inbox import quarantine, reading
from zrm.insight import ledger as insight
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.db import Cursor
from zrm.security.masking import masked

HOURS = 48
LONGEST_REASON = 500
_log = log.get(__name__)


def add(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    """Put the oversight pages and their steps on the router."""
    _add_quarantine(router, context, guard)
    _add_trouble(router, context, guard)
    shell = Shell(context)

    @router.get("/desk/ledger")
    def ledger(visit: DeskRequest = Depends(guard.visit)) -> Response:
        visit.grants.require_everywhere(Permission.VIEW_LEDGER)
        with context.database.cursor() as cursor:
            # Whole hours of UTC, as the law is kept; the coming one too, in case the store's clock is ahead of ours.
            this_hour = now().replace(minute=0, second=0, microsecond=0)
            lines = insight.by_hour(cursor, this_hour - timedelta(hours=HOURS), this_hour + timedelta(hours=2))
            hours: dict[datetime, list[insight.LedgerLine]] = {}
            for line in lines:
                hours.setdefault(line.hour, []).append(line)
            return shell.page(
                "desk/ledger.html",
                visit,
                cursor,
                "ledger",
                hours=hours,
                this_hour=this_hour,
                broken=sum(1 for line in lines if not line.holds),
                late=sum(line.waiting for line in lines if line.hour < this_hour),
                window=HOURS,
            )


def _add_quarantine(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    shell = Shell(context)

    def draw(cursor: Cursor, visit: DeskRequest, *, unreasoned: UUID | None = None) -> Response:
        """The page; `unreasoned` is the contact that was to be set aside without saying why."""
        rows = reading.held(cursor)
        owners = directory.agents_by_id(cursor, [row.owner_id for row in rows if row.owner_id])
        names = {agent_id: agent.name(visit.viewer.language) for agent_id, agent in owners.items()}
        return shell.page(
            "desk/quarantine.html",
            visit,
            cursor,
            "quarantine",
            status=422 if unreasoned else 200,
            own_address="/desk/quarantine",
            rows=rows,
            names=names,
            now=now(),
            unreasoned=unreasoned,
        )

    @router.get("/desk/quarantine")
    def held(visit: DeskRequest = Depends(guard.visit)) -> Response:
        visit.grants.require_everywhere(Permission.HANDLE_QUARANTINE)
        with context.database.cursor() as cursor:
            return draw(cursor, visit)

    @router.post("/desk/quarantine/{contact_id}/{step}")
    def handle(contact_id: UUID, step: str, visit: DeskRequest = Depends(guard.visit)) -> Response:
        visit.grants.require_everywhere(Permission.HANDLE_QUARANTINE)
        with context.database.cursor() as cursor:
            match step:
                case "take":
                    done = quarantine.take(cursor, contact_id, visit.agent.id)
                case "replay":
                    done = _replay(cursor, contact_id)
                case "ignore":
                    reason = visit.form.get("reason", "").strip()[:LONGEST_REASON]
                    if not reason:
                        return draw(cursor, visit, unreasoned=contact_id)
                    done = quarantine.ignore(cursor, contact_id, reason)
                case _:
                    raise NotFound("no such step")
            if not done:
                raise Conflict("dealt with already")
            live.publish_change(cursor, "quarantine", [contact_id])
            trace = _trace_of(cursor, contact_id)
        _log.info("step taken", contact=str(contact_id), trace=trace, step=step, agent=str(visit.agent.id))
        return RedirectResponse("/desk/quarantine", status_code=303)


def _replay(cursor: Cursor, contact_id: UUID) -> bool:
    """Take a contact out of quarantine and have it filed once more; it keeps its trace."""
    if not quarantine.end(cursor, contact_id, "replayed"):
        return False
    outbox.add(cursor, Topic.FILE, [(contact_id, _trace_of(cursor, contact_id))])
    return True


def _trace_of(cursor: Cursor, contact_id: UUID) -> str:
    """A contact's trace; one without has one of its own, always the same."""
    found = reading.original(cursor, contact_id)
    return found.trace if found and found.trace else contact_id.hex[-16:]


def _add_trouble(router: APIRouter, context: DeskContext, guard: Guard) -> None:
    shell = Shell(context)
    pages = CasePages(context)

    @router.get("/desk/trouble")
    def page(visit: DeskRequest = Depends(guard.visit)) -> Response:
        visit.grants.require_anywhere(Permission.HANDLE_DELIVERIES)
        units = visit.grants.both(Permission.VIEW_CASES, Permission.HANDLE_DELIVERIES)
        everything = visit.grants.everywhere(Permission.HANDLE_DELIVERIES)
        queue = monitor.snapshot(context.monitor) if context.monitor and everything else None
        with context.database.cursor() as cursor:
            deliveries = worklists.failed_deliveries(cursor, units)
            tasks = outbox.failed(cursor) if everything else []
            silent = worklists.undelivered_self_answers(cursor) if everything else []
            problems = context.problems(cursor) if everything else []
            shown = {
                row.id: row.address if visit.may(Permission.VIEW_ADDRESSES, row.unit_id) else masked(row.address)
                for row in deliveries
            }
            open_addresses = visit.grants.everywhere(Permission.VIEW_ADDRESSES)
            shown |= {row.id: row.address if open_addresses else masked(row.address) for row in silent}
            return shell.page(
                "desk/trouble.html",
                visit,
                cursor,
                "trouble",
                deliveries=deliveries,
                addresses=shown,
                tasks=tasks,
                silent=silent,
                problems=problems,
                everywhere=everything,
                asked=context.monitor is not None,
                queue=queue,
            )

    @router.post("/desk/trouble/deliveries/{delivery_id}/{step}")
    def delivery(delivery_id: UUID, step: str, visit: DeskRequest = Depends(guard.visit)) -> Response:
        with context.database.cursor() as cursor:
            found = worklists.delivery_case(cursor, delivery_id)
            if found is None or step not in ("again", "by", "settle"):
                raise NotFound("no such delivery")
            case_id, unit_id = found
            visit.require(Permission.HANDLE_DELIVERIES, unit_id)
            match step:
                case "again":
                    failed_deliveries.send_again(cursor, visit.agent.id, delivery_id)
                case "by":
                    way = pages.way(cursor, case_id, visit.form.get("way", ""))
                    domain = context.settings.mail_domain
                    failed_deliveries.send_by(cursor, visit.agent.id, delivery_id, way, domain=domain)
                case _:
                    failed_deliveries.mark_handled(cursor, visit.agent.id, delivery_id)
            trace = failed_deliveries.trace_of(cursor, delivery_id)
        _log.info(
            "step taken",
            case=str(case_id),
            delivery=str(delivery_id),
            trace=trace,
            step=step,
            agent=str(visit.agent.id),
        )
        from_case = visit.form.get("from") == "case"
        return RedirectResponse(f"/desk/cases/{case_id}" if from_case else "/desk/trouble", status_code=303)

    @router.post("/desk/trouble/tasks/{task_id}/replay")
    def task(task_id: UUID, visit: DeskRequest = Depends(guard.visit)) -> Response:
        visit.grants.require_everywhere(Permission.HANDLE_DELIVERIES)
        with context.database.cursor() as cursor:
            if not outbox.replay(cursor, task_id):
                raise Conflict("not failed any more")
            live.publish_change(cursor, "task", [task_id])
        return RedirectResponse("/desk/trouble", status_code=303)

    @router.post("/desk/trouble/jobs/{topic}/{job_id}/requeue")
    def job(topic: str, job_id: str, visit: DeskRequest = Depends(guard.visit)) -> Response:
        visit.grants.require_everywhere(Permission.HANDLE_DELIVERIES)
        if context.monitor is None or not monitor.requeue(context.monitor, topic, job_id):
            raise Conflict("no such job")
        return RedirectResponse("/desk/trouble", status_code=303)
