"""The web channel: what `zrm.channels.registry` knows by "web"."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.routing import Route

from zrm.channels.channel import ChannelConfig, Installation
from zrm.channels.web.api import ContactApi
from zrm.channels.web.config import WebConfig
from zrm.channels.web.intake import Intake
from zrm.channels.web.kept_forms import KeptForms
from zrm.channels.web.lost_code import LOST_PATH, LostCode
from zrm.channels.web.matter_messages import WriteInMatter
from zrm.channels.web.matter_pages import MATTER_PATH, TRACK_PATH, MatterPages
from zrm.channels.web.page_renderer import Bare, PageRenderer
from zrm.channels.web.payload import parse_payload
from zrm.channels.web.proof import ProveMatter
from zrm.channels.web.signed_tokens import Seals
from zrm.channels.web.submit import RECEIPT_PATH, RaiseMatter
from zrm.channels.web.track import FollowMatter
from zrm.contract.capabilities import Capabilities
from zrm.contract.inbound import Parsed, RawContact
from zrm.contract.outbound import Reply, Sent
from zrm.contract.ports import FrontDesk


class WebChannel:
    """Form, receipt and tracking page for citizens; JSON for other systems. Answers are read on the tracking page."""

    kind: ClassVar[str] = "web"
    Config: ClassVar[type[ChannelConfig]] = WebConfig
    can: ClassVar[Capabilities] = Capabilities(
        names={"fa": "فرم وب", "en": "Web form"},
        in_sentence={"fa": "با فرم وب", "en": "through the web form"},
        icon="world",
        reply=True,
        attachments=True,
        tells_code=True,
        acknowledges=True,
    )

    def __init__(self, config: WebConfig, installation: Installation) -> None:
        self.config = config
        self.installation = installation

    def parse(self, raw: RawContact) -> list[Parsed]:
        """One Inbound, or the command to rate a closed case or to get lost codes. Errors: Unparseable."""
        return [parse_payload(raw)]

    def send(self, reply: Reply) -> Sent:
        """Nothing leaves the installation: the answer is public on the tracking page as soon as it is written."""
        return Sent(provider_ref=f"published:{reply.id}", final=True)

    def redact(self) -> list[str]:
        """The integrators' keys."""
        return [key.get_secret_value() for key in self.config.api_keys.values()]

    def check(self) -> list[str]:
        """What an operator should correct."""
        faults = []
        public = urlsplit(self.installation.public_url)
        if public.scheme != "https" and public.hostname not in ("127.0.0.1", "localhost", "::1"):
            faults.append("web: public_url is not https; codes and cookies would be sent unprotected")
        if self.config.max_total_bytes < self.config.max_file_bytes:
            faults.append("web: max_total_bytes is smaller than max_file_bytes; the latter can never be reached")
        faults += [
            f"web: api_keys.{name} is shorter than 16 characters and could be guessed"
            for name, key in self.config.api_keys.items()
            if len(key.get_secret_value()) < 16
        ]
        if not self.config.api and self.config.api_keys:
            faults.append("web: api_keys are given but api is off")
        return faults

    def routes(self, desk: FrontDesk) -> APIRouter:
        """The portal's pages and, unless it is disabled, the JSON door."""
        site = PageRenderer(self.config, self.installation)
        intake = Intake(desk.reception, desk.files, desk.self_service, self.config.account, self.installation.region)
        seals = Seals(
            self.installation.secret,
            receipt_seconds=self.config.receipt_minutes * 60,
            proof_seconds=self.config.proof_minutes * 60,
        )
        forms = KeptForms(site, desk.checkpoints)
        raising = RaiseMatter(site, intake, seals, forms)
        pages = MatterPages(site, desk.tracking, intake, seals, forms)
        following = FollowMatter(site, pages, desk.tracking, forms)
        proving = ProveMatter(site, pages, desk.tracking)
        writing = WriteInMatter(site, pages, intake, seals, forms)
        lost = LostCode(site, desk.self_service, intake, seals, forms, pages.read_small)
        # Plain routes: these handlers read the request themselves, so FastAPI's own parsing would only cost time.
        router = APIRouter()
        if self.config.api:
            api = ContactApi(site, desk.reception, intake)
            router.routes.append(Route("/api/contacts", Bare(api.receive), methods=["POST"]))
            router.routes.append(Route("/api/contacts", Bare(api.wrong_method)))
        router.routes.append(Route("/new", Bare(raising.send), methods=["POST"]))
        for method, path, endpoint in (
            ("GET", "/", raising.landing),
            ("GET", "/new", raising.form),
            ("GET", RECEIPT_PATH, raising.receipt),
            ("GET", TRACK_PATH, following.ask),
            ("POST", TRACK_PATH, following.show),
            ("GET", LOST_PATH, lost.ask),
            ("POST", LOST_PATH, lost.send),
            ("GET", MATTER_PATH, following.matter),
            ("POST", f"{TRACK_PATH}/phone", proving.prove_by_phone),
            ("POST", f"{TRACK_PATH}/email", proving.prove_by_email),
            ("POST", f"{TRACK_PATH}/message", writing.write),
            ("POST", f"{TRACK_PATH}/rating", writing.rate),
            ("POST", f"{TRACK_PATH}/leave", following.leave),
            ("GET", f"{TRACK_PATH}/files/{{file_id}}", following.file),
            ("GET", f"{TRACK_PATH}/{{step}}", following.step),
            ("GET", "/proof/{token}", proving.proof),
            ("POST", "/proof/{token}", proving.redeem),
        ):
            router.add_route(path, endpoint, methods=[method], include_in_schema=False)
        return router
