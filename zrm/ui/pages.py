"""The one renderer of pages: Jinja2 with escaping always on, undefined names refused, and the languages.

A template sees `_` and `ngettext`, `asset("desk.css")`, `viewer`, and the filters below. The viewer is in a context
variable while a page is rendered, so macros imported without context (cached by Jinja2, hence fast) still write dates
and digits for the right reader.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from zrm.contract.capabilities import icon_of_address, of_channel, registered
from zrm.kit import clock
from zrm.kit.direction import isolate_codes, reading_direction
from zrm.languages import LANGUAGES, SOURCE, Language
from zrm.localized import in_language
from zrm.ui import calendars, labels
from zrm.ui.descriptions import title_of, worded
from zrm.ui.i18n import digits, format_code, language_name, translations
from zrm.ui.viewer import Viewer

TEMPLATES: Final = Path(__file__).parent / "templates"
BUILT_ASSETS: Final = Path(__file__).parent / "static" / "build"

# Arrows that point along the text are mirrored in right-to-left pages.
_ALONG_THE_TEXT: Final = frozenset(
    {"arrow-back-up", "arrow-forward-up", "arrow-left", "chevron-left", "chevron-right", "logout", "send", "send-off"}
)

_viewer: ContextVar[Viewer] = ContextVar("viewer")


class AssetMissing(LookupError):
    """The asset is not in the build's manifest: build the assets (`make assets`), or fix the name."""


class Pages:
    """Renders templates for a viewer. One per process; safe to use from several threads once the folders are added."""

    def __init__(
        self, built_assets: Path = BUILT_ASSETS, static_url: str = "/static/", now: Callable[[], datetime] = clock.now
    ) -> None:
        self._built = built_assets
        self._static_url = static_url
        self._now = now
        self._folders: dict[str, BaseLoader] = {}
        self._environments: dict[Language, Environment] = {}
        self._icons: dict[tuple[str, str], Markup] = {}
        self._manifest: dict[str, str] | None = None

    def add_folder(self, name: str, folder: Path) -> None:
        """Make the templates in `folder` available as "name/…". A name can be used once; the folder must exist."""
        if name in self._folders:
            raise ValueError(f"the template folder {name!r} is already registered")
        if not folder.is_dir():
            raise ValueError(f"the template folder {name!r} does not exist: {folder}")
        self._folders[name] = FileSystemLoader(folder)
        self._environments.clear()

    def render(self, template: str, viewer: Viewer, **context: object) -> str:
        """The finished text of a template. Raises jinja2.TemplateError when the template or its context is wrong."""
        token = _viewer.set(viewer)
        try:
            return self.environment(viewer.language).get_template(template).render(context, viewer=viewer)
        finally:
            _viewer.reset(token)

    def part(self, template: str, macro: str, viewer: Viewer, *values: object, **named: object) -> str:
        """One macro of a template, rendered alone: the row of a live event. The same text as inside a page."""
        token = _viewer.set(viewer)
        try:
            module = self.environment(viewer.language).get_template(template).module
            return str(getattr(module, macro)(*values, **named))
        finally:
            _viewer.reset(token)

    def environment(self, language: Language) -> Environment:
        """The compiled environment of a language, made at first use."""
        known = self._environments.get(language)
        if known is None:
            known = self._environments[language] = self._build(language)
        return known

    def templates(self) -> list[str]:
        """Every template name, for tests that compile them all."""
        return self.environment(SOURCE).list_templates(extensions=["html", "txt"])

    def asset(self, name: str) -> str:
        """The address of a built asset, with its content's hash in it: "desk.css" → "/static/desk-1A2B3C4D.css"."""
        if self._manifest is None:
            self._manifest = _read_manifest(self._built / "manifest.json")
        try:
            return self._static_url + self._manifest[name]
        except KeyError:
            raise AssetMissing(
                f"no built asset is named {name!r}; known: {', '.join(sorted(self._manifest))}"
            ) from None

    def icon(self, name: str, extra: str = "") -> Markup:
        """A decorative icon from the sprite, hidden from screen readers: the words beside it carry the meaning.

        `name` is Tabler's, listed in static/src/icons.txt; `extra` is a further class.
        """
        drawn = self._icons.get((name, extra))
        if drawn is None:
            flip = " ico-flip" if name in _ALONG_THE_TEXT else ""
            drawn = Markup('<svg class="ico{}{}" aria-hidden="true"><use href="{}#{}"/></svg>').format(
                flip, f" {extra}" if extra else "", self.asset("icons.svg"), name
            )
            self._icons[name, extra] = drawn
        return drawn

    def channel_icon(self, kind: str) -> Markup:
        """The icon of a channel."""
        can = of_channel(kind)
        return self._drawn(can.icon, can.drawing)

    def address_icon(self, kind: str) -> Markup:
        """The icon of a kind of address."""
        return self._drawn(*icon_of_address(kind))

    def _drawn(self, name: str, drawing: str) -> Markup:
        if not drawing:
            return self.icon(name)
        return Markup(
            '<svg class="ico" aria-hidden="true" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
            'stroke-linecap="round" stroke-linejoin="round"><path d="{}"/></svg>'
        ).format(drawing)

    def _build(self, language: Language) -> Environment:
        environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(TEMPLATES), PrefixLoader(dict(self._folders))]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=["jinja2.ext.i18n"],
        )
        install = environment.install_gettext_translations  # type: ignore[attr-defined]  # added by the i18n extension
        install(translations(language), newstyle=True)
        environment.globals.update(
            address_icon=self.address_icon,
            channel_icon=self.channel_icon,
            asset=self.asset,
            icon=self.icon,
            words=labels,
            channel_of=of_channel,
            channels=registered,
            languages=LANGUAGES,
            language_choices=[(code, traits.name) for code, traits in LANGUAGES.items()],
            language_name=language_name,
        )
        environment.filters.update(
            dt=lambda moment: calendars.date_time_text(moment, _viewer.get().reader),
            date=lambda moment: calendars.date_text(moment, _viewer.get().reader),
            weekday=lambda moment: calendars.weekday_date_text(moment, _viewer.get().reader),
            hour=lambda moment: calendars.time_text(moment, _viewer.get().reader),
            full=lambda moment: calendars.full_text(moment, _viewer.get().reader),
            ago=lambda moment: calendars.ago_text(moment, self._now(), _viewer.get().reader),
            iso=lambda moment: moment.astimezone(UTC).isoformat(timespec="seconds"),
            digits=lambda value: digits(value, _viewer.get().language),
            code444=lambda code: format_code(code, _viewer.get().language),
            bytes=lambda size: labels.byte_size(size, _viewer.get().language),
            duration=lambda seconds: labels.duration(seconds, _viewer.get().language),
            named=lambda words: in_language(words, _viewer.get().language),
            paragraphs=labels.paragraphs,
            title_of=lambda titled: title_of(titled, _viewer.get().language),
            worded=lambda description: worded(description, _viewer.get().language),
            by_channel=lambda kind: labels.by_channel(kind, _viewer.get().language),
            channel_name=lambda kind: labels.channel_name(kind, _viewer.get().language),
            steady=isolate_codes,
            direction=reading_direction,
        )
        return environment


def _read_manifest(path: Path) -> dict[str, str]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AssetMissing(f"the assets are not built: {path} is missing") from None
    if not isinstance(loaded, dict):
        raise AssetMissing(f"{path} is not a manifest: expected an object of names and files")
    return {str(name): str(file) for name, file in loaded.items()}
