"""What is wrong with a telephone number, as a sentence beside its field."""

from __future__ import annotations

from zrm.kit.phones import Flaw
from zrm.ui.i18n import _


def sentence_of(found: Flaw) -> str:
    """The msgid; `%(count)s` in it is `found.digits`."""
    match found:
        case Flaw("too_few", 0):
            return _("This number is too short. Please write it whole, with the area code")
        case Flaw("too_few", 1):
            return _("This number has one digit too few. Please look at it again")
        case Flaw("too_few"):
            return _("This number has %(count)s digits too few. Please look at it again")
        case Flaw("too_many", 0):
            return _("This number has too many digits. Please write one number only")
        case Flaw("too_many", 1):
            return _("This number has one digit too many. Please look at it again")
        case Flaw("too_many"):
            return _("This number has %(count)s digits too many. Please look at it again")
        case Flaw("no_area_code"):
            return _("The area code is missing. Please write it before the number")
        case _:
            return _("We know no telephone numbers that begin like this one. Please look at it again")
