"""Delivery problems: messages that did not arrive, and failed work that belongs to no unit."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from fastapi import Response
from fastapi.responses import RedirectResponse

from zrm.agent_api.context import Desk
from zrm.agent_api.desk_request import SignedIn
from zrm.agent_api.pages.error_pages import page_router
from zrm.agent_api.pages.layout import Shell
from zrm.agent_api.pages.route_choices import named_route
from zrm.casework import failed_deliveries, failed_tasks
from zrm.dispatch import monitor
from zrm.errors import NotFound
from zrm.kit import log
from zrm.ui.i18n import _

PAGE = "/desk/failed-deliveries"
router = page_router()
_log = log.get(__name__)
_DONE: Final = {
    "again": _("The message is being sent again."),
    "by": _("The message is being sent by another channel."),
    "settle": _("Marked as handled."),
}
"""What a step has done, in a sentence, by its name."""


@router.get(PAGE)
def listing(context: Desk, desk_request: SignedIn, done: str = "") -> Response:
    """The messages of the agent's units; the rest for agents who handle deliveries everywhere. `done`: the step that led
    here.
    """
    everything = failed_tasks.handles(desk_request.actor)
    with context.database.cursor() as cursor:
        return Shell(context).page(
            "desk/failed_deliveries.html",
            desk_request,
            cursor,
            "failed_deliveries",
            done=desk_request.say(_DONE[done]) if done in _DONE else "",
            deliveries=failed_deliveries.listing(cursor, desk_request.actor),
            tasks=failed_tasks.listing(cursor, desk_request.actor) if everything else [],
            silent=failed_tasks.undelivered_self_answers(cursor, desk_request.actor) if everything else [],
            problems=context.problems(cursor, desk_request.grants),
            everywhere=everything,
            asked=context.monitor is not None,
            queue=monitor.snapshot(context.monitor) if context.monitor and everything else None,
        )


@router.post(PAGE + "/deliveries/{delivery_id}/{step}")
def delivery(delivery_id: UUID, step: str, context: Desk, desk_request: SignedIn) -> Response:
    """Send a message again, send it by another route, or record that it is handled."""
    with context.database.cursor() as cursor:
        case_id = failed_deliveries.case_of(cursor, desk_request.actor, delivery_id)
        match step:
            case "again":
                failed_deliveries.send_again(cursor, desk_request.actor, delivery_id)
            case "by":
                possible = failed_deliveries.routes(cursor, desk_request.actor, delivery_id, context.sending)
                route = named_route(context, possible, desk_request.form.get("route", ""))
                failed_deliveries.send_by(cursor, desk_request.actor, delivery_id, route, context.sending)
            case "settle":
                failed_deliveries.mark_handled(cursor, desk_request.actor, delivery_id)
            case _:
                raise NotFound("no such step")
        trace = failed_deliveries.trace_of(cursor, desk_request.actor, delivery_id)
    ids = {"case": str(case_id), "delivery": str(delivery_id), "agent": str(desk_request.agent.id)}
    _log.info("step taken", **ids, trace=trace, step=step)
    from_case = desk_request.form.get("from") == "case"
    return RedirectResponse(f"/desk/cases/{case_id}" if from_case else f"{PAGE}?done={step}", status_code=303)


@router.post(PAGE + "/tasks/{task_id}/replay")
def task(task_id: UUID, context: Desk, desk_request: SignedIn) -> Response:
    """Run a failed task once more."""
    with context.database.cursor() as cursor:
        failed_tasks.replay_task(cursor, desk_request.actor, task_id)
    return RedirectResponse(PAGE, status_code=303)


@router.post(PAGE + "/jobs/{topic}/{job_id}/requeue")
def job(topic: str, job_id: str, context: Desk, desk_request: SignedIn) -> Response:
    """Put a failed job of the queue back."""
    queue = context.monitor
    requeue = None if queue is None else lambda topic, job_id: monitor.requeue(queue, topic, job_id)
    failed_tasks.requeue_job(desk_request.actor, requeue, topic, job_id)
    return RedirectResponse(PAGE, status_code=303)
