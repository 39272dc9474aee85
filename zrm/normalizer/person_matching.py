"""Person matching: whose contact it is, by the addresses that it came from and that it names.

An address that is only claimed makes its sender known in no case, and several of them together identify nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from zrm.casestore.person import NewAddress, NewPerson
from zrm.kit.ids import new_id
from zrm.languages import LANGUAGES
from zrm.normalizer.interpretation import Interpretation
from zrm.normalizer.lookups import BatchContext, KnownCase
from zrm.normalizer.origin import NormalizedAddress
from zrm.normalizer.write_batch import WriteBatch


class PersonMatching:
    """The persons of one transaction: those that are `known`, and the new ones, which are added to both."""

    def __init__(self, known: BatchContext, rows: WriteBatch) -> None:
        self._known = known
        self._rows = rows

    def belongs(self, case: KnownCase, reading: Interpretation) -> bool:
        """Whether the sender is known in that case: by the address it began with, one we wrote to, or one of its
        person's own.

        An address that is only claimed counts as unknown, whatever its name.
        """
        return any(
            address.value in case.addresses
            or any(
                owner == case.person_id and not claimed
                for owner, claimed in self._known.owners[address.kind, address.value]
            )
            for address in reading.shown
        )

    def of(self, reading: Interpretation) -> UUID | None:
        """The sender by address: the one person it belongs to, else a new one; None if several persons share it."""
        if not reading.addresses:
            return self._new_person(reading)
        if (
            not reading.shown
        ):  # Claimed addresses never combine to identify a person: a sender could take over another's file.
            owners = [
                {owner for owner, _ in self._known.owners[address.kind, address.value]} for address in reading.addresses
            ]
            common = set.intersection(*owners)
            return common.pop() if len(common) == 1 else self._new_person(reading)
        first = reading.shown[0]
        shown = {owner for owner, claimed in self._known.owners[first.kind, first.value] if not claimed}
        if len(shown) > 1:
            return None
        if not shown and reading.addresses_proven:
            shown = self._shown_owners(reading.shown[1:])
        person_id = shown.pop() if len(shown) == 1 else self._new_person(reading)
        if reading.addresses_proven:
            self._own_proven(reading, person_id)
        return person_id

    def _shown_owners(self, addresses: Sequence[NormalizedAddress]) -> set[UUID]:
        return {
            owner
            for address in addresses
            for owner, claimed in self._known.owners[address.kind, address.value]
            if not claimed
        }

    def _own_proven(self, reading: Interpretation, person_id: UUID) -> None:
        """Give the person the other addresses too, except those shown to belong to another person.

        Only a person may merge two files of one citizen, and an address of two persons identifies neither.
        """
        for address in reading.shown:
            owners = self._known.owners[address.kind, address.value]
            if (person_id, True) in owners:
                owners[owners.index((person_id, True))] = (person_id, False)
                self._rows.proven.append((person_id, address.kind, address.value))
            elif not self._shown_owners([address]):
                self._own(address, person_id, False, reading.raw.received_at)

    def _new_person(self, reading: Interpretation) -> UUID:
        person_id, at = new_id(), reading.raw.received_at
        language = next((one for one in (reading.language, reading.profile_language) if one in LANGUAGES), "")
        self._rows.persons.append(NewPerson(person_id, reading.name, language, at))
        self._known.names[person_id] = reading.name
        for place, address in enumerate(reading.addresses):
            if address.claimed or place == 0:
                self._own(address, person_id, address.claimed, at)
        return person_id

    def _own(self, address: NormalizedAddress, person_id: UUID, claimed: bool, at: datetime) -> None:
        self._rows.addresses.append(
            NewAddress(new_id(), person_id, address.kind, address.value, address.raw, claimed, at)
        )
        self._known.owners[address.kind, address.value].append((person_id, claimed))

    def claimed_by(self, person_id: UUID | None, reading: Interpretation) -> list[NormalizedAddress]:
        """The addresses it came from that the person has only claimed so far."""
        owners = self._known.owners
        return [one for one in reading.shown if (person_id, True) in owners[one.kind, one.value]]

    def prove(self, person_id: UUID, reading: Interpretation) -> None:
        """A reply from an address we wrote to proves that the address is the citizen's."""
        for address in self.claimed_by(person_id, reading):
            owners = self._known.owners[address.kind, address.value]
            owners[owners.index((person_id, True))] = (person_id, False)
            self._rows.proven.append((person_id, address.kind, address.value))
