"""A stand-in for the Bot API on loopback: bots, chats, files, webhooks and long polls, checked against the public description.

    with TelegramStandIn() as telegram:
        bot = telegram.bot("info")                  # bot.token goes into the product's config, telegram.url as base_url
        sara = Citizen(1001, "سارا", "fa")
        bot.tell(sara, text="سلام")                 # an update: fetched by getUpdates, or pushed to the webhook
        bot.wait_for_said(sara)[-1].text            # what the product's bot said to her
        bot.press(sara, "Complaint")                # a button beneath, or a key in place of her keyboard
        telegram.next(Flood(1), Cut(accepted=True)) # the next messages that the product sends

A request that the description does not allow is answered with 400, recorded in `violations`, and fails the test at its end.
Updates are kept until they are acknowledged, as by the real service (there for a day).
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import httpx

from tests.lab import telegram_contract as contract
from tests.lab.process import LOOPBACK, PeerError
from tests.lab.telegram_server import Server
from tests.lab.telegram_words import Behaviour, Citizen, Cut, Fail, Flood, Hold, Said, Upload

__all__ = ["Bot", "Citizen", "Cut", "Fail", "Flood", "Hold", "Said", "TelegramStandIn", "Upload"]

_RETRY = 0.2  # seconds between tries to reach a webhook; the real one takes longer and goes on for a day


class TelegramStandIn:
    """The messenger. A context manager; leaving it raises AssertionError if the description was violated."""

    def __init__(self, *, strict: bool = True) -> None:
        self.strict = strict
        self.violations: list[str] = []
        self.bots: dict[str, Bot] = {}
        self.changed = threading.Condition()
        self.closing = threading.Event()
        self.behaviours: deque[Behaviour] = deque()
        self.file_behaviours: deque[Behaviour] = deque()
        self.away = threading.Event()
        self.held: list[Hold] = []
        self._server: ThreadingHTTPServer = Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="telegram", daemon=True)

    @property
    def url(self) -> str:
        """The address that replaces https://api.telegram.org."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def bot(self, name: str) -> Bot:
        """A new bot with its own token."""
        bot = Bot(self, name)
        self.bots[bot.token] = bot
        return bot

    def next(self, *behaviours: Behaviour) -> None:
        """Use these behaviours for the next messages of a bot, one each; later ones are accepted."""
        self.behaviours.extend(behaviours)

    def next_file(self, *behaviours: Behaviour) -> None:
        """Use these behaviours for the next requests for a file's path."""
        self.file_behaviours.extend(behaviours)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        with self.changed:
            for hold in self.held:
                hold.release()
            self.changed.notify_all()
        for bot in self.bots.values():
            bot.join()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self.strict and error is None and self.violations:
            raise AssertionError(f"the Bot API was misused: {self.violations}")


@dataclass
class _Chat:
    """A private chat: its messages, and whether the citizen allows the bot to write."""

    said: list[Said] = field(default_factory=list)
    blocked: bool = False


