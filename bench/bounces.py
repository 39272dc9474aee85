"""How many mails of public bounce sets are recognised as automatic, and how many of people's mails are mistaken for bounces.

    BOUNCES=folder python -m bench bounces

The sets are not part of this repository. BOUNCES holds checkouts under their repositories' names: `set-of-emails` (sisimai),
`Mail-DeliveryStatus-BounceParser` (rjbs), `bounce_email` (livebg), `flufl.bounce` (wRAR), `CwsMailBounceHandler` (crazy-max), and
for people's mail `datasets-spam-assassin` (stdlib-js). Without it the section in docs/benchmarks.md stays unchanged.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import page
from bench.figures import Figure, Result
from zrm.channels.email.config import EmailConfig
from zrm.channels.email.mailboxes import Mailboxes
from zrm.channels.email.parse import parse_mail
from zrm.contract.errors import Unparseable
from zrm.contract.inbound import RawContact
from zrm.kit.clock import now
from zrm.kit.ids import new_id
from zrm.normalizer.interpretation import Interpretation, Raw, read

TITLE: Final = "Bounces in public sets"
_METHOD: Final = (
    "Every mail as a mailbox fetched by IMAP holds it: no envelope. *Whole*: the mail as it is. *Header*: its header with nothing below. "
    "*Bare*: the header without its Return-Path, as behind relays that leave it out. *Known*: what the filing takes for a machine's, so that "
    "it is neither thanked nor reopens a case: a report about a delivery, or a mail with the label of a machine or of a list. *Thanked* "
    "would get an acknowledgement. Left out are what a set holds to try other things: spam, a person who passes a bounce on, a note."
)
_NOTE: Final = (
    "What is thanked, whole, has nothing of a machine about it: a challenge to prove that one is a person, and a notice under a subject "
    "that begins as an answer, from an ordinary address. Of people's mail every one that is taken for a machine's was read by a person, "
    "and is a mail server's or cron's. *By lists* counts people and machines alike: it is labelled as a list's or a newsletter's and not as "
    "a machine's."
)
_BOUNCES: Final = {
    "set-of-emails": "maildir/[bdme][soar][dscr]/*",
    "Mail-DeliveryStatus-BounceParser": "t/corpus/*",
    "bounce_email": "test/bounces/*",
    "flufl.bounce": "flufl/bounce/tests/data/*.txt",
    "CwsMailBounceHandler": "tests/emls/*.eml",
}
_PEOPLE: Final = {"datasets-spam-assassin": "data/easy-ham-[12]/*.txt"}
_NOT_BOUNCES: Final = frozenset(
    {
        "lhost-sendmail-14.eml", "make-test-36.eml", "unknown_007.eml", "spam-bogus-email-in-report.msg",
        "spam-lots-of-bogus-addresses.msg", "spam-with-badly-parsed-email.msg", "spam-with-image.msg",
    }
)  # fmt: skip
# Recognised as automatic, and rightly so as a person judged: beginnings of the file names.
_MACHINES: Final = (
    "01436.dc449",
    "01507.e06cf",
    "01542.ed72b",
    "01303.80dd1",
    "01304.af5f3",
    "01311.b6a06",
    "01329.b7243",
)
_BOXES: Final = Mailboxes(EmailConfig.model_validate({"mailboxes": {"info": {"address": "info@zrm.example"}}}))
_HEADER: Final = re.compile(rb"\r?\n\r?\n|\r\r")
_RETURN_PATH: Final = re.compile(rb"(?:^|(?<=[\r\n]))return-path:[^\r\n]*(?:\r?\n|\r)", re.IGNORECASE)


@dataclass(slots=True)
class Score:
    """Mails of a set in one form: how many are recognised, how many would be acknowledged."""

    mails: int = 0
    known: int = 0
    thanked: int = 0


def measure(environment: Mapping[str, str], docs: Path) -> Result:
    """The table; the section of the docs unchanged if the sets are not given."""
    if not environment.get("BOUNCES"):
        return page.kept(docs / "benchmarks.md", TITLE)
    folder = Path(environment["BOUNCES"])
    scores = {name: score(_files(folder, name, pattern)) for name, pattern in _BOUNCES.items()}
    result = Result(TITLE, _METHOD)
    for name, dresses in scores.items():
        header = dresses["header"]
        share = header.known / max(1, header.mails)
        result.figures.append(
            Figure(
                f"{name} ({header.mails} mails): known by the header alone",
                f"{share:.1%}",
                target="≥ 97 %",
                met=share >= 0.97,
            )
        )
        result.figures.append(
            Figure(f"{name}: thanked", str(dresses["whole"].thanked), target="0", met=not dresses["whole"].thanked)
        )
    people = {name: _files(folder, name, pattern) for name, pattern in _PEOPLE.items()}
    for name, mails in people.items():
        kinds = [_kind(path.read_bytes()) for path in mails]
        wrong = sum(
            kind == "machine" and not path.name.startswith(_MACHINES) for kind, path in zip(kinds, mails, strict=True)
        )
        result.figures.append(
            Figure(
                f"{name} ({len(mails)} mails, {kinds.count('list')} by lists): people taken for machines",
                f"{wrong} ({wrong / max(1, len(mails)):.1%})",
                target="0",
                met=wrong == 0,
            )
        )
    result.notes += [_table(scores), _NOTE, _commits(folder, [*_BOUNCES, *_PEOPLE])]
    return result


def score(paths: Sequence[Path]) -> dict[str, Score]:
    """By form: whole, header, bare."""
    found = {dress: Score() for dress in ("whole", "header", "bare")}
    for path in paths:
        mail = path.read_bytes()
        header = _header(mail)
        for dress, content in {"whole": mail, "header": header, "bare": _RETURN_PATH.sub(b"", header)}.items():
            kind = _kind(content)
            found[dress].mails += 1
            found[dress].known += kind in ("machine", "list")
            found[dress].thanked += kind == "thanked"
    return found


def _header(mail: bytes) -> bytes:
    mail = mail.lstrip(b"\r\n")
    end = _HEADER.search(mail)
    return mail[: end.end()] if end is not None else mail


def _kind(mail: bytes) -> str:
    """What filing makes of it: `machine`, `list`, `thanked`, or `silent` for a person who cannot be answered."""
    contact = RawContact("email", "info", "", mail, "message/rfc822", {"rcpt_tos": ["info@zrm.example"]})
    try:
        found = read(Raw(new_id(), now(), contact, ""), lambda raw: [parse_mail(raw, _BOXES)], region="IR")
    except Unparseable:
        return "silent"
    if not isinstance(found, Interpretation):
        return "machine" if isinstance(found, list) else "thanked"
    if found.labels & {"robot", "bounce"}:
        return "machine"
    if found.robot:
        return "list"
    return "thanked" if found.addresses else "silent"


def _files(folder: Path, name: str, pattern: str) -> list[Path]:
    return [path for path in sorted((folder / name).glob(pattern)) if path.is_file() and path.name not in _NOT_BOUNCES]


def _table(scores: Mapping[str, Mapping[str, Score]]) -> str:
    lines = [
        "| set | mails | known, whole | thanked | known, header | thanked | known, bare | thanked |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, dresses in scores.items():
        cells = [name, str(dresses["whole"].mails)]
        for one in dresses.values():
            cells += [str(one.known), str(one.thanked)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _commits(folder: Path, names: Sequence[str]) -> str:
    """The measured commit of each repository."""
    known = []
    for name in names:
        command = ["git", "-C", str(folder / name), "log", "-1", "--format=%h of %cs"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        known.append(f"{name} {done.stdout.strip() or 'at an unknown commit'}")
    return "Measured: " + ", ".join(known) + "."
