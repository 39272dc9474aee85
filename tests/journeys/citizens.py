"""What citizens do: write, text, call, fax, fill the form in, and look for the answer, each through a real door."""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from playwright.sync_api import Page

from tests.journeys.hub import CHECKOUT, PROMPTS, Hub
from tests.lab.ami import Message as Event
from tests.lab.fax import HylafaxSpool
from tests.lab.mailer import Attachment, compose, send
from tests.lab.process import PeerError, wait_until
from tests.lab.smtp_sink import Mail, SmtpSink
from tests.lab.telephony import Call, Telephony
from tests.lab.twilio import Message, TwilioStandIn
from zrm.languages import Language

HOOKS = CHECKOUT / "zrm" / "channels" / "fax" / "hooks"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Town:
    """The hub and who is around it; `folder` is for files of the citizens."""

    hub: Hub
    twilio: TwilioStandIn
    sink: SmtpSink
    folder: Path

    # ------------------------------------------------------------ writing

    def write(
        self,
        sender: str,
        subject: str,
        text: str,
        *,
        to: str = "",
        in_reply_to: str | None = None,
        shown: str = "",
        attachments: Sequence[Attachment] = (),
    ) -> EmailMessage:
        """Send a mail through the hub's SMTP door; `sender` is an address, `shown` it with a name. Gives the message."""
        to = to or self.hub.mailbox
        mail = compose(
            subject=subject,
            text=text,
            sender=shown or sender,
            to=to,
            in_reply_to=in_reply_to,
            attachments=attachments,
        )
        assert send(self.hub.smtp_port, mail, sender=sender, recipients=[to]) == {}
        return mail

    def text(self, sender: str, body: str) -> None:
        """Send a text message: a webhook signed over the hub's public address."""
        hook = f"{self.hub.web}/hooks/twilio/sms/{self.hub.sms_number}"
        delivery = self.twilio.send_sms(hook, body=body, sender=sender, to=self.hub.sms_number)
        assert delivery.answer.status_code == 200

    # ------------------------------------------------------------ being answered

    def mail_to(self, address: str, words: str) -> Mail:
        """The mail to `address` that has these words in it, once the mail server has it."""
        found: list[Mail] = []

        def there() -> bool:
            found[:] = [mail for mail in list(self.sink.mails) if address in mail.recipients and words in mail.text]
            return bool(found)

        wait_until(there, f"the mail with {words!r}")
        (mail,) = found
        return mail

    def text_to(self, number: str, words: str) -> Message:
        """The text message to `number` that has these words in it, once Twilio has it."""
        found: list[Message] = []

        def there() -> bool:
            found[:] = [one for one in self.twilio.outbound() if one.to == number and words in one.body]
            return bool(found)

        wait_until(there, f"the text message with {words!r}")
        (message,) = found
        return message

    # ------------------------------------------------------------ the case behind it

    def case_of(self, address: str) -> str:
        """The id of the newest case somebody with this address opened, once it is filed."""
        return self._case("c.address = %s", address)

    def case_of_code(self, code: str) -> str:
        """The id of the case with this tracking code, once it is filed."""
        return self._case("k.code = %s", code)

    def code_of(self, case_id: str) -> str:
        """Its tracking code: twelve digits."""
        ((code,),) = self.hub.ask("SELECT code FROM cases WHERE id = %s", case_id)
        return str(code)

    def wait_for_row(self, query: str, *values: object) -> None:
        """Wait until a query finds something in the hub's store."""
        wait_until(lambda: bool(self.hub.ask(query, *values)), query)

    def _case(self, condition: str, value: str) -> str:
        query = (
            "SELECT k.id FROM cases k JOIN contacts c ON c.case_id = k.id "
            f"WHERE c.direction = 'in' AND {condition} ORDER BY k.opened_at DESC LIMIT 1"
        )
        wait_until(lambda: bool(self.hub.ask(query, value)), f"a case of {value}")
        return str(self.hub.ask(query, value)[0][0])


def new_phone() -> tuple[str, str]:
    """A mobile number nobody here has used: as it is dialled, and in international form."""
    tail = f"{next(_numbers):07d}"
    return f"0912{tail}", f"+98912{tail}"


def new_address() -> str:
    """An e-mail address nobody here has used."""
    return f"citizen-{next(_numbers)}@example.org"


