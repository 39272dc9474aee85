"""What other libraries make of their own published fixtures, as JSON on standard output.

Runs under the Python in which they are installed, without anything of ZRM: `python folding_peers.py FOLDER [NODE_MODULES]`.
The folder holds checkouts of the repositories, named as below. A test of talon's that holds its mails in its code is
run with a recorder in place of the library, which notes what goes in and what must come out.
"""

from __future__ import annotations

import email
import importlib.util
import json
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

FILES = {
    "mail-parser-reply": "test/emails/*.txt",
    "email_reply_parser": "test/emails/*.txt",
    "email-reply-parser": "test/emails/*.txt",
    "email-reply-parser-js": "test/fixtures/*.txt",
}
PATIENCE = 5
"""Seconds a library has for one mail."""

_JAVASCRIPT = """
import("email-reply-parser").then(module => {
  let given = "";
  process.stdin.on("data", piece => given += piece);
  process.stdin.on("end", () => process.stdout.write(new module.default().read(given).getVisibleText()));
});
"""


def main() -> None:
    """Write a list of `{"set", "name", "text", "html", "expected", "visible": {library: text}}`."""
    folder = Path(sys.argv[1])
    mails = [*_files(folder), *_standard_replies(folder / "talon"), *_recorded(folder / "talon")]
    for name, library in _libraries(folder).items():
        for one in mails:
            one["visible"][name] = _in_time(library, one["text"])
    if len(sys.argv) > 2:
        for one in mails:
            one["visible"]["email-reply-parser (JavaScript)"] = _javascript(one["text"], sys.argv[2])
    json.dump(mails, sys.stdout)


def _in_time(library: Callable[[str], str], text: str) -> str | None:
    """What the library leaves visible; None when it takes too long."""
    signal.signal(signal.SIGALRM, _stop)
    signal.alarm(PATIENCE)
    try:
        return library(text)
    except TimeoutError:
        return None
    finally:
        signal.alarm(0)


def _stop(*_: object) -> None:
    raise TimeoutError


def _javascript(text: str, modules: str) -> str | None:
    command = ["node", "-e", _JAVASCRIPT]
    try:
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, check=True, cwd=modules, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.decode()


def _mail(fixtures: str, name: str, text: str, expected: str | None = None) -> dict:
    return {"set": fixtures, "name": name, "text": text.replace("\r\n", "\n"), "expected": expected, "visible": {}}


def _files(folder: Path) -> Iterator[dict]:
    for fixtures, pattern in FILES.items():
        for path in sorted((folder / fixtures).glob(pattern)):
            yield _mail(fixtures, path.stem, path.read_text(encoding="utf-8"))


def _standard_replies(talon: Path) -> Iterator[dict]:
    for path in sorted((talon / "tests/fixtures/standard_replies").glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes())
        part = next(part for part in message.walk() if part.get_content_type() == "text/plain")
        text = part.get_payload(decode=True).decode(part.get_content_charset() or "utf-8")
        reply = path.with_name(path.stem + "_reply_text")
        yield _mail("talon", path.stem, text, reply.read_text() if reply.exists() else "Hello")


def _recorded(talon: Path) -> Iterator[dict]:
    """The mails and expectations in talon's tests of plain text."""
    recorder = _Recorder()
    stubs = {
        "nose": types.ModuleType("nose"),
        "nose.tools": types.ModuleType("nose.tools"),
        "mock": types.ModuleType("mock"),
        "talon": types.ModuleType("talon"),
        "tests": types.ModuleType("tests"),
        "tests.fixtures": types.ModuleType("tests.fixtures"),
    }
    stubs["talon"].quotations = recorder
    stubs["tests"].__path__ = [str(talon / "tests")]
    for name, value in (("eq_", recorder.equal), ("ok_", lambda *_: None), ("patch", mock.patch), ("Mock", mock.Mock)):
        setattr(stubs["tests"], name, value)
    stubs["tests.fixtures"].STANDARD_REPLIES = str(talon / "tests/fixtures/standard_replies")
    with mock.patch.dict(sys.modules, stubs):
        spec = importlib.util.spec_from_file_location(
            "tests.text_quotations_test", talon / "tests/text_quotations_test.py"
        )
        tests = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tests)
        for name in [name for name in vars(tests) if name.startswith("test_") and name != "test_standard_replies"]:
            recorder.found.clear()
            try:
                vars(tests)[name]()
            except Exception:  # a test of the library's inner parts: there is no mail in it
                recorder.found.clear()
            for number, (text, expected) in enumerate(recorder.found, 1):
                yield _mail("talon", f"{name} {number}", text, expected)


class _Recorder:
    """Stands for `talon.quotations`: what is extracted is remembered until it is compared."""

    MAX_LINES_COUNT = 1000

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def extract_from_plain(self, text: str) -> types.SimpleNamespace:
        return types.SimpleNamespace(text=text)

    def equal(self, one: object, other: object, *_: object) -> None:
        asked, expected = (one, other) if isinstance(one, types.SimpleNamespace) else (other, one)
        if isinstance(asked, types.SimpleNamespace) and isinstance(expected, str):
            self.found.append((asked.text, expected))


def _libraries(folder: Path) -> dict[str, Callable[[str], str]]:
    from email_reply_parser import EmailReplyParser as Zapier
    from mailparser_reply import EmailReplyParser as MailParserReply
    from mailparser_reply.constants import MAIL_LANGUAGES

    sys.path.insert(0, str(folder / "talon"))
    from talon import quotations

    languages = [language for language in MAIL_LANGUAGES if language != "david"]
    return {
        "mail-parser-reply": lambda text: MailParserReply(languages=languages).parse_reply(text) or "",
        "email-reply-parser (Python)": Zapier.parse_reply,
        "talon": quotations.extract_from_plain,
    }


if __name__ == "__main__":
    main()
