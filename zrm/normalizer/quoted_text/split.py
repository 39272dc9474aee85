"""Separates what a person wrote this time from what their mail program repeated below it.

A hidden complaint is far worse than a visible quotation, so a text counts as new when in doubt:

* Only a mail that can answer something is folded at all (`answer_signs`): a first contact and a forwarded mail are
  shown whole.
* Only an end of the text is folded. Text below or between quoted lines stays visible, and so does the quotation above
  it. The two parts put together are always the whole text, and if no new part would be left, nothing is folded.
* Lines marked with `>` are a quotation, together with the line above them that names writer and date (`attribution`),
  in any language; but not below any other line that ends in a colon: that is the writer's own list, or a third party
  they quote.
* Without marks the end of a quotation cannot be seen, so it takes more: a date and an address in the attribution, a
  mail's header lines with an address (`header_block`) or a program's "Original Message". The quotation stays visible
  when the writer points to it (a colon at the end, a salutation alone, "my answers below").
* A quotation that names a writer other than us stays visible: it is a third party's mail that the desk may never have
  seen. So does everything below a mail that is forwarded or pasted in.
* Below a quotation follow a program's own lines (`footer`): the device's, a scanner's, a list's, a notice of
  confidentiality.
* A signature follows `-- ` with its space and looks like one; `--`, `—` or sentences are the writer's.

The scan passes over the lines once forwards and once backwards: its cost is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from zrm.kit.text import fold
from zrm.normalizer.quoted_text.attribution import Attribution, find_attribution, find_shared_line
from zrm.normalizer.quoted_text.footer import is_list_footer, is_notice
from zrm.normalizer.quoted_text.header_block import BlockKind, HeaderBlock, find_header_block, is_forward_line
from zrm.normalizer.quoted_text.lines import LONGEST, LineKind, TextLines, scan
from zrm.normalizer.quoted_text.vocabulary import ANSWERS_BELOW, OF_SENTENCES

_SIGNATURE_LINES: Final = 12
_NOTICE_LINES: Final = 20
_ATTRIBUTION_LINES: Final = 5
_LONGEST_SALUTATION: Final = 60
_CONTACT_DATA: Final = re.compile(r"@|://|www\.|\d(?:[ ()./-]{0,2}\d){6}")
_SENTENCE_END: Final = ".!?؟。！？…"
_NOT_LETTERS: Final = "*_|/()[]<>,;.!?-–—·•&+0123456789۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩،؛"
_NAME_WORDS: Final = 8
_NAME_WORDS_WITHOUT_CAPITALS: Final = 4


@dataclass(frozen=True, slots=True)
class SplitText:
    """The new part of a text and the repeated one; `new + quoted` is the text."""

    new: str
    quoted: str = ""


def split_quotation(text: str, ours: Collection[str] = ()) -> SplitText:
    """What is new in the text of an answer, and the quotation or signature at its end.

    `ours`: our own addresses, lower case, without what follows a plus sign. If empty, every writer's quotation counts.
    """
    lines = scan(text)
    return _Splitting(lines, frozenset(ours)).split(text)


def without_signature(text: str) -> str:
    """The text without the signature and the device's line at its end."""
    lines = scan(text)
    return text[: _offset(lines, _Splitting(lines, frozenset()).above_signature(len(lines)), text)]


def _offset(lines: TextLines, index: int, text: str) -> int:
    return lines.starts[index] if index < len(lines) else len(text)


