"""What surrounds a page: the navigation, the signed-in person, the addresses the layout posts to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class NavItem:
    """One entry of the side navigation.

    `key` is stable and names the live counter (`counts` events carry {key: number}); `icon` is a name from
    ui/icons.css; `keys` is the keyboard path, such as "g q"; `label` is already translated for the viewer. `count` None
    means the entry has no counter; 0 hides it. `urgent` colours the counter as overdue.
    """

    key: str
    label: str
    href: str
    icon: str
    keys: str = ""
    count: int | None = None
    urgent: bool = False


@dataclass(frozen=True)
class NavSection:
    """A titled group of entries; an empty title draws no heading."""

    title: str
    items: Sequence[NavItem]


@dataclass(frozen=True)
class DeskFrame:
    """Everything `desk.html` needs besides its blocks.

    `current` is the key of the open entry, `unread` the number on the bell, `csrf` the token that the layout's own
    forms (preferences, sign-out) send back as `csrf_token`. `search_href` "" draws no search; without `search_field` it
    is a link, as on a narrow page. `problems` counts the installation's own problems, `problems_href` is the page that
    lists them; "" for viewers who may not see them.
    """

    organisation: str
    user_name: str
    user_note: str
    csrf: str
    current: str = ""
    sections: Sequence[NavSection] = field(default_factory=tuple)
    unread: int = 0
    home_href: str = "/desk"
    events_href: str = "/desk/events"
    notifications_href: str = "/desk/notifications"
    preferences_href: str = "/desk/preferences"
    sign_out_href: str = "/desk/sign-out"
    search_href: str = ""
    search_field: bool = True
    problems_href: str = ""
    problems: int = 0


@dataclass(frozen=True)
class FooterLink:
    """One link in the citizen's footer; `label` is already translated."""

    label: str
    href: str


@dataclass(frozen=True)
class PortalFrame:
    """Everything `portal.html` needs besides its blocks. `language_hrefs` maps the other languages to this page in them."""

    organisation: str
    language_hrefs: dict[str, str]
    home_href: str = "/"
    contact_note: str = ""
    links: Sequence[FooterLink] = field(default_factory=tuple)