class Form:
    """A citizen at the web form and the tracking page."""

    def __init__(self, page: Page, web: str) -> None:
        self.page = page
        self._web = web

    def raise_matter(self, text: str, *, phone: str = "", email: str = "", name: str = "") -> str:
        """Fill the form in and send it; the tracking code of the receipt, in 0-9."""
        self.page.goto(f"{self._web}/")
        self.page.click(".z-door-first")
        self.page.check("#f-nature")
        self.page.fill("#f-text", text)
        self.page.fill("#f-phone", phone)
        self.page.fill("#f-email", email)
        self.page.fill("#f-name", name)
        self.page.click("#f-send")
        self.page.wait_for_url("**/receipt")
        shown = re.sub(r"\D", "", self.page.inner_text(".z-code b"))
        return "".join(str(int(digit)) for digit in shown)

    def follow(self, code: str) -> None:
        """Open the tracking page of a code."""
        self.page.goto(f"{self._web}/track")
        self.page.fill("#f-code", code)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(".z-progress")

    def lose_code(self, address: str) -> None:
        """Ask for the codes of a number or an e-mail address one has written from."""
        self.page.goto(f"{self._web}/track")
        self.page.click("main a[href='/track/lost']")
        self.page.fill("#f-address", address)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("[role=status]")

    def prove_by_digits(self, digits: str) -> None:
        """Show the messages by the last digits of the telephone number."""
        self.page.fill("#f-digits", digits)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(".z-talk")

    def prove_by_link(self, town: Town, email: str) -> None:
        """Have a link sent to one's address, open it, and see the messages."""
        self.page.click("form[action='/track/email'] button")
        self.page.wait_for_selector("[role=status]")
        link = re.search(r"http://\S+/proof/\S+", town.mail_to(email, "/proof/").text)
        assert link is not None
        self.page.goto(link[0])
        self.page.click("main form button")
        self.page.wait_for_selector(".z-talk")

    def read(self) -> list[str]:
        """The organisation's messages on the tracking page, oldest first."""
        return self.page.locator(".z-talk .z-ours").all_inner_texts()


class Caller:
    """A citizen on the telephone, who presses a key as soon as the prompt that asks for it begins."""

    def __init__(self, telephony: Telephony, number: str) -> None:
        self._hub = telephony.hub
        self._number = number
        self._past: set[str] = set()
        self.call: Call = telephony.call("137", caller=number, stay=200)

    def until(self, command: str) -> None:
        """Wait until Asterisk is told to do this: a prompt's name, or "RECORD FILE"."""
        wanted = re.compile(rf"\b{re.escape(command)}\b")
        if self._hub.ami.event(lambda event: self._is_next(event, wanted), 60) is None:
            raise PeerError(f"the hub never came to {command}")

    def _is_next(self, event: Event, wanted: re.Pattern[str]) -> bool:
        if event["Event"] != "AGIExecStart" or event.get("CallerIDNum") != self._number:
            return False
        number = event["CommandId"]
        if number in self._past:
            return False
        self._past.add(number)
        return wanted.search(event.get("Command", "")) is not None

    def choose(self, language: Language) -> None:
        """Pick a language while being greeted."""
        self.until("welcome")
        self.call.press("1" if language == "fa" else "2")

    def complain(self, language: Language) -> None:
        """Leave a recorded complaint, and stay until its code has been read out once."""
        self.choose(language)
        self.until("menu")
        self.call.press("1")
        self.until("RECORD FILE")
        self.call.say(PROMPTS / language / "too-many-tries.wav")
        self.call.press("#")
        self.until("review")
        self.call.press("1")
        self.until("code-again")
        self.call.hangup()

    def ask_for_state(self, language: Language, code: str) -> None:
        """Key a code, and hang up when the state has been told."""
        self.choose(language)
        self.until("menu")
        self.call.press("2")
        self.until("enter-code")
        self.call.press(code)
        self.until("state-offer")
        self.call.hangup()


class Faxes:
    """The two hooks that hand faxes over, set up as a site would."""

    def __init__(self, town: Town) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="fax-", dir=town.folder))
        secret = self._folder / "token"
        secret.write_text(town.hub.fax_token, encoding="utf-8")
        self._settings = self._folder / "fax-hook.conf"
        self._settings.write_text(f"ZRM_URL={town.hub.web}\nZRM_TOKEN_FILE={secret}\n", encoding="utf-8")

    def asterisk_hook(self) -> list[str]:
        """The command for Asterisk's dialplan."""
        return ["env", f"ZRM_FAX_CONF={self._settings}", str(HOOKS / "asterisk-fax")]

    def by_hylafax(self, tiff: Path, caller: str) -> None:
        """Let HylaFAX hand over what it received from this number."""
        spool = HylafaxSpool(Path(tempfile.mkdtemp(prefix="spool-", dir=self._folder)), HOOKS / "faxdispatch")
        handed = spool.receive(tiff, caller=caller, environment={"ZRM_FAX_CONF": str(self._settings)})
        assert handed.status == 0, handed.output
