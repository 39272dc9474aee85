"""Reply routes as an agent chooses them: each with a key for the form, its label, and what the agent should know first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from zrm.agent_api.context import DeskContext
from zrm.casework.case_reading import SeenRoute
from zrm.casework.reply_routes import ReplyRoute
from zrm.errors import Conflict
from zrm.languages import Language
from zrm.security.keyed import keyed_hash
from zrm.ui import labels
from zrm.ui.i18n import _, gettext

_MARKS: Final[tuple[tuple[Callable[[ReplyRoute], bool], str], ...]] = (
    (lambda route: route.barred, _("asked us not to write")),
    (lambda route: route.doubtful and not route.barred, _("messages come back")),
    (lambda route: route.claimed, _("not proven")),
    (lambda route: route.asked_for, _("the citizen wants the answer there")),
    (lambda route: route.copied, _("also addressed, not the citizen")),
)


@dataclass(frozen=True, slots=True)
class RouteChoice:
    """A route in the list: `name` says where it leads, `text` also what to know about it; `address` as the agent may
    see it.
    """

    key: str
    name: str
    text: str
    address: str
    route: ReplyRoute


def route_key(context: DeskContext, route: ReplyRoute) -> str:
    """A route as a form's value, which does not reveal the address."""
    return keyed_hash(context.secret, "reply route", "\0".join((route.channel, route.account, route.address)))


def named_route(context: DeskContext, possible: Iterable[ReplyRoute], key: str) -> ReplyRoute:
    """The one of these routes that a form names. Errors: Conflict when it does not exist (any more)."""
    for route in possible:
        if route_key(context, route) == key:
            return route
    raise Conflict("that reply route is not there any more")


def route_choices(context: DeskContext, possible: Sequence[SeenRoute], language: Language) -> list[RouteChoice]:
    """The routes in their order."""
    choices = []
    for one in possible:
        name = _name(one, possible, language)
        marks = [gettext(language, mark) for holds, mark in _MARKS if holds(one.route)]
        text = " – ".join([name, *marks])
        choices.append(RouteChoice(route_key(context, one.route), name, text, one.address, one.route))
    return choices


def _name(one: SeenRoute, possible: Sequence[SeenRoute], language: Language) -> str:
    route = one.route
    if not route.address:
        return gettext(language, _("On the tracking page only"))
    channel = labels.channel_name(route.channel, language)
    # Addresses stand between isolates, so that they read left to right inside a Persian line.
    shown = f"\u2066{one.address}\u2069"
    if sum((other.route.channel, other.route.address) == (route.channel, route.address) for other in possible) > 1:
        # two bots or mailboxes of ours can write there
        sentence, account = _("%(channel)s to %(address)s, from %(account)s"), f"\u2066{route.account}\u2069"
        return gettext(language, sentence, channel=channel, address=shown, account=account)
    return gettext(language, _("%(channel)s to %(address)s"), channel=channel, address=shown)