class _Splitting:
    """One text being split."""

    def __init__(self, lines: TextLines, ours: frozenset[str]) -> None:
        self._lines = lines
        self._ours = ours

    def split(self, text: str) -> SplitText:
        """See `split_quotation`."""
        end = self._unmarked_quotation()
        if end is None or (end < len(self._lines) and self._is_pointed_to(end)):
            return SplitText(text)
        if LineKind.TEXT not in self._lines.kinds[:end]:
            end = len(self._lines)  # it begins with a third party's mail: all of it is shown
        cut = self._above_tail(end)
        if shared := self._shared_line(cut, text):
            return SplitText(text[:shared], text[shared:])
        while cut < len(self._lines) and self._lines.kinds[cut] is LineKind.BLANK:
            cut += 1  # an empty line before the quotation is the writer's own
        if LineKind.TEXT not in self._lines.kinds[:cut]:
            return SplitText(text)
        place = _offset(self._lines, cut, text)
        return SplitText(text[:place], text[place:])

    def _shared_line(self, cut: int, text: str) -> int:
        """The offset of an attribution that begins within the writer's last line, above marked lines; 0 if there is
        none.
        """
        lines = self._lines
        last = self._above_blank(cut) - 1
        if last < 0 or not lines.is_quoted_after(last + 1) or lines.kinds[last] is not LineKind.TEXT:
            return 0
        line = text[lines.starts[last] : lines.starts[last + 1] - 1]
        found = find_shared_line(line.rstrip()) if len(line) <= LONGEST else None
        return lines.starts[last] + found[0] if found is not None and self._is_ours(found[1]) else 0

    # ------------------------------------------------------------------ forwards: quotations without marks

    def _unmarked_quotation(self) -> int | None:
        """The line from which on everything is repeated, as a program said; None if the rest must stay visible."""
        lines = self._lines
        for index, (kind, bare) in enumerate(zip(lines.kinds, lines.bare, strict=True)):
            if kind is not LineKind.TEXT or not bare:
                continue
            block = find_header_block(lines, index)
            if block is not None:
                return index if block.kind is BlockKind.ANSWERED and self._repeats_ours(block) else None
            found = find_attribution(lines, index)
            if found is None or lines.is_quoted_after(index + found.lines) or not self._says_more(index + found.lines):
                continue
            if found.dated and found.closed and (found.addresses or found.ruled):
                return index if not found.addresses or self._is_ours(found.addresses) else None
        return len(lines)

    def _says_more(self, index: int) -> bool:
        return any(kind is not LineKind.BLANK for kind in self._lines.kinds[index : index + _NOTICE_LINES])

    def _repeats_ours(self, block: HeaderBlock) -> bool:
        """Whether the block's mail is one of ours, as far as it says; a mail sent to us may be the writer's own."""
        if block.writers or not self._ours:
            return self._is_ours(block.writers)
        return block.ruled and not any(map(self._is_our_own, block.recipients))

    def _is_ours(self, addresses: Collection[str]) -> bool:
        return not self._ours or any(self._is_our_own(address) for address in addresses)

    def _is_our_own(self, address: str) -> bool:
        local, _, domain = address.partition("@")
        return f"{local.partition('+')[0]}@{domain}" in self._ours

    def _is_pointed_to(self, end: int) -> bool:
        """Whether the writer says that text of theirs stands in or below what follows line `end`."""
        written = [index for index in range(end) if self._lines.kinds[index] is LineKind.TEXT]
        if not written:
            return False
        last = self._lines.bare[written[-1]]
        if last.endswith((":", "：")):
            return True
        if len(written) == 1 and len(last) <= _LONGEST_SALUTATION and last.endswith((",", "،", "，")):
            return True
        return any(
            any(phrase in key for phrase in ANSWERS_BELOW)
            for index in written[:3] + written[-3:]
            for key in [fold(self._lines.bare[index])]
        )

    # ------------------------------------------------------------------ backwards: marked quotations and footers

    def _above_tail(self, end: int) -> int:
        """Go up from line `end` over quotations, their attributions, footers and signatures; where the new part ends."""
        cut = end
        while True:
            above = self._above_quotation(self._above_footers(cut))
            if above == cut:
                return cut
            cut = above

    def _above_footers(self, cut: int) -> int:
        """Go above signatures and footers; above lines of mailing lists and legal notices only if a quotation stands
        above those.
        """
        signed = at = self.above_signature(cut)
        while (above := self._above_notice(at)) != at:
            at = self.above_signature(above)
        bottom = self._above_blank(at)
        return at if bottom > 0 and self._lines.kinds[bottom - 1] is LineKind.QUOTED else signed

    def above_signature(self, cut: int) -> int:
        """Above the device's or scanner's lines and the signature that end at line `cut`."""
        lines = self._lines
        while True:
            at = self._above_blank(cut)
            if at > 0 and lines.kinds[at - 1] in (LineKind.FOOTER, LineKind.SIGNATURE):
                cut = at - 1
                continue
            for index in range(at - 1, max(-1, at - 1 - _SIGNATURE_LINES), -1):
                if lines.kinds[index] is LineKind.SIGNATURE:
                    return index
                if (
                    lines.kinds[index] is LineKind.QUOTED
                    or index in lines.long
                    or not _is_signature_line(lines.bare[index])
                ):
                    break
            return cut

    def _above_notice(self, cut: int) -> int:
        """Above the paragraph that ends at line `cut`, if it is a mailing list's or a legal notice."""
        lines = self._lines
        bottom = start = self._above_blank(cut)
        while start > max(0, bottom - _NOTICE_LINES) and lines.kinds[start - 1] is LineKind.TEXT:
            start -= 1
        paragraph = [lines.bare[index] or lines.long.get(index, "") for index in range(start, bottom)]
        return start if paragraph and (is_notice(" ".join(paragraph)) or is_list_footer(paragraph)) else cut

    def _above_quotation(self, cut: int) -> int:
        """Above the marked lines that end at line `cut`, and the attribution above them; `cut` if they must stay
        visible.
        """
        lines = self._lines
        at = self._above_blank(cut)
        if at == 0 or lines.kinds[at - 1] is not LineKind.QUOTED:
            return cut
        while at > 0 and lines.kinds[at - 1] in (LineKind.BLANK, LineKind.QUOTED):
            at -= 1
        while lines.kinds[at] is LineKind.BLANK:
            at += 1
        if is_forward_line(lines.bare[at].lstrip("> ")):
            return cut
        start = self._above_attribution(at)
        if start is None or (start == at and (self._begins_with_foreign(at) or self._is_announced(at))):
            return cut
        return start

    def _is_announced(self, at: int) -> bool:
        """Whether marked lines follow a line of the writer's that ends in a colon: a list, or a quotation of a third
        party.
        """
        above = self._above_blank(at) - 1
        if above < 0 or self._lines.kinds[above] is not LineKind.TEXT:
            return False
        bare = self._lines.bare[above]
        return bare.endswith((":", "：")) and find_shared_line(bare) is None

    def _begins_with_foreign(self, at: int) -> bool:
        """Whether marked lines begin with an attribution, as Apple's programs write it, to a writer other than us."""
        marked = scan("\n".join(bare[1:] for bare in self._lines.bare[at : at + _ATTRIBUTION_LINES]))
        found = find_attribution(marked, 0)
        return found is not None and bool(found.addresses) and not self._is_ours(found.addresses)

    def _above_attribution(self, at: int) -> int | None:
        """Above the attribution that ends at line `at`, or `at` if there is none; None if it names a mail that is not
        ours.
        """
        bottom = self._above_blank(at)
        best: tuple[int, Attribution] | None = None
        for length in range(1, min(_ATTRIBUTION_LINES, bottom) + 1):
            start = bottom - length
            found = find_attribution(self._lines, start)
            if found is None or found.lines != length:
                continue
            best = start, found
            # Without a date, or below a comma, it may be the end of one that begins in the lines above.
            if found.dated and not (start and self._lines.bare[start - 1].endswith(",")):
                break
        if best is None:
            return at
        start, found = best
        return start if not found.addresses or self._is_ours(found.addresses) else None

    def _above_blank(self, index: int) -> int:
        while index > 0 and self._lines.kinds[index - 1] is LineKind.BLANK:
            index -= 1
        return index


def _is_signature_line(bare: str) -> bool:
    """Whether a line can stand in a signature: contact data, or a name or office in few words; no sentence."""
    if _CONTACT_DATA.search(bare):
        return True
    words = [word for word in (one.strip(_NOT_LETTERS) for one in bare.split()) if word]
    if len(words) > _NAME_WORDS or (len(words) >= 3 and bare[-1:] in _SENTENCE_END) or bare.endswith((":", "：")):
        return False
    capitals = sum(word[0].isupper() for word in words if word[0].lower() != word[0].upper())
    small = sum(word[0].islower() and len(word) > 3 for word in words)
    if capitals or small:
        return capitals > small
    return len(words) <= _NAME_WORDS_WITHOUT_CAPITALS and OF_SENTENCES.isdisjoint(map(fold, words))
