"""From an update to a durable contact, the same way for webhook and polling; only then the bot answers.

The order that loses nothing: files are fetched and kept; the dialogue state takes the update in, durably; the update
itself is received (T1); the bundles sealed in the state are received; the citizen is answered. Every step can be
repeated with the same result, so an update that comes twice, or after a crash in the middle, is still one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from telegram.error import TelegramError

from zrm.channels.channel import Installation
from zrm.channels.telegram import messages
from zrm.channels.telegram.client import Client, FileNotGiven, FileTooBig
from zrm.channels.telegram.code_requests import CodeRequests
from zrm.channels.telegram.config import BotsConfig
from zrm.channels.telegram.dialogue import DialogueContext, Turn, advance, language_of, prompt
from zrm.channels.telegram.dialogue_state import KEEP, Bundle, DialogueState, Missing, SentPart, from_json, to_json
from zrm.channels.telegram.incoming_update import Attached, IncomingUpdate, Malformed, read_update, storable
from zrm.channels.telegram.messages import OutgoingMessage, menu
from zrm.channels.telegram.parse import moment
from zrm.channels.telegram.platform import Platform
from zrm.contract.files import StoredFile
from zrm.contract.inbound import JSON, RawContact, Receipt
from zrm.contract.ports import CheckpointsPort, FilesPort, Nature, ReceptionPort, SelfServicePort, Subject
from zrm.errors import StoreUnavailable
from zrm.kit import log
from zrm.kit.clock import now
from zrm.kit.ids import new_trace
from zrm.languages import Language
from zrm.ui.i18n import format_code, gettext

MEDIA_TYPE = "application/json"

_FETCHED_AT_ONCE = 3  # files of up to 20 MB each are in memory while they are fetched
_CHOICES_FOR = 60.0  # seconds for which the natures and subjects are cached in this process

_log = log.get(__name__)


class TelegramDoor:
    """The receiving side of all bots of one messenger, in one process and one event loop."""

    def __init__(
        self,
        config: BotsConfig,
        platform: Platform,
        installation: Installation,
        *,
        reception: ReceptionPort,
        files: FilesPort,
        self_service: SelfServicePort,
        checkpoints: CheckpointsPort,
        code_requests: CodeRequests,
    ) -> None:
        self._config = config
        self._platform = platform
        self._installation = installation
        self._reception = reception
        self._files = files
        self._self_service = self_service
        self._checkpoints = checkpoints
        self._code_requests = code_requests
        self._clients: dict[str, Client] = {}
        self._fetching = asyncio.Semaphore(_FETCHED_AT_ONCE)
        self._choices: tuple[float, list[Nature], list[Subject]] = (0.0, [], [])

    def client(self, bot: str) -> Client:
        """A bot's client."""
        if bot not in self._clients:
            self._clients[bot] = Client(self._config.bots[bot], self._platform, self._config.timeout)
        return self._clients[bot]

    async def close(self) -> None:
        """Close every client."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.close()

    # ------------------------------------------------------------ one update

    async def handle_update(self, bot: str, body: bytes) -> list[tuple[int, OutgoingMessage]]:
        """Make an update durable and take its step; returns the messages to be sent by `say`.

        Errors: StoreUnavailable; then the messenger must keep the update and deliver it again.
        """
        try:
            value = storable(json.loads(body))
            told = read_update(value)
        except (Malformed, ValueError, RecursionError):
            # Not an update by the Bot API: kept for the quarantine.
            await self._receive(bot, f"odd/{hashlib.sha256(body).hexdigest()}", body, {"role": "message"})
            return []
        if told.kind in ("elsewhere", "other"):
            await self._receive(bot, told.named, body, {"role": "message"}, content=told.digest)
            if told.kind == "elsewhere" and told.text.startswith("/") and told.chat:
                language = language_of(DialogueState(bot, told.chat), told, await self._setting(bot))
                return [(told.chat, OutgoingMessage(gettext(language, messages.ONLY_PRIVATE)))]
            return []
        part = await self._part(bot, told, value)
        if told.robot:  # kept and labelled, never answered: two programs would write for ever
            await self._receive_update(bot, told, part, Turn(DialogueState(bot, told.chat), "message"), body)
            return []
        await self._opt(bot, told)
        setting = await self._setting(bot)
        turn = await asyncio.to_thread(self._take, bot, told, part, setting)
        receipt = await self._receive_update(bot, told, part, turn, body)
        if told.button_id:
            await self._release(bot, told.button_id)
        says = list(turn.says)
        if turn.repeated and not receipt.repeated:  # a crash after it was taken in and before it was received
            says.append(prompt(turn.note, setting))
        says += await self.file_sealed(turn.note, told)
        if turn.ask is not None:
            language = language_of(turn.note, told, setting)
            says += await self._code_requests.answer(turn.ask, bot, told.user, language)
        return [(told.chat, say) for say in says]

    async def say(self, bot: str, says: Sequence[tuple[int, OutgoingMessage]]) -> None:
        """Send it; a failure is logged and has no other effect."""
        for chat, say in says:
            try:
                await self.client(bot).say(chat, say)
            except TelegramError as error:
                _log.warning("not said", channel=self._platform.kind, account=bot, error=type(error).__name__)

    async def _release(self, bot: str, button_id: str) -> None:
        try:
            await self.client(bot).release(button_id)
        except TelegramError as error:  # it only stops the button's spinner on the citizen's screen
            _log.info("button not released", channel=self._platform.kind, account=bot, error=type(error).__name__)

    async def _opt(self, bot: str, told: IncomingUpdate) -> None:
        """Record a stop or start of our messages before anything else: it must hold whatever comes after.

        By the messenger's own time, so that an old /stop delivered again does not undo a later /start.
        """
        command = messages.command_of(told.text)[0] if told.kind == "message" else ""
        if command not in ("stop", "start"):
            return
        kind, address = self._platform.kind, str(told.chat)
        if await asyncio.to_thread(self._self_service.opted_out, kind, address) is not (command == "stop"):
            at = moment(told.date)
            await asyncio.to_thread(lambda: self._self_service.opt(kind, bot, address, out=command == "stop", at=at))

    def _take(self, bot: str, told: IncomingUpdate, part: SentPart | None, setting: DialogueContext) -> Turn:
        """Let the dialogue state take the update in, in one step that is atomic between processes."""
        turns: list[Turn] = []

        def change(value: JSON) -> tuple[JSON, float]:
            at = now().timestamp()
            note = from_json(value, bot, told.chat)
            try:
                turn = advance(note, told, part, setting, at)
            except Exception:  # noqa: BLE001  # a bug in the dialogue must cost nobody a message
                _log.exception("dialogue failed", channel=self._platform.kind, account=bot)
                turn = Turn(note, "message")
            turns.append(turn)
            return to_json(turn.note), turn.note.seconds(at)

        try:
            self._checkpoints.update_state(self._platform.kind, _key(bot, told.chat), change)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001  # as above: what the note cannot hold is received by itself
            _log.exception("note not kept", channel=self._platform.kind, account=bot)
            return Turn(DialogueState(bot, told.chat), "message")
        return turns[-1]

    async def _receive_update(
        self, bot: str, told: IncomingUpdate, part: SentPart | None, turn: Turn, body: bytes
    ) -> Receipt:
        envelope: dict[str, JSON] = {"role": turn.role}
        files: tuple[StoredFile, ...] = ()
        if turn.note.language:
            envelope["language"] = turn.note.language
        if part is not None and turn.role == "message":
            files = part.files
            missing: list[JSON] = [asdict(gone) for gone in part.missing]
            if missing:
                envelope["missing"] = missing
        return await self._receive(bot, told.named, body, envelope, files, told.digest)

    async def _receive(
        self,
        bot: str,
        external_id: str,
        body: bytes,
        envelope: dict[str, JSON],
        files: tuple[StoredFile, ...] = (),
        content: str = "",
    ) -> Receipt:
        contact = RawContact(
            channel=self._platform.kind,
            account=bot,
            external_id=f"{bot}/{external_id}",
            body=body,
            media_type=MEDIA_TYPE,
            envelope=envelope,
            files=files,
            trace=new_trace(),
            content=content,
        )
        receipt = await asyncio.wrap_future(await asyncio.to_thread(self._reception.submit, contact))
        _log.info(
            "received",
            channel=self._platform.kind,
            account=bot,
            role=envelope["role"],
            contact=str(receipt.contact_id),
            trace=contact.trace,
            repeated=receipt.repeated,
        )
        return receipt

    # ------------------------------------------------------------ files

    async def _part(self, bot: str, told: IncomingUpdate, value: JSON) -> SentPart | None:
        """The update with its files, which are durable when this returns; None if it brings nothing to keep."""
        if not told.content:
            return None
        files: list[StoredFile] = []
        missing: list[Missing] = []
        for attached in told.attached:
            kept = await self._fetch(bot, attached)
            if isinstance(kept, StoredFile):
                files.append(kept)
            else:
                missing.append(kept)
        return SentPart(value, told.named, told.message_id, told.album, tuple(files), tuple(missing))

    async def _fetch(self, bot: str, attached: Attached) -> StoredFile | Missing:
        try:
            async with self._fetching:
                data = await self.client(bot).fetch(attached.file_id, attached.size)
        except FileTooBig:
            return Missing(attached.name, attached.size, "too_big")
        except FileNotGiven as error:
            _log.warning("file not fetched", channel=self._platform.kind, account=bot, error=str(error))
            return Missing(attached.name, attached.size, "not_fetched")
        role = "recording" if attached.kind == "voice" else "attachment"
        return await asyncio.to_thread(
            self._files.store, data, name=attached.name, media_type=attached.media_type, role=role
        )

    # ------------------------------------------------------------ sealed bundles

    async def file_sealed(self, note: DialogueState, told: IncomingUpdate | None = None) -> list[OutgoingMessage]:
        """Receive the sealed bundles and take them out of the state; the codes to be told. Errors: StoreUnavailable."""
        says = []
        setting = await self._setting(note.bot)
        language = language_of(note, told, setting)
        for bundle in note.sealed:
            receipt = await self._receive_bundle(note, bundle)
            code = await asyncio.to_thread(self._forget, note, bundle, receipt.code)
            if code:
                says.append(self._registered(language, code, bundle))
        return says

    async def _receive_bundle(self, note: DialogueState, bundle: Bundle) -> Receipt:
        value = {
            "parts": [asdict(part) for part in bundle.parts],
            "nature": bundle.nature,
            "subject": bundle.subject,
            "finished": bundle.finished,
        }
        envelope: dict[str, JSON] = {"role": bundle.role}
        if note.language:
            envelope["language"] = note.language
        files = tuple(file for part in bundle.parts for file in part.files)
        body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return await self._receive(note.bot, bundle.key.removeprefix(f"{note.bot}/"), body, envelope, files)

    def _forget(self, note: DialogueState, bundle: Bundle, code: str) -> str:
        """Take a received bundle out of the state; the code if this call was the first to do so and it is to be
        told.
        """
        first: list[bool] = []

        def change(value: JSON) -> tuple[JSON, float]:
            present = from_json(value, note.bot, note.chat)
            first.append(any(known.key == bundle.key for known in present.sealed))
            sealed = tuple(known for known in present.sealed if known.key != bundle.key)
            changed = replace(present, sealed=sealed, code=code if bundle.role == "matter" else present.code)
            return to_json(changed), changed.seconds(now().timestamp())

        self._checkpoints.update_state(self._platform.kind, _key(note.bot, note.chat), change)
        return code if first[-1] and bundle.role == "matter" else ""

    def _registered(self, language: Language, code: str, bundle: Bundle) -> OutgoingMessage:
        message = messages.REGISTERED if bundle.finished else messages.REGISTERED_UNFINISHED
        track = f"{self._installation.public_url}/track"
        return OutgoingMessage(
            gettext(language, message, code=format_code(code, language), track=track), keys=menu(language)
        )

    async def sweep(self) -> None:
        """File expired drafts and albums, in every chat. Errors: StoreUnavailable."""
        for value in await asyncio.to_thread(
            lambda: self._checkpoints.expiring_states(self._platform.kind, within=KEEP)
        ):
            if not isinstance(value, dict):
                continue
            bot, chat = value.get("bot"), value.get("chat")
            if not isinstance(bot, str) or bot not in self._config.bots or not isinstance(chat, int):
                continue  # a bot that is no longer ours: its states expire by themselves
            try:
                note = await asyncio.to_thread(self._seal_due, bot, chat)
                says = await self.file_sealed(note)
            except StoreUnavailable:
                raise
            except Exception:  # noqa: BLE001  # one note nobody can read must not keep the others from being filed
                _log.exception("note not filed", channel=self._platform.kind, account=bot)
                continue
            await self.say(bot, [(chat, say) for say in says])

    def _seal_due(self, bot: str, chat: int) -> DialogueState:
        found: list[DialogueState] = []

        def change(value: JSON) -> tuple[JSON, float]:
            at = now().timestamp()
            note = from_json(value, bot, chat).seal_due(at)
            found.append(note)
            return to_json(note), note.seconds(at)

        self._checkpoints.update_state(self._platform.kind, _key(bot, chat), change)
        return found[-1]

    async def _setting(self, bot: str) -> DialogueContext:
        natures, subjects = await self._known_choices()
        return DialogueContext(
            installation=self._installation,
            begins_in=self._config.bots[bot].language,
            natures=natures,
            subjects=subjects,
            draft_life=60 * self._config.unfinished_minutes,
            album_wait=self._config.album_seconds,
        )

    async def _known_choices(self) -> tuple[list[Nature], list[Subject]]:
        read_at, natures, subjects = self._choices
        if not read_at or time.monotonic() - read_at >= _CHOICES_FOR:
            natures, subjects = await asyncio.to_thread(
                lambda: (self._self_service.natures(), self._self_service.subjects())
            )
            self._choices = (time.monotonic(), natures, subjects)
        return natures, subjects


def _key(bot: str, chat: int) -> str:
    return f"{bot}/{chat}"
