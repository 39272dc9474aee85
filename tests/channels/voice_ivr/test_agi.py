"""The fence around pyst2: what Asterisk may say, and what a broken or hostile peer may say instead."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from asterisk.agi import AGIException
from hypothesis import given
from hypothesis import strategies as st

from zrm.channels.voice_ivr import agi as fence
from zrm.channels.voice_ivr.agi import CallEnded, CommandFailed, Digits, FastAGI, PeerConfused, Recorded

HELLO = b"agi_network: yes\nagi_callerid: 09121234567\nagi_arg_1: a:b\n\n"
NOOP = b"200 result=0\n"


@contextlib.contextmanager
def canned(replies: bytes, hello: bytes = HELLO) -> Iterator[tuple[FastAGI, socket.socket]]:
    """An AGI session whose peer has said everything in advance and then closed its side."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(hello + replies)
        theirs.shutdown(socket.SHUT_WR)
        yield FastAGI(ours), theirs


Step = Callable[[FastAGI], object]


def play(agi: FastAGI) -> object:
    return agi.stream_file("hello", "12")


def record(agi: FastAGI) -> object:
    return agi.record_file("take")


GOOD: list[tuple[str, bytes, Step, object]] = [
    ("played to the end", b"200 result=0 endpos=8000\n", play, ""),
    ("cut short by a key", b"200 result=49 endpos=80\n", play, "1"),
    ("a star", b"200 result=42\n", lambda agi: agi.wait_for_digit(10), "*"),
    ("keys, all of them", b"200 result=4719\n", lambda agi: agi.get_data("x", 10, 4), Digits("4719", False)),
    ("some keys, then silence", b"200 result=47 (timeout)\n", lambda agi: agi.get_data("x", 10, 4), Digits("47", True)),
    ("no keys", b"200 result= (timeout)\n", lambda agi: agi.get_data("x", 10, 4), Digits("", True)),
    ("only #", b"200 result=\n", lambda agi: agi.get_data("x", 10, 4), Digits("", False)),
    ("a variable with brackets", b"200 result=1 (a) b)\n", lambda agi: agi.get_variable("x"), "a) b"),
    ("a variable that says hangup", b"200 result=1 (hangup)\n", lambda agi: agi.get_variable("x"), "hangup"),
    ("a variable with an equals sign", b"200 result=1 (v=1)\n", lambda agi: agi.get_variable("x"), "v=1"),
    ("no variable", b"200 result=0\n", lambda agi: agi.get_variable("x"), ""),
    ("bytes that are not text", b"200 result=1 (\xff\xfe)\n", lambda agi: agi.get_variable("x"), "\ufffd\ufffd"),
    ("recorded until #", b"200 result=35 (dtmf) endpos=16000\n" + NOOP, record, Recorded("key", "#", 16000)),
    ("recorded until silence", b"200 result=0 (timeout) endpos=984\n" + NOOP, record, Recorded("timeout", "", 984)),
    (
        "hung up while recording",
        b"200 result=-1 (hangup) endpos=9\nHANGUP\n200 result=0\n",
        record,
        Recorded("hangup", "", 9),
    ),
    ("hung up, told late", b"200 result=-1 endpos=9\nHANGUP\n200 result=0\n", record, Recorded("hangup", "", 9)),
    ("hanging up a dead channel", b"511 Command Not Permitted on a dead channel\n", lambda agi: agi.hangup(), None),
    ("carriage returns", b"200 result=49\r\n", play, "1"),
]


@pytest.mark.parametrize(("replies", "step", "expected"), [row[1:] for row in GOOD], ids=[row[0] for row in GOOD])
def test_what_asterisk_says_is_understood(replies: bytes, step: Step, expected: object) -> None:
    with canned(replies) as (agi, _):
        assert step(agi) == expected


BAD: list[tuple[str, bytes, Step, type[AGIException]]] = [
    ("failed, and the call goes on", b"200 result=-1\n" + NOOP, play, CommandFailed),
    ("failed, because the caller is gone", b"200 result=-1\nHANGUP\n200 result=0\n", play, CallEnded),
    ("told of the hang-up first", b"HANGUP\n200 result=-1\n", play, CallEnded),
    ("hung up", b"200 result=-1 (hangup)\n", play, CallEnded),
    ("a dead channel", b"511 Command Not Permitted on a dead channel or intercept routine\n", play, CallEnded),
    ("closed instead of a reply", b"", play, CallEnded),
    ("closed in mid-line", b"200 resu", play, CallEnded),
    ("hang-up notice and closed", b"HANGUP\n", play, CallEnded),
    ("unknown command", b"510 Invalid or unknown command\n", play, CommandFailed),
    ("usage on one line", b"520 Invalid command syntax.  Proper usage not available.\n", play, CommandFailed),
    ("usage on many", b"520-Invalid command syntax.\nUsage: x\n520 End of proper usage.\n", play, CommandFailed),
    ("usage without an end", b"520-Invalid\n" + b"Usage\n" * 300, play, PeerConfused),
    ("cannot write the file", b"200 result=-1 (writefile)\n" + NOOP, record, CommandFailed),
    ("closed while recording", b"200 result=0 (timeout) endpos=9\n", record, CallEnded),
    ("no code", b"hello\n", play, PeerConfused),
    ("an empty line", b"\n", play, PeerConfused),
    ("an unknown code", b"999 result=0\n", play, PeerConfused),
    ("no result", b"200 OK\n", play, PeerConfused),
    ("two results", b"200 result=49 result=0\n", play, PeerConfused),
    ("a result behind other words", b"200 so result=49\n", play, PeerConfused),
    ("a result of another name", b"200 noresult=49\n", play, PeerConfused),
    ("an end that is no number", b"200 result=49 endpos=x\n", play, PeerConfused),
    ("a key no telephone has", b"200 result=984\n", play, PeerConfused),
    ("a result that is no number", b"200 result=abc\n", play, PeerConfused),
    ("digits no telephone has", b"200 result=12<b>\n", lambda agi: agi.get_data("x", 10, 9), PeerConfused),
    ("a variable over two lines", b"200 result=1 (a\nb)\n", lambda agi: agi.get_variable("x"), PeerConfused),
    ("a line without end", b"2" * 70_000, play, PeerConfused),
    ("a long line", b"200 result=1 (" + b"x" * 9000 + b")\n", play, PeerConfused),
]


