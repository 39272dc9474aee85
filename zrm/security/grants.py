"""The one place where a permission is checked: what an agent may do, for which units.

Plain values: a permission is its name (see `casestore.agent.Permission`), a unit its id. No other code compares
permissions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from zrm.errors import Forbidden, NotFound

Units = frozenset[UUID] | None
"""Some units; None is every unit, the empty set is none."""


def covers(units: Units, unit_id: UUID) -> bool:
    """Whether `units` contains the unit."""
    return units is None or unit_id in units


@dataclass(frozen=True, slots=True)
class Grants:
    """An agent's permissions, each with the units it holds for."""

    by_permission: Mapping[str, Units] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[tuple[str, UUID | None]]) -> Grants:
        """Grants from rows of (permission, unit); a row without a unit is for everywhere."""
        found: dict[str, Units] = {}
        for permission, unit_id in rows:
            known = found.get(permission, frozenset())
            found[permission] = None if unit_id is None or known is None else known | {unit_id}
        return cls(found)

    def units(self, permission: str) -> Units:
        """Where the permission holds."""
        return self.by_permission.get(permission, frozenset())

    def both(self, one: str, other: str) -> Units:
        """Where both permissions hold."""
        these, those = self.units(one), self.units(other)
        if these is None or those is None:
            return those if these is None else these
        return these & those

    def anywhere(self, permission: str) -> bool:
        """Whether the permission holds for any unit at all."""
        return self.units(permission) != frozenset()

    def everywhere(self, permission: str) -> bool:
        """Whether the permission holds for every unit, and so for what belongs to no unit."""
        return self.units(permission) is None

    def has(self, permission: str, unit_id: UUID) -> bool:
        """Whether the permission holds for the unit."""
        return covers(self.units(permission), unit_id)

    def require(self, permission: str, unit_id: UUID, *, to_see: str) -> None:
        """Errors: NotFound when the agent may not see the unit's cases (permission `to_see`), so that what is hidden
        and what does not exist answer alike; Forbidden when they may see but not do this.
        """
        if not self.has(to_see, unit_id):
            raise NotFound("no such case")
        if not self.has(permission, unit_id):
            raise Forbidden(permission)

    def require_anywhere(self, permission: str) -> None:
        """Errors: NotFound when the permission holds nowhere; for that agent the page does not exist."""
        if not self.anywhere(permission):
            raise NotFound(permission)

    def require_everywhere(self, permission: str) -> None:
        """Errors: NotFound when the permission does not hold everywhere: what belongs to no unit is not for agents of
        one unit.
        """
        if not self.everywhere(permission):
            raise NotFound(permission)