class Bot:
    """One bot. Citizens speak to it by `tell` and the like, each of which returns the update it made."""

    def __init__(self, telegram: TelegramStandIn, name: str) -> None:
        self.telegram = telegram
        self.id = secrets.randbelow(10**9) + 10**9
        self.token = f"{self.id}:{secrets.token_urlsafe(26)}"
        self.name = name
        self.chats: dict[int, _Chat] = {}
        self.files: dict[str, bytes] = {}
        self.waiting: list[dict[str, Any]] = []
        self.webhook: dict[str, Any] = {}
        self.answered_buttons: list[str] = []
        self.deliveries: list[tuple[int, int]] = []
        self._updates = itertools.count(secrets.randbelow(10**8) + 10**8)
        self._messages = itertools.count(1)
        self._albums = itertools.count(secrets.randbelow(10**12) + 10**16)
        self._pusher: threading.Thread | None = None

    def as_user(self) -> dict[str, Any]:
        """The bot as the API shows it."""
        return {"id": self.id, "is_bot": True, "first_name": self.name, "username": f"{self.name}_bot"}

    # ------------------------------------------------------------ what citizens do

    def tell(self, citizen: Citizen, **message: Any) -> dict[str, Any]:
        """A message, with the description's own fields: text=…, location={…}, contact={…}, sticker={…}."""
        return self.update({"message": self.message(citizen, **message)})

    def edit(self, citizen: Citizen, update: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
        """An edited message."""
        message = {**update["message"], **changed, "edit_date": int(time.time())}
        return self.update({"edited_message": message})

    def photo(self, citizen: Citizen, data: bytes, **more: Any) -> dict[str, Any]:
        """A photo, which the messenger offers in two sizes."""
        small = self.store(b"small " + data[:20], width=90, height=60)
        large = self.store(data, width=1280, height=853)
        return self.tell(citizen, photo=[small, large], **more)

    def album(self, citizen: Citizen, *photos: bytes, caption: str = "") -> list[dict[str, Any]]:
        """Several photos sent as one album: as many updates."""
        name = str(next(self._albums))
        captions = [{"caption": caption} if caption and not number else {} for number in range(len(photos))]
        return [
            self.photo(citizen, data, media_group_id=name, **more) for data, more in zip(photos, captions, strict=True)
        ]

    def voice(self, citizen: Citizen, data: bytes) -> dict[str, Any]:
        """A voice note."""
        return self.tell(citizen, voice=self.store(data, duration=3, mime_type="audio/ogg"))

    def document(self, citizen: Citizen, data: bytes, name: str, media_type: str, **more: Any) -> dict[str, Any]:
        """A file."""
        return self.tell(citizen, document=self.store(data, file_name=name, mime_type=media_type), **more)

    def share_phone(self, citizen: Citizen, number: str) -> dict[str, Any]:
        """The citizen's own number, as their messenger fills it in."""
        card = {"phone_number": number, "first_name": citizen.first_name, "user_id": citizen.id}
        return self.tell(citizen, contact=card)

    def press(self, citizen: Citizen, label: str) -> dict[str, Any]:
        """Press what has this label: a button beneath the newest message that has one, or a key of the keyboard."""
        for said in reversed(self.said(citizen)):
            for text, data in said.buttons:
                if text == label:
                    return self.press_data(citizen, data, said.message_id)
            if label in said.keys:
                return self.tell(citizen, text=label)
        raise AssertionError(f"nothing to press is called {label!r}: {[said.text for said in self.said(citizen)]}")

    def press_data(self, citizen: Citizen, data: str, message_id: int = 1) -> dict[str, Any]:
        """Press a button by its data."""
        message = {
            "message_id": message_id,
            "date": int(time.time()),
            "chat": citizen.as_chat(),
            "from": self.as_user(),
        }
        query = {
            "id": str(secrets.randbelow(10**18)),
            "from": citizen.as_user(),
            "message": message,
            "chat_instance": str(citizen.id),
            "data": data,
        }
        return self.update({"callback_query": query})

    def block(self, citizen: Citizen, *, blocked: bool = True) -> dict[str, Any]:
        """Forbid the bot to write, or allow it again."""
        with self.telegram.changed:
            self.chats.setdefault(citizen.id, _Chat()).blocked = blocked
        states = ("member", "kicked") if blocked else ("kicked", "member")
        before, after = ({"user": self.as_user(), "status": status} for status in states)
        change = {
            "chat": citizen.as_chat(), "from": citizen.as_user(), "date": int(time.time()),
            "old_chat_member": before, "new_chat_member": after,
        }  # fmt: skip
        return self.update({"my_chat_member": change})

    def message(self, citizen: Citizen, **fields: Any) -> dict[str, Any]:
        """A message of the citizen, not sent yet."""
        head = {"message_id": next(self._messages), "from": citizen.as_user(), "chat": citizen.as_chat()}
        return {**head, "date": int(time.time()), **fields}

    def update(self, content: Mapping[str, Any], *, update_id: int | None = None) -> dict[str, Any]:
        """Queue an update for the product. Errors: AssertionError if the description has no such update."""
        update = {"update_id": next(self._updates) if update_id is None else update_id, **content}
        broken = contract.breaches(contract.TYPES["Update"], update, "Update")
        assert not broken, broken
        chat = content.get("message", {}).get("chat", {})
        with self.telegram.changed:
            if chat.get("type") == "private":
                self.chats.setdefault(chat["id"], _Chat())
            self.waiting.append(update)
            self.telegram.changed.notify_all()
        return update

    def store(self, data: bytes, **about: Any) -> dict[str, Any]:
        """A file at the messenger, as messages refer to it."""
        name = secrets.token_hex(12)
        self.files[name] = data
        return {"file_id": name, "file_unique_id": name[:10], "file_size": len(data), **about}

    # ------------------------------------------------------------ what the product did

    def said(self, citizen: Citizen) -> list[Said]:
        """The bot's messages to the citizen."""
        with self.telegram.changed:
            chat = self.chats.get(citizen.id)
            return list(chat.said) if chat else []

    def wait_for_said(self, citizen: Citizen, count: int = 1, seconds: float = 30.0) -> list[Said]:
        """The same, once there are this many."""
        with self.telegram.changed:
            if not self.telegram.changed.wait_for(lambda: len(self.said(citizen)) >= count, seconds):
                found = [said.text for said in self.said(citizen)]
                raise PeerError(f"{self.name} said {len(found)} of {count} messages in {seconds:.0f} s: {found}")
            return self.said(citizen)

    def wait_until_done(self, seconds: float = 30.0) -> None:
        """Wait until the product has acknowledged every update."""
        with self.telegram.changed:
            if not self.telegram.changed.wait_for(lambda: not self.waiting, seconds):
                raise PeerError(f"{len(self.waiting)} updates of {self.name} still wait after {seconds:.0f} s")

    # ------------------------------------------------------------ called by the server

    def fetch(self, offset: int | None, limit: int, timeout: float) -> list[dict[str, Any]]:
        """getUpdates: acknowledges what is below the offset; waits for the first of the rest."""
        with self.telegram.changed:
            if offset is not None:
                self.waiting = [update for update in self.waiting if update["update_id"] >= offset]
                self.telegram.changed.notify_all()
            self.telegram.changed.wait_for(lambda: self.waiting or self.telegram.closing.is_set(), timeout)
            return self.waiting[:limit]

    def accept(self, chat_id: int, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Store a message of the product's bot; returns it as the API shows it."""
        said = Said(next(self._messages), dict(fields))
        with self.telegram.changed:
            self.chats[chat_id].said.append(said)
            self.telegram.changed.notify_all()
        shown: dict[str, Any] = {"text": fields["text"]} if "text" in fields else {}
        if isinstance(upload := fields.get("document"), Upload):
            shown["document"] = self.store(upload.data, file_name=upload.name)
        chat = {"id": chat_id, "type": "private"}
        return {"message_id": said.message_id, "from": self.as_user(), "chat": chat, "date": int(time.time()), **shown}

    def set_webhook(self, settings: Mapping[str, Any]) -> None:
        """Push updates from now on, or none if `settings` are empty."""
        with self.telegram.changed:
            self.webhook = dict(settings)
            self.telegram.changed.notify_all()
            if settings and self._pusher is None:
                self._pusher = threading.Thread(target=self._push, name=f"webhook {self.name}", daemon=True)
                self._pusher.start()

    def wait_for_webhook(self, seconds: float = 30.0) -> None:
        """Wait until the product has set its webhook."""
        with self.telegram.changed:
            if not self.telegram.changed.wait_for(lambda: bool(self.webhook), seconds):
                raise PeerError(f"no webhook of {self.name} after {seconds:.0f} s")

    def deliver(self, update: Mapping[str, Any], *, secret: str | None = None) -> int:
        """Call the webhook once with an update; the status it answered, 0 if it could not be reached."""
        known = self.webhook.get("secret_token") if secret is None else secret
        headers = {b"X-Telegram-Bot-Api-Secret-Token": known.encode("latin-1")} if known else {}
        try:
            answer = httpx.post(self.webhook["url"], json=update, headers=headers, timeout=30, trust_env=False)
        except httpx.TransportError:
            return 0
        return answer.status_code

    def _push(self) -> None:
        telegram = self.telegram
        while not telegram.closing.is_set():
            with telegram.changed:
                telegram.changed.wait_for(lambda: (self.waiting and self.webhook) or telegram.closing.is_set(), 60)
                if not self.waiting or not self.webhook or telegram.closing.is_set():
                    continue
                update = self.waiting[0]
            status = self.deliver(update)
            with telegram.changed:
                self.deliveries.append((update["update_id"], status))
                if 200 <= status < 300:
                    self.waiting.remove(update)
                telegram.changed.notify_all()
            if not 200 <= status < 300:
                telegram.closing.wait(_RETRY)

    def join(self) -> None:
        """Wait for the end of the pushing thread."""
        if self._pusher is not None:
            self._pusher.join()
