"""The mailboxes of an address field, as people and programs really write them.

RFC 5322 where the field follows it; where it does not, what its writer evidently meant:

* An address is a run of characters without a blank that stands in the field, after its encoded words are decoded and
  direction marks removed. Nothing is joined across a blank: an address that is not in the field is never returned.
* Text in angle brackets counts before everything else in its piece, and a bare address beside it is part of the name. A
  bracket may be missing on either side, doubled, or opened twice.
* Pieces end at `,` and `;`, also the Persian ones. A piece without an address belongs to the name of the next mailbox:
  `Doe, John <j@example.org>` is one.
* Only a field without an address is read again with its encoded words decoded, then with its quotes and at last with its
  comments opened.

Every step is one pass over the field: headers are hostile input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from zrm.channels.email.encoded_words import decode_words

_LONGEST: Final = 65_536
_LONGEST_ADDRESS: Final = 320
# As most programs write it; everything else is read character by character.
_USUAL: Final = re.compile(
    r"(?:\"([^\"\\<>@=()']{1,100})\" ?|([A-Za-z][A-Za-z0-9 .-]{0,100}) )?<([A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})>"
)
_OUTSIDE: Final = re.compile(r"[<>]|[,;،؛]|\s+|[^<>,;،؛\s]+")
_SEPARATORS: Final = ",;،؛"
_LABEL: Final = r"[^\s\x00-,./:-@\[-^`{-\x7f«»‹›“”‘’„،؛؟]+"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[^\[\]\s]+\]")
_AFTER_DOMAIN: Final = re.compile(r"\.?(?:[^\w.@-].*)?", re.DOTALL)
_LOCAL: Final = re.compile(r"[^\s<>,;:\"()@\\\[\]«»“”،؛]+\Z")
_QUOTED_LOCAL: Final = re.compile(r'"[^\s"\\<>]+"')
_ENCODED: Final = re.compile(r"=\?[^?\s]*\?[bBqQ]\?[^?]*\?=")
_BEGUN: Final = re.compile(r"=\?[^?\s]*\?[bBqQ]\?")
_GLUE: Final = re.compile(r"[/|:]")
_QUOTES: Final = "'\"`«»‹›“”‘’„"
# Direction marks, and characters without width that come along when an address is copied.
_MARKS: Final = dict.fromkeys(
    map(ord, "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u2060\ufeff\u00ad")
)
# A joiner is part of a word of a joining script only; elsewhere it was copied along like the marks.
_STRAY_JOINER: Final = re.compile(r"(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])")
_WIDE: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0xFE6B: ord("@"), 0x3002: ord(".")}

_WIDE_BRACKETS: Final = {0xFF1C: ord("<"), 0xFF1E: ord(">")}


def addresses(value: str) -> list[tuple[str, str]]:
    """`(display name, address)` of each mailbox of an address field, in order; groups are opened, invalid text is
    skipped.
    """
    return list(_read(value))


@lru_cache(maxsize=16)  # the few fields of a mail are parsed again and again
def _read(value: str) -> tuple[tuple[str, str], ...]:
    if (usual := _USUAL.fullmatch(value)) is not None:
        name = " ".join((usual[1] or usual[2] or "").split())
        return ((_without_itself(name, usual[3]), usual[3]),)
    text = _narrow(value[:_LONGEST])
    return next((tuple(found) for reading in _readings(text) if (found := _mailboxes(reading))), ())


def _readings(text: str) -> Iterator[str]:
    """The field as it is, then decoded, then without quotes and comments; no variant is read twice."""
    yield text
    for opened in ("", '"', "()"):
        before, text = text, (text if opened else _narrow(_decoded(text)))
        text = text.translate(dict.fromkeys(map(ord, opened), " "))
        if text != before:
            yield text


def _decoded(text: str) -> str:
    """The text with its encoded words decoded once: one that results from another stays as it is."""
    text = decode_words(text)
    return text.replace("=?", "= ?") if _BEGUN.search(text) else text


def _narrow(text: str) -> str:
    """The text with full-width brackets as plain ones, and all of it normalised where even its @ is full-width."""
    return text.translate(_WIDE_BRACKETS if "@" in text else _WIDE)


def is_address(text: str) -> bool:
    """Whether a text can be an address at all: a local part, one @, a domain, and no blanks or controls."""
    local, _, domain = text.rpartition("@")
    return (
        len(text) <= _LONGEST_ADDRESS
        and re.sub(r"[\u200c\u200d]", "", text).isprintable()
        and (_LOCAL.match(local) is not None or _QUOTED_LOCAL.fullmatch(local) is not None)
        and _DOMAIN.fullmatch(domain) is not None
    )


# ---------------------------------------------------------------- tokens


@dataclass(frozen=True, slots=True)
class _FieldToken:
    """A part of a field: `kind` is quoted, comment, blank, word, gap, rest, or the sign itself (a bracket or a
    separator).

    A gap is an angle bracket without an address: nothing is joined across it. A rest begins with the end of an encoded
    word that is cut by a blank or a separator, against the rule.
    """

    kind: str
    text: str


_GAP: Final = _FieldToken("gap", " ")


def _tokens(value: str) -> Iterator[_FieldToken]:
    at = 0
    for start, end in _enclosed(value):
        yield from _outside(value[at:start])
        if value[start] == '"':
            # Programs escape these two; before any other character a backslash is an ordinary one.
            yield _FieldToken("quoted", re.sub(r'\\(["\\])', r"\1", value[start + 1 : end - 1]))
        else:
            yield _FieldToken("comment", value[start + 1 : end - 1])
        at = end
    yield from _outside(value[at:])


def _outside(text: str) -> Iterator[_FieldToken]:
    for match in _OUTSIDE.finditer(text):
        sign = match[0]
        if sign in "<>" or sign in _SEPARATORS:
            yield _FieldToken(sign, sign)
        else:
            yield _FieldToken("blank" if sign.isspace() else "word", sign)


def _enclosed(value: str) -> list[tuple[int, int]]:
    """The positions of quoted strings and outermost comments; an unclosed sign is an ordinary letter."""
    quotes = [match.start() for match in re.finditer(r'\\.|"', value) if match[0] == '"']
    spans = [(start, end + 1) for start, end in zip(quotes[::2], quotes[1::2], strict=False)]
    quoted = iter([*spans, (len(value), len(value))])
    start, end = next(quoted)
    opened: list[int] = []
    comments: list[tuple[int, int]] = []
    for match in re.finditer(r"\\.|[()]", value):
        while match.start() >= end and start < len(value):
            start, end = next(quoted)
        if start <= match.start() < end or match[0] not in "()":
            continue
        if match[0] == "(":
            opened.append(match.start())
        elif opened:
            begin = opened.pop()
            while comments and comments[-1][0] > begin:
                comments.pop()  # inside this one
            comments.append((begin, match.end()))
    if not comments:
        return spans
    return _outermost(sorted([*spans, *comments]))


def _outermost(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept


# ---------------------------------------------------------------- mailboxes


@dataclass(slots=True)
class _Piece:
    """What has been read since the last separator, and the name left over from earlier pieces."""

    left_over: list[_FieldToken] = field(default_factory=list)
    words: list[_FieldToken] = field(default_factory=list)
    inside: list[_FieldToken] | None = None  # the content of an open bracket so far
    found: list[tuple[str, str]] = field(default_factory=list)


def _mailboxes(value: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if "@" not in value:
        return found
    piece = _Piece()
    group = ";" in value
    cut = _BEGUN.search(value) is not None
    for token in (*_tokens(value), _FieldToken(";", "")):
        if cut and token.kind == "word" and "?=" in _ENCODED.sub("", token.text):
            token = _FieldToken("rest", token.text)  # one word with what is before it, in the decoded field
        if token.kind == "<":
            _close(piece)
            piece.inside = []
        elif token.kind == ">":
            _close(piece)
            piece.words.append(_GAP)
        elif token.kind in _SEPARATORS:
            _close(piece)
            if mailboxes := _end(piece):
                found += mailboxes
                piece.left_over.clear()
            elif token.kind == ";":
                piece.left_over.clear()
            else:
                piece.left_over += [*piece.words, token]
            piece = _Piece(left_over=piece.left_over)
        elif piece.inside is not None:
            piece.inside.append(token)
        elif group and token.kind == "word" and token.text.endswith(":"):  # the group's name ends
            piece = _Piece()
        else:
            piece.words.append(token)
    return found


def _close(piece: _Piece) -> None:
    """A bracket ends: its content is the address, or else part of the name."""
    inside, piece.inside = piece.inside, None
    if inside is None:
        return
    written = [address for found in _addresses_of(inside) for address in found]
    for address in written:
        name = "" if piece.found else _name([*piece.left_over, *piece.words])
        piece.found.append((_without_itself(name, address), address))
    if written:
        piece.words.clear()
    else:
        piece.words += [_GAP, *inside]


def _end(piece: _Piece) -> list[tuple[str, str]]:
    """The mailboxes of a finished piece."""
    if not piece.found:
        return _bare_mailboxes(piece)
    after = _bare_mailboxes(_Piece(words=piece.words))
    (name, address), *others = piece.found
    if not name and not after:
        name = _without_itself(_name(piece.words), address)
    return list(dict.fromkeys([(name, address), *others, *after]))


def _bare_mailboxes(piece: _Piece) -> list[tuple[str, str]]:
    """The addresses without brackets; the text around the first one is its name."""
    written = _addresses_of(piece.words)
    found = list(dict.fromkeys(address for one in written for address in one))
    if not found:
        return []
    others = [token for token, one in zip(piece.words, written, strict=True) if not (one or token.text.startswith("@"))]
    name = _name([*piece.left_over, *(token for token in others if token.kind != "comment")])
    comment = next((token.text for token in others if token.kind == "comment"), "")
    name = name or " ".join(decode_words(comment).split())
    return [(_without_itself(name, found[0]), found[0]), *(("", address) for address in found[1:])]


def _addresses_of(tokens: list[_FieldToken]) -> list[list[str]]:
    """The addresses in each token. A quoted one counts where no word has one."""
    found: list[list[str]] = []
    before = _FieldToken("blank", "")
    for place, token in enumerate(tokens):
        if token.kind != "word" or ("=?" in token.text and _goes_on(tokens, place)):
            found.append([])
        elif token.text.startswith("@") and before.kind == "quoted":
            found[-1] = _addresses_in(f'"{before.text}"{token.text}')
            found.append([])
        else:
            found.append(_addresses_in(token.text))
        before = token
    if not any(found):
        bare = (token.kind == "quoted" and len(token.text.split()) == 1 for token in tokens)
        found = [_addresses_in(token.text) if alone else [] for token, alone in zip(tokens, bare, strict=True)]
    return found


def _goes_on(tokens: list[_FieldToken], place: int) -> bool:
    """Whether a word and its neighbour are one after decoding: the blank between two encoded words does not count."""

    def touch(first: int) -> bool:
        beside = tokens[first : first + 3]
        return (
            [token.kind for token in beside] == ["word", "blank", "word"]
            and beside[0].text.endswith("?=")
            and beside[2].text.startswith("=?")
        )

    return touch(place) or (place > 1 and touch(place - 2))


def _addresses_in(word: str) -> list[str]:
    if "=?" in word and "@" in _ENCODED.sub("", word):
        word = decode_words(word)
    elif "=?" in word and "@" in word:
        return []  # the whole field has to be decoded: its neighbour may be the other half of it
    if _BEGUN.search(word):
        # an encoded word with a blank or separator in it, against the rule: one word only in the decoded field
        return []
    parts = _GLUE.split(word) if word.count("@") > 1 else [word]
    return [address for part in parts if (address := _address_in(part))]


def _address_in(word: str) -> str:
    """The address in a word, without what surrounds it (`mailto:`, quotes, a full stop); "" if there is none."""
    word = _STRAY_JOINER.sub("", word.translate(_MARKS))
    if word.count("@") != 1 or len(word) > 2 * _LONGEST_ADDRESS:
        return ""
    before, _, after = word.partition("@")
    if _QUOTED_LOCAL.fullmatch(before) is None:
        tail = _LOCAL.search(before)
        before = tail[0].lstrip(f"{_QUOTES}.") if tail is not None else ""
    domain = _DOMAIN.match(after)
    if domain is None or _AFTER_DOMAIN.fullmatch(after, domain.end()) is None:
        return ""
    address = f"{before}@{domain[0]}"
    return address if is_address(address) else ""


def _name(tokens: list[_FieldToken]) -> str:
    written = "".join(f"({token.text})" if token.kind == "comment" else token.text for token in tokens)
    name = " ".join(decode_words(written).split()).strip(f'{_SEPARATORS}: "')
    return name[1:-1].strip() if len(name) >= 2 and name[0] == name[-1] == "'" else name


def _without_itself(name: str, address: str) -> str:
    """The name, unless it only repeats the address."""
    return "" if name.casefold() == address.casefold() else name
