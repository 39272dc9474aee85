"""The numbers beside the navigation's entries, in the page and live."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from zrm.casestore import case_list
from zrm.casestore.agent import Permission
from zrm.casestore.case_list import View
from zrm.casestore.worklists import WorkCounts
from zrm.casework.context import ActingAgent
from zrm.security.grants import Units, covers


class Counters:
    """The navigation's numbers for any agent, from one reading of the store; sums over units are computed once per
    scope.

    `problems` is the number of problems with the roles.
    """

    def __init__(self, groups: list[case_list.Counted], waiting: WorkCounts, problems: int) -> None:
        self._groups = groups
        self._waiting = waiting
        self._problems = problems
        self._mine: dict[UUID, list[case_list.Counted]] = defaultdict(list)
        for group in groups:
            if group.assignee_id is not None:
                self._mine[group.assignee_id].append(group)
        self._shared: dict[Units, dict[View, int]] = {}

    def of(self, actor: ActingAgent) -> dict[str, int]:
        """The numbers by the navigation's keys."""
        visible, grants = actor.visible, actor.grants
        if visible not in self._shared:
            self._shared[visible] = case_list.count_views(self._groups, None, visible)
        counts = {view.value: number for view, number in self._shared[visible].items()}
        counts[View.MINE.value] = sum(group.n for group in self._mine[actor.agent_id] if covers(visible, group.unit_id))
        if grants.everywhere(Permission.HANDLE_QUARANTINE):
            counts["quarantine"] = self._waiting.held
        if grants.anywhere(Permission.HANDLE_DELIVERIES):
            units = grants.both(Permission.VIEW_CASES, Permission.HANDLE_DELIVERIES)
            undelivered = sum(n for unit_id, n in self._waiting.failed_deliveries.items() if covers(units, unit_id))
            counts["failed_deliveries"] = undelivered
            if grants.everywhere(Permission.HANDLE_DELIVERIES):
                counts["failed_deliveries"] += self._waiting.failed_tasks + self._problems
                counts["problems"] = self._problems
        return counts
