"""Why a contact was quarantined, ignored or joined by the normalizer."""

from __future__ import annotations

from typing import Final

from zrm.contract.reasons import declare

PARSER_FAILED: Final = declare("filing.parser_failed", "the parser of %(channel)s failed")
NOT_ONE: Final = declare("filing.not_one", "expected one contact, found %(number)s")
UNEXPECTED: Final = declare("filing.unexpected", "unexpected %(kind)s")
NOBODYS_COMMAND: Final = declare("filing.nobodys_command", "a self-service command that came from no address")
NO_CHANNEL: Final = declare("filing.no_channel", "no channel %(channel)s is configured")
JOINS_NO_PARTS: Final = declare("filing.joins_no_parts", "no channel %(channel)s is configured that joins parts")
ORIGINAL_GONE: Final = declare("filing.original_gone", "the original is not in the blob store")
NO_MESSAGE: Final = declare("filing.no_message", "its parts together are no message")
NOT_STORED: Final = declare("filing.not_stored", "could not be stored")
NEVER_FINISHED: Final = declare("filing.never_finished", "filing it was started too often and never finished")
NOT_THERE: Final = declare("filing.not_there", "there is no such contact: its month was taken off")

PART_TWICE: Final = declare("filing.part_twice", "a part that came twice")
PART_OF: Final = declare("filing.part_of", "a part of the message %(contact)s")
NOBODYS_BOUNCE: Final = declare("filing.nobodys_bounce", "a returned mail that belongs to no case")
NOBODYS_REPORT: Final = declare("filing.nobodys_report", "a report on no message of ours")
SELF_SERVICE: Final = declare("filing.self_service", "done by the installation itself (%(command)s)")
NO_COMMAND: Final = declare("filing.no_command", "a command that matches nothing here")
ANSWERED_BY_PROVIDER: Final = declare("filing.answered_by_provider", "the provider has answered")
NOT_ANSWERED: Final = declare("filing.not_answered", "not answered, because the citizen wants no messages")
TOO_MANY_A_DAY: Final = declare("filing.too_many_a_day", "not answered, because there were too many in a day")
TOO_MANY_AN_HOUR: Final = declare("filing.too_many_an_hour", "not answered, because there were too many in an hour")
