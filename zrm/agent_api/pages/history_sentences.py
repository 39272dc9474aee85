"""Sentences of the desk about what happened: history lines, notices, reasons. English msgids, translated when shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

from zrm.casestore.case import Status
from zrm.casestore.history import HistoryLine
from zrm.casestore.history_payloads import (
    AnswerSentAgain,
    AnswerSentAnotherWay,
    CaseAssigned,
    CaseClaimed,
    CaseClassified,
    CaseClosed,
    CaseOpened,
    CaseRated,
    CaseReleased,
    CaseReopened,
    CaseReplied,
    CaseTransferred,
    CodeNotSent,
    ContactsErased,
    FailedDeliverySettled,
    HistoryPayload,
    KnownPayload,
    LoopBroken,
    NoteWritten,
    PreferenceSet,
    RelationDecided,
    RelationSuggested,
    StatusChanged,
    StepUndone,
    UnknownPayload,
    UnsafeFileSaved,
)
from zrm.contract.capabilities import of_channel
from zrm.kit.direction import isolate_codes, isolated
from zrm.languages import LANGUAGES, Language
from zrm.ui import labels
from zrm.ui.i18n import _, digits, format_code, gettext

LABELS: Final = {
    "robot": _("Automatic message"),
    "acknowledgement": _("Acknowledgement"),
    "closing_message": _("Closing message, asking for a rating"),
    "closing_reason": _("Reason for closing without an answer"),
    "proof_link": _("Link to the tracking page"),
    "erased": _("Erased"),
    "bounce": _("Returned mail"),
    "list": _("Mailing list"),
    "cut_short": _("Incomplete"),
    "auto_reply": _("Automatic reply"),
    "read_receipt": _("Read receipt"),
    "abuse_report": _("Spam report from a mail provider"),
    "newsletter": _("Newsletter"),
    "spf_fail": _("Sender not confirmed (SPF)"),
    "dkim_fail": _("The signature of the sender's server is invalid (DKIM)"),
    "dmarc_fail": _("Probably forged sender (DMARC)"),
    "dmarc_pass": _("Sender confirmed by its domain (DMARC)"),
    "false_type": _("A file's content does not match its type"),
    "program": _("A file is a program"),
    "signed": _("Signed (S/MIME, not checked)"),
    "encrypted": _("Encrypted (S/MIME)"),
    "calendar": _("Calendar entry"),
    "shared_address": _("Address shared by several people"),
    "claimed_address": _("Sender's address not proven"),
    "typed_address": _("To an address entered in the form"),
    "own_address": _("From one of our own addresses"),
    "edited": _("Edited later by the citizen"),
    "forwarded": _("Forwarded from somebody else"),
    "file_missing": _("A file could not be fetched"),
    "infected": _("A file has a virus"),
    "unscanned": _("A file is not yet scanned for viruses"),
    "part_missing": _("A part of the message is missing"),
    "repeated_id": _("Has the same id as another message"),
    "unfinished_dialogue": _("The citizen did not finish the dialogue"),
}

SIGNED_IN_BY: Final = {
    "password": _("by password"),
    "two_steps": _("by password and the app's code"),
    "recovery_code": _("by password and a recovery code"),
    "passkey": _("by passkey"),
    "provider": _("by the organisation's sign-in"),
}

RELATION_REASONS: Final = {
    "quoted_by_stranger": _("An unknown sender quoted this case's reply mark"),
    "answers_old_case": _("The citizen answered a case that was closed long ago"),
}

_NOTICES: Final = {
    "message": (_("New message: %(title)s"), _("A new message has come")),
    "answered": (_("A colleague answered: %(title)s"), _("A colleague answered a citizen")),
    "note": (_("New note: %(title)s"), _("A colleague wrote a note")),
    "mention": (_("You are mentioned: %(title)s"), _("A colleague mentioned you in a note")),
    "assigned": (_("Assigned to you: %(title)s"), _("A case was assigned to you")),
    "closed": (_("Closed: %(title)s"), _("A case was closed")),
    "delivery_failed": (_("Message not delivered: %(title)s"), _("A message was not delivered")),
    "sign_in": ("", _("Somebody signed in to your account with a new browser. Was it you?")),
    "delivery_unknown": (
        _("Unclear whether a message was sent: %(title)s"),
        _("It is unclear whether a message was sent"),
    ),
}

_BY_AGENT: Final[dict[type[HistoryPayload], tuple[str, str]]] = {
    CaseClaimed: (_("%(who)s took the case"), "hand-grab"),
    CaseReleased: (_("%(who)s returned the case to the unit"), "user"),
    CaseReopened: (_("%(who)s reopened the case"), "refresh"),
    NoteWritten: (_("%(who)s wrote a note"), "note"),
    StepUndone: (_("%(who)s withdrew an answer before it was sent"), "arrow-back-up"),
    PreferenceSet: (_("%(who)s changed how the person is to be answered"), "user"),
    ContactsErased: (_("%(who)s erased what messages of this case say"), "circle-x"),
    UnsafeFileSaved: (_("%(who)s saved a file despite the virus warning"), "alert-triangle"),
}

_MESSAGES: Final = {
    "answer": _("answer"),
    "acknowledgement": _("acknowledgement"),
    "closing_message": _("closing message"),
    "proof_link": _("link to the tracking page"),
}
"""What a delivery is, inside a sentence."""


def label(known: Mapping[str, str], code: str, language: Language) -> str:
    """The label of a code; a code this version does not know is shown as it is."""
    return gettext(language, known[code]) if code in known else code


def notice_href(kind: str, case_id: UUID | None, *, seen: bool) -> str:
    """The address a notice links to; empty where the reader may not see the case (any more)."""
    if kind == "sign_in":
        return "/desk/security"
    return f"/desk/cases/{case_id}" if seen else ""


def notice_text(kind: str, title: str, language: Language) -> str:
    """A notice in one line; without a title when the reader may not see the case (any more)."""
    with_title, without = _NOTICES.get(kind, (_("Update: %(title)s"), _("There is an update")))
    return gettext(language, with_title, title=isolated(isolate_codes(title))) if title else gettext(language, without)


class History:
    """Words history lines for one reader. `agent`, `unit` and `subject` name things by id, `nature` by key."""

    def __init__(
        self,
        language: Language,
        agent: Callable[[UUID | None], str],
        unit: Callable[[UUID], str],
        subject: Callable[[UUID], str],
        nature: Callable[[str], str],
    ) -> None:
        self._language = language
        self._agent = agent
        self._unit = unit
        self._subject = subject
        self._nature = nature

    def line(self, line: HistoryLine) -> tuple[str, str]:
        """(sentence, icon) for one line; a line of a later version is named by its kind."""
        if isinstance(line.payload, UnknownPayload):
            return self._say(_("Something this version cannot show: %(kind)s"), kind=isolated(line.kind)), "history"
        agent_id = line.actor.agent_id
        who = self._agent(agent_id)
        if isinstance(line.payload, CaseOpened) and agent_id is not None:
            sentence = _("%(who)s recorded the contact: %(channel)s")
            return self._say(sentence, who=who, channel=self._channel(line.payload.channel)), "plus"
        return self._without_agent(line.payload) or self._by_agent(who, agent_id, line.payload)

    def _without_agent(self, payload: KnownPayload) -> tuple[str, str] | None:
        """The sentence of a line that names no agent; None for other lines."""
        match payload:
            case CaseOpened(channel=channel):
                return self._say(_("The case was opened %(by_channel)s"), by_channel=self._by_channel(channel)), "plus"
            case StatusChanged() as change:
                return self._status(change), "refresh"
            case LoopBroken():
                return self._say(_("No automatic answer was sent: this address has received too many of them")), "robot"
            case CodeNotSent():
                sentence = _(
                    "The code was not sent to the address entered in the form: too many have been sent recently"
                )
                return self._say(sentence), "robot"
            case CaseRated(score=score, channel=channel):
                sentence = _("The citizen rated how it was handled: %(score)s of %(most)s (%(by_channel)s)")
                given, most = digits(score, self._language), digits(5, self._language)
                return self._say(sentence, score=given, most=most, by_channel=self._by_channel(channel)), "circle-check"
            case RelationSuggested(other_code=code):
                code = format_code(code, self._language)
                return self._say(_("Another case may belong to this one: %(code)s"), code=code), "link"
        return None

    def _by_agent(self, who: str, agent_id: UUID | None, payload: KnownPayload) -> tuple[str, str]:
        match payload:
            case RelationDecided(decision=decision):
                kept = decision == "kept"
                sentence = _("%(who)s linked another case") if kept else _("%(who)s dismissed the link to another case")
                return self._say(sentence, who=who), "link"
            case CaseAssigned(assignee_id=assignee_id) if assignee_id == agent_id:
                return self._say(_("%(who)s took the case"), who=who), "user-check"
            case CaseAssigned(assignee_id=assignee_id):
                sentence = _("%(who)s assigned the case to %(to)s")
                return self._say(sentence, who=who, to=self._agent(assignee_id)), "user-check"
            case CaseTransferred(unit_id=unit_id):
                sentence = _("%(who)s transferred the case to %(unit)s")
                return self._say(sentence, who=who, unit=self._unit(unit_id)), "arrow-forward-up"
            case CaseReplied() | AnswerSentAgain() | AnswerSentAnotherWay() | FailedDeliverySettled():
                return self._sending(who, payload)
            case StepUndone(undone_step="closed"):
                return self._say(_("%(who)s undid the closing"), who=who), "arrow-back-up"
            case CaseClosed(result=result):
                return self._closed(who, result.strip()), "circle-check"
            case CaseClassified() as classified:
                sentence = _("%(who)s changed what the case is about: %(about)s")
                return self._say(sentence, who=who, about=self._about(classified)), "tag"
        sentence, icon = _BY_AGENT[type(payload)]
        return self._say(sentence, who=who), icon

    def _sending(
        self, who: str, payload: CaseReplied | AnswerSentAgain | AnswerSentAnotherWay | FailedDeliverySettled
    ) -> tuple[str, str]:
        on_page, by_channel = of_channel(payload.channel).on_page, self._by_channel(payload.channel)
        if isinstance(payload, CaseReplied):
            sentence = _("%(who)s answered on the tracking page") if on_page else _("%(who)s answered %(by_channel)s")
            return self._say(sentence, who=who, by_channel=by_channel), "send"
        what = self._say(_MESSAGES[payload.delivery_kind])
        match payload:
            case AnswerSentAgain():
                return self._say(_("%(who)s sent the %(what)s again"), who=who, what=what), "refresh"
            case FailedDeliverySettled():
                return self._say(_("%(who)s marked the undelivered %(what)s as handled"), who=who, what=what), "check"
        if on_page:
            return self._say(_("%(who)s put the %(what)s on the tracking page instead"), who=who, what=what), "send"
        sentence = _("%(who)s sent the %(what)s %(by_channel)s instead")
        return self._say(sentence, who=who, what=what, by_channel=by_channel), "send"

    def _status(self, change: StatusChanged) -> str:
        if change.cause == "citizen_wrote" and change.before is Status.CLOSED:
            return self._say(_("The citizen wrote again and the case was reopened"))
        if change.cause == "citizen_wrote":
            return self._say(_("The citizen answered"))
        after = self._say(labels.word(labels.CASE_STATUS, change.after).label)
        return self._say(_("The case's status is now: %(status)s"), status=after)

    def _closed(self, who: str, result: str) -> str:
        if result:
            return self._say(_("%(who)s closed the case: %(result)s"), who=who, result=isolated(isolate_codes(result)))
        return self._say(_("%(who)s closed the case"), who=who)

    def _about(self, classified: CaseClassified) -> str:
        named = [self._subject(classified.subject_id)] if classified.subject_id else []
        if classified.nature:
            named.append(self._nature(classified.nature))
        return LANGUAGES[self._language].comma.join(named) or self._say(_("nothing"))

    def _channel(self, channel: str) -> str:
        return labels.channel_name(channel, self._language)

    def _by_channel(self, channel: str) -> str:
        return labels.by_channel(channel, self._language)

    def _say(self, message: str, **values: object) -> str:
        return gettext(self._language, message, **values) if message else ""
