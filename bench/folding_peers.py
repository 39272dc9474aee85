"""The results of other libraries on their own published fixtures, as JSON on standard output.

Runs under the Python in which they are installed, without anything of ZRM: `python folding_peers.py FIXTURES NODE_MODULES`,
as `bench/folding.py` describes both. Tests of talon that
hold their mails in code are run with a recorder in place of the library; it notes the inputs and the expected results.
"""

from __future__ import annotations

import email
import importlib
import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

FILES = {
    "email_reply_parser": "test/emails/*.txt",
    "email-reply-parser": "test/emails/*.txt",
    "email-reply-parser-js": "test/fixtures/*.txt",
    "mail-parser-reply": "test/emails/*.txt",
}
PATIENCE = 5
"""Seconds a library has for one mail."""

_HTML_REPLY = "Hi. I am fine. Thanks, Alex"  # the expected text of talon's HTML fixtures
_JAVASCRIPT = """
import("email-reply-parser").then(module => {
  let given = "";
  process.stdin.on("data", piece => given += piece);
  process.stdin.on("end", () => process.stdout.write(new module.default().read(given).getVisibleText()));
});
"""


@dataclass
class Fixture:
    """A mail; `expected` if its own test states the full result; `visible` by library, None if it took too long."""

    fixtures: str
    name: str
    text: str
    html: str = ""
    expected: str | None = None
    visible: dict[str, str | None] = field(default_factory=dict)


def main() -> None:
    """Write the fixtures with the text that each library leaves visible."""
    folder, modules = Path(sys.argv[1]), sys.argv[2]
    libraries = _libraries(folder)
    mails = [*_files(folder), *_standard_replies(folder / "talon"), *_recorded(folder / "talon")]
    for one in mails:
        for name, library in libraries.items():
            one.visible[name] = _in_time(library, one.text)
        one.visible["email-reply-parser (JavaScript)"] = _javascript(one.text, modules)
    pages = list(_pages(folder / "talon"))
    json.dump([asdict(one) for one in (*mails, *pages)], sys.stdout)


def _in_time(library: Callable[[str], str], text: str) -> str | None:
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


def _libraries(folder: Path) -> dict[str, Callable[[str], str]]:
    reply = importlib.import_module("mailparser_reply")
    languages = list(importlib.import_module("mailparser_reply.constants").MAIL_LANGUAGES)
    zapier = importlib.import_module("email_reply_parser").EmailReplyParser
    return {
        "mail-parser-reply": lambda text: reply.EmailReplyParser(languages=languages).parse_reply(text) or "",
        "email-reply-parser (Python)": zapier.parse_reply,
        "talon": _talon(folder).quotations.extract_from_plain,
    }


def _talon(folder: Path) -> Any:
    if str(folder / "talon") not in sys.path:
        sys.path.insert(0, str(folder / "talon"))
    return importlib.import_module("talon")


def _files(folder: Path) -> Iterator[Fixture]:
    for fixtures, pattern in FILES.items():
        for path in sorted((folder / fixtures).glob(pattern)):
            yield Fixture(fixtures, path.stem, path.read_text(encoding="utf-8").replace("\r\n", "\n"))


def _standard_replies(talon: Path) -> Iterator[Fixture]:
    for path in sorted((talon / "tests/fixtures/standard_replies").glob("*.eml")):
        message = email.message_from_bytes(path.read_bytes())
        part: Any = next(part for part in message.walk() if part.get_content_type() == "text/plain")
        text = part.get_payload(decode=True).decode(part.get_content_charset() or "utf-8").replace("\r\n", "\n")
        reply = path.with_name(path.stem + "_reply_text")
        yield Fixture("talon", path.stem, text, expected=reply.read_text() if reply.exists() else "Hello")


def _pages(talon: Path) -> Iterator[Fixture]:
    library = _talon(talon.parent)
    library.init()
    to_text = importlib.import_module("talon.utils").html_to_text
    for path in sorted((talon / "tests/fixtures/html_replies").glob("*.html")):
        html = path.read_text(encoding="utf-8")
        visible = to_text(library.quotations.extract_from_html(html)) or ""
        text = visible.decode() if isinstance(visible, bytes) else visible
        yield Fixture("talon, HTML", path.stem, "", html, _HTML_REPLY, {"talon": text})


class _Asked:
    """A text that a test gave to the library."""

    def __init__(self, text: str) -> None:
        self.text = text


class _Recorder:
    """Replaces `talon.quotations`: remembers the extracted text until the test compares it."""

    MAX_LINES_COUNT = 1000

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self.extract_from_plain = _Asked

    def equal(self, one: object, other: object, *_: object) -> None:
        asked, expected = (one, other) if isinstance(one, _Asked) else (other, one)
        if isinstance(asked, _Asked) and isinstance(expected, str):
            self.found.append((asked.text, expected))


def _recorded(talon: Path) -> Iterator[Fixture]:
    """The mails and expected results of talon's plain-text tests, except the one about its line limit."""
    recorder = _Recorder()
    names = ("nose", "nose.tools", "mock", "talon", "tests", "tests.fixtures")
    stubs: dict[str, Any] = {name: ModuleType(name) for name in names}
    stubs["talon"].quotations = recorder
    stubs["tests"].__path__ = [str(talon / "tests")]
    vars(stubs["tests"]).update(eq_=recorder.equal, ok_=print, patch=mock.patch, Mock=mock.Mock)
    stubs["tests.fixtures"].STANDARD_REPLIES = ""
    path = talon / "tests/text_quotations_test.py"
    with mock.patch.dict(sys.modules, stubs):
        spec: Any = importlib.util.spec_from_file_location("tests.text_quotations_test", path)
        tests = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tests)
        for name in [name for name in vars(tests) if name.startswith("test_") and "too_many" not in name]:
            recorder.found.clear()
            try:
                vars(tests)[name]()
            except (AttributeError, TypeError):  # a test of the library's internals, without a mail
                continue
            for number, (text, expected) in enumerate(recorder.found, 1):
                yield Fixture("talon", f"{name} {number}", text, expected=expected)


if __name__ == "__main__":
    main()
