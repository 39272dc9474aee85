"""The Twilio stand-in follows Twilio's contract, and enforces it on its callers."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import httpx
import pytest
from twilio.request_validator import RequestValidator

from tests.lab.process import LOOPBACK
from tests.lab.twilio import FAIL, THROTTLE, Cut, Hold, TwilioStandIn

Send = Callable[..., httpx.Response]


@pytest.fixture
def account() -> Iterator[TwilioStandIn]:
    with TwilioStandIn(strict=False) as opened:
        yield opened


@pytest.fixture
def send(account: TwilioStandIn) -> Send:
    def post(**fields: str) -> httpx.Response:
        form = {"To": "+989121234567", "From": "+15005550006", "Body": "سلام"} | fields
        url = f"{account.url}/2010-04-01/Accounts/{account.account}/Messages.json"
        return httpx.post(url, data=form, auth=(account.account, account.token), trust_env=False)

    return post


def test_message_is_kept_and_can_be_asked_for(account: TwilioStandIn, send: Send) -> None:
    answer = send(StatusCallback="https://hub.example.org/status")
    assert answer.status_code == 201
    (message,) = account.wait_for_message()
    assert (message.to, message.body, message.status) == ("+989121234567", "سلام", "queued")
    again = httpx.get(f"{account.url}{answer.json()['uri']}", auth=(account.account, account.token), trust_env=False)
    assert again.json() == answer.json()
    assert account.violations == []


@pytest.mark.parametrize(
    ("fields", "violation"),
    [
        ({"Bodyy": "x"}, "unknown field Bodyy"),
        ({"ValidityPeriod": "soon"}, "field ValidityPeriod is not a valid integer"),
        ({"StatusCallback": "/status"}, "field StatusCallback is not a valid url"),
        ({"MessagingServiceSid": "MG1"}, "field MessagingServiceSid is not a valid sid"),
        ({"RiskCheck": "maybe"}, "field RiskCheck is not a valid choice"),
    ],
)
def test_breach_of_the_contract_is_refused_and_recorded(
    account: TwilioStandIn, send: Send, fields: dict[str, str], violation: str
) -> None:
    assert send(**fields).status_code == 400
    assert account.violations == [violation]
    assert account.outbound() == []


def test_breach_of_the_contract_fails_a_strict_test() -> None:
    account = TwilioStandIn()
    account.violations.append("unknown field Bodyy")
    account.__enter__()
    with pytest.raises(AssertionError, match="unknown field Bodyy"):
        account.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": "+15005550001"}, 21211),
        ({"To": "+15005550004"}, 21610),
        ({"From": "+15005550007"}, 21606),
        ({"To": ""}, 21604),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "ب" * 1601}, 21617),
    ],
)
def test_twilio_refuses(send: Send, fields: dict[str, str], code: int) -> None:
    answer = send(**fields)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_wrong_password(account: TwilioStandIn) -> None:
    url = f"{account.url}/2010-04-01/Accounts/{account.account}/Messages.json"
    assert httpx.post(url, data={}, auth=(account.account, "wrong"), trust_env=False).status_code == 401


def test_throttled_then_failed_then_accepted(account: TwilioStandIn, send: Send) -> None:
    account.next(THROTTLE, FAIL)
    throttled, failed, accepted = send(), send(), send()
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "1")
    assert failed.status_code == 500
    assert accepted.status_code == 201
    assert len(account.outbound()) == 1


@pytest.mark.parametrize(("accepted", "kept"), [(False, 0), (True, 1)])
def test_connection_cut_leaves_the_sender_in_doubt(
    account: TwilioStandIn, send: Send, accepted: bool, kept: int
) -> None:
    account.next(Cut(accepted))
    with pytest.raises(httpx.RemoteProtocolError):
        send()
    assert len(account.outbound()) == kept


def test_answer_held_until_released(account: TwilioStandIn, send: Send) -> None:
    hold = Hold()
    account.next(hold)
    answers: list[httpx.Response] = []
    sender = threading.Thread(target=lambda: answers.append(send()))
    sender.start()
    assert hold.reached.wait(10)
    assert answers == []
    hold.release()
    sender.join(10)
    assert answers[0].status_code == 201


class Hub:
    """A hub that only records the webhooks it receives."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], dict[str, str]]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                hub.calls.append((dict(self.headers), dict(parse_qsl(body, keep_blank_values=True))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                pass

        self.server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self.server.server_address[1]}/hooks/sms"


@pytest.fixture
def hub() -> Iterator[Hub]:
    opened = Hub()
    thread = threading.Thread(target=opened.server.serve_forever, args=(0.02,))
    thread.start()
    yield opened
    opened.server.shutdown()
    thread.join()
    opened.server.server_close()


PUBLIC = "https://hub.example.org/hooks/sms"


def test_webhook_is_signed_over_the_public_url(account: TwilioStandIn, hub: Hub) -> None:
    delivery = account.send_sms(PUBLIC, body="چراغ خراب است & خاموش", send_to=hub.url)
    assert delivery.answer.status_code == 204
    ((headers, params),) = hub.calls
    assert params["Body"] == "چراغ خراب است & خاموش"
    validator = RequestValidator(account.token)
    assert validator.validate(PUBLIC, params, headers["X-Twilio-Signature"])
    assert not validator.validate(hub.url, params, headers["X-Twilio-Signature"])


def test_retry_is_the_same_call_again(account: TwilioStandIn, hub: Hub) -> None:
    account.retry(account.send_sms(PUBLIC, body="سلام", send_to=hub.url))
    (first, first_params), (second, second_params) = hub.calls
    assert first_params == second_params
    assert first["I-Twilio-Idempotency-Token"] == second["I-Twilio-Idempotency-Token"]


def test_report_goes_where_the_message_asked(account: TwilioStandIn, send: Send, hub: Hub) -> None:
    send(StatusCallback=PUBLIC)
    (message,) = account.wait_for_message()
    account.report(message, "undelivered", error_code=30003, send_to=hub.url)
    ((headers, params),) = hub.calls
    assert (params["MessageSid"], params["MessageStatus"], params["ErrorCode"]) == (message.sid, "undelivered", "30003")
    assert RequestValidator(account.token).validate(PUBLIC, params, headers["X-Twilio-Signature"])