@pytest.mark.parametrize(("replies", "step", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_goes_wrong_has_its_own_error(replies: bytes, step: Step, expected: type[AGIException]) -> None:
    with canned(replies) as (agi, _), pytest.raises(expected):
        step(agi)


@pytest.mark.parametrize(
    "hello",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n",
        b"agi_x: 1\n" * 300,
        b"a" * 20_000,
        b"agi_request: x\nno colon\n\n",
    ],
    ids=["HTTP", "nothing", "TLS", "too many", "too long", "half a variable"],
)
def test_who_does_not_speak_agi_is_not_listened_to(hello: bytes) -> None:
    with pytest.raises(PeerConfused), canned(b"", hello):
        pass


def test_a_greeting_cut_in_half_is_a_call_that_ended() -> None:
    with pytest.raises(CallEnded), canned(b"", b"agi_network: yes\nagi_callerid: 0912"):
        pass


def test_a_silent_peer_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fence, "HELLO_SECONDS", 0.05)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"agi_network: y")
        with pytest.raises(PeerConfused, match="silent"):
            FastAGI(ours)


def test_a_reply_in_single_bytes_is_put_together() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(HELLO)
        agi = FastAGI(ours)

        def drip() -> None:
            for byte in b"HANGUP\n200 result=49 endpos=1\n":
                theirs.send(bytes([byte]))

        thread = threading.Thread(target=drip)
        thread.start()
        assert agi.stream_file("x", "1") == "1"
        thread.join()
        assert agi.hung_up


def test_variables_keep_their_colons() -> None:
    with canned(b"") as (agi, _):
        assert agi.env == {"agi_network": "yes", "agi_callerid": "09121234567", "agi_arg_1": "a:b"}


def test_quotes_and_backslashes_cannot_end_an_argument() -> None:
    with canned(b"200 result=1\n") as (agi, theirs):
        agi.get_variable('say "hi" \\')
        assert theirs.recv(1000) == b'GET VARIABLE "say \\"hi\\" \\\\"\n'


@pytest.mark.parametrize("value", ["a\nHANGUP", "a\rb", "a\0b"])
def test_a_line_break_cannot_smuggle_in_a_command(value: str) -> None:
    with canned(b"200 result=1\n") as (agi, _), pytest.raises(ValueError, match="line break"):
        agi.get_variable(value)


def test_file_names_with_spaces_stay_one_argument() -> None:
    with canned(b"200 result=0\n") as (agi, theirs):
        agi.stream_file("/a b/hello", "1")
        assert theirs.recv(1000) == b'STREAM FILE "/a b/hello" "1" 0\n'


def test_it_lives_in_a_thread_and_says_nothing_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []

    def call() -> None:
        with canned(b"200 result=49\n") as (agi, _):
            heard.append(agi.stream_file("x", "1"))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert heard == ["1"]
    assert capfd.readouterr() == ("", "")


def test_errors_do_not_repeat_what_the_peer_said() -> None:
    with canned(b"caller 09121234567\n") as (agi, _), pytest.raises(PeerConfused) as caught:
        play(agi)
    assert "0912" not in str(caught.value)


STEPS: list[Step] = [play, record, lambda agi: agi.get_data("x", 10, 4), lambda agi: agi.get_variable("x")]
FRAGMENTS = st.sampled_from(
    b"200| |result=|-1|0|49|(|)|hangup|timeout|endpos=|\n|HANGUP\n|510 |511 |520-|520 |\r\n|\0|\xd9|\xf0\x9f".split(
        b"|"
    )
)
REPLIES = st.one_of(st.binary(max_size=200), st.lists(FRAGMENTS, max_size=24).map(b"".join))


@given(replies=REPLIES, step=st.sampled_from(STEPS))
def test_whatever_comes_ends_in_a_result_or_in_an_agi_error(replies: bytes, step: Step) -> None:
    with canned(replies) as (agi, _), contextlib.suppress(AGIException):
        step(agi)


@given(hello=st.binary(max_size=300))
def test_whatever_greets_us_ends_in_variables_or_in_an_agi_error(hello: bytes) -> None:
    with contextlib.suppress(AGIException), canned(b"", hello) as (agi, _):
        assert agi.env
