"""What other libraries and ours fold of the libraries' own published fixtures.

    FIXTURES=folder LIBRARIES=folder python -m bench folding

Neither fixtures nor libraries are part of this repository. FIXTURES holds checkouts named `email_reply_parser` (github), `email-reply-parser`
(zapier), `email-reply-parser-js` (crisp-oss), `mail-parser-reply` (alfonsrv) and `talon` (mailgun). LIBRARIES holds a Python
environment `venv` with mail-parser-reply, email-reply-parser and what talon needs (lxml, regex, cssselect, chardet, six,
html5lib), and `node_modules` with email-reply-parser. Without them the section in docs/benchmarks.md stays unchanged.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final, Literal

from bench import folding_peers, page
from bench.figures import Figure, Result
from bench.folding_lines import FIRST_FIVE, LINES, numbers
from bench.folding_peers import Fixture
from zrm.channels.email.htmltext import words_of
from zrm.normalizer.quoted_text.split import split_quotation

TITLE: Final = "Folding quotations"
OURS: Final = "ZRM"
_METHOD: Final = (
    "The libraries' own published fixtures, each with what every one of them leaves visible. A person read who wrote which line "
    "(`bench/folding_lines.py`; most of talon's say so themselves): the writer, an earlier mail, or either (signatures, greetings at "
    "the end, lines of devices and lists, forwarded mails, and where nobody could tell), which counts for nobody. All mails are taken as "
    "answers, and no address as ours, because the libraries see neither. *Hidden* are words of the writer that are not visible: a "
    "complaint that nobody reads. *Left* are words of an earlier mail that stand visible below the writer's last one; *above* "
    "those that stand before it, which ZRM always shows, because only an end of a text is folded. *Right*: nothing hidden and "
    "nothing left."
)
_NOTE: Final = (
    "Where the others hide words of the writer, their own tests mostly let it pass: answers between and below quoted lines, a forwarded "
    "mail (mail-parser-reply), a sentence that begins with “Sent from my”, what stands below lines of dashes (the two "
    "email-reply-parsers). What ZRM leaves is left on purpose: quotations above a bare `--`, which is a signature only with its "
    "space (3 mails); above lines without any mark, which may be an answer (2); below “you wrote” without an address (1); and a "
    "quotation whose sender's name is a sentence (talon, 33 words). It is right at least as often as every other on every set but talon's."
)

_Class = Literal["own", "quoted", "either"]


@dataclass(slots=True)
class Score:
    """What a library did with a set of fixtures; mails and words."""

    mails: int = 0
    hiding: int = 0
    hidden: int = 0
    leaving: int = 0
    left: int = 0
    above: int = 0
    right: int = 0
    late: int = 0


def measure(environment: Mapping[str, str], docs: Path) -> Result:
    """The table; the section of the docs unchanged if the fixtures are not given."""
    if not environment.get("FIXTURES") or not environment.get("LIBRARIES"):
        return page.kept(docs / "benchmarks.md", TITLE)
    fixtures, libraries = Path(environment["FIXTURES"]), Path(environment["LIBRARIES"])
    scores = score(_ask(fixtures, libraries))
    result = Result(TITLE, _METHOD)
    sets = dict.fromkeys(name for name, _ in scores)
    for name in sets:
        ours = scores[name, OURS]
        others = {
            library: one for (fixture_set, library), one in scores.items() if fixture_set == name and library != OURS
        }
        best = max(others, key=lambda library: others[library].right)
        result.figures += [
            Figure(
                f"{name} ({ours.mails} mails): words of the writer hidden",
                str(ours.hidden),
                control=", ".join(f"{one.hidden}" for one in others.values()),
                target="0",
                met=ours.hidden == 0,
            ),
            Figure(
                f"{name}: right",
                f"{ours.right} of {ours.mails}",
                control=f"{others[best].right} ({best})",
                target="≥ the best other",
                met=ours.right >= others[best].right,
            ),
        ]
    result.notes += [_table(scores), _NOTE, _commits(fixtures, sets)]
    return result


def _ask(fixtures: Path, libraries: Path) -> list[Fixture]:
    command = [str(libraries / "venv/bin/python"), folding_peers.__file__, str(fixtures), str(libraries)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [Fixture(**one) for one in json.loads(done.stdout)]


def score(mails: Sequence[Fixture]) -> dict[tuple[str, str], Score]:
    """By set of fixtures and library."""
    scores: dict[tuple[str, str], Score] = {}
    for one in mails:
        text = words_of(one.html) if one.html else one.text
        words = list(_classified(one, text))
        if not words:
            continue
        for library, visible in {OURS: split_quotation(text).new, **one.visible}.items():
            _count(
                scores.setdefault((one.fixtures, library), Score()), text, words, text if visible is None else visible
            )
            scores[one.fixtures, library].late += visible is None
    return scores


def _classified(one: Fixture, text: str) -> Iterator[tuple[_Class, str]]:
    """The words of a mail in order, each with its author (`own`, `either`, `quoted`); empty if the fixture is left out."""
    lines = LINES.get(one.fixtures, {})
    if one.expected is not None and one.name not in lines:
        body = text.split()
        shown = _seen(text, one.expected)
        last = max((place for place, own in enumerate(shown) if own), default=-1)
        for place, word in enumerate(body):
            joined = place == last + 1 and "---" in word  # a word followed by the dashes of the attribution
            yield "own" if shown[place] else "either" if joined else "quoted", word
        return
    ranges = lines.get(one.name, FIRST_FIVE)
    if ranges is None:
        return
    own, either = map(numbers, ranges)
    for number, line in enumerate(text.split("\n"), 1):
        for word in line.split():
            yield "own" if number in own else "either" if number in either else "quoted", word


def _count(found: Score, text: str, words: Sequence[tuple[_Class, str]], visible: str) -> None:
    shown = _seen(text, visible)
    last = max((place for place, (whose, _) in enumerate(words) if whose == "own"), default=-1)
    hidden = sum(whose == "own" and not seen for (whose, _), seen in zip(words, shown, strict=True))
    quoted = [place for place, (whose, _) in enumerate(words) if whose == "quoted" and shown[place]]
    left = sum(place > last for place in quoted)
    found.mails += 1
    found.hiding += hidden > 0
    found.hidden += hidden
    found.leaving += left > 0
    found.left += left
    found.above += len(quoted) - left
    found.right += not hidden and not left


def _seen(text: str, visible: str) -> list[bool]:
    """Which words of a text are visible: compared by whole lines where possible, else word by word."""
    lines = [line.split() for line in text.split("\n")]
    at, seen = 0, set()
    for line in filter(None, (one.split() for one in visible.split("\n"))):
        while at < len(lines) and lines[at] != line:
            at += 1
        if at == len(lines):
            return _shown(text.split(), visible.split())
        seen.add(at)
        at += 1
    return [number in seen for number, line in enumerate(lines) for _ in line]


def _shown(body: Sequence[str], visible: Sequence[str]) -> list[bool]:
    """Which words of a body are visible, each matched as early as possible."""
    places: list[int] = []
    at = 0
    for word in visible:
        while at < len(body) and body[at] != word:
            at += 1
        if at == len(body):  # the library changed words: the longest common pieces count
            blocks = SequenceMatcher(None, body, visible, autojunk=False).get_matching_blocks()
            places = [place for block in blocks for place in range(block.a, block.a + block.size)]
            break
        places.append(at)
        at += 1
    seen = set(places)
    return [place in seen for place in range(len(body))]


def _table(scores: Mapping[tuple[str, str], Score]) -> str:
    lines = [
        "| fixtures of | library | mails | hiding | words hidden | leaving | words left | words above | right | too slow |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (name, library), one in scores.items():
        cells: list[Any] = [
            name,
            library,
            one.mails,
            one.hiding,
            one.hidden,
            one.leaving,
            one.left,
            one.above,
            one.right,
            one.late,
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _commits(fixtures: Path, sets: Mapping[str, None]) -> str:
    """The measured commit of each repository."""
    known = []
    for name in dict.fromkeys(one.partition(",")[0] for one in sets):
        command = ["git", "-C", str(fixtures / name), "log", "-1", "--format=%h of %cs"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        known.append(f"{name} {done.stdout.strip() or 'at an unknown commit'}")
    return "Measured: " + ", ".join(known) + "."
