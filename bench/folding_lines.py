"""The author of each line of the libraries' fixtures, as judged by a person: line numbers only, counted from 1.

`own` lines are the mail writer's; `either` lines may be shown or not: signatures, closing greetings, lines of devices,
scanners and lists, forwarded text, and unclear cases. All other lines repeat an earlier mail. A fixture that only quotes, or
a template without a mail, is left out (None).
"""

from __future__ import annotations

from typing import Final

Ranges = tuple[str, str]

_RUBY_AND_PYTHON: Final[dict[str, Ranges | None]] = {
    "correct_sig": ("1", "3-4"),
    "email_1_1": ("1-5", "7-13"),
    "email_1_2": ("1,9-34", "48-51"),
    "email_1_3": ("1-3", "5,52-55"),
    "email_1_4": ("1", ""),
    "email_1_5": ("1-99", ""),
    "email_1_6": ("1", "3"),
    "email_1_7": ("1", ""),
    "email_1_8": ("13,19", "36-37"),
    "email_2_1": ("1", ""),
    "email_2_2": ("1", ""),
    "email_2_3": ("1", ""),
    "email_BlackBerry": ("1", "3"),
    "email_bullets": ("1-9", "20-22"),
    "email_gmail": ("1", ""),
    "email_headers_no_delimiter": ("1", ""),
    "email_iPhone": ("1", "3"),
    "email_long_quote": ("1-4,6,8", "5,7,10-16"),
    "email_multi_word_sent_from_my_mobile_device": ("1", "3"),
    "email_one_is_not_on": ("1-5", ""),
    "email_partial_quote_header": ("1-6", ""),
    "email_sent_from_my_not_signature": ("1-3", ""),
    "email_sig_delimiter_in_middle_of_line": ("1-99", ""),
    "greedy_on": ("1-6", ""),
    "pathological": ("1-2", ""),
}
LINES: Final[dict[str, dict[str, Ranges | None]]] = {
    "email_reply_parser": _RUBY_AND_PYTHON,
    "email-reply-parser": _RUBY_AND_PYTHON,
    "mail-parser-reply": _RUBY_AND_PYTHON
    | {
        "begins_with_signature": ("1-4", "6-8"),
        "caution": ("5-23", "1,26-50"),
        "caution2": ("1-3", "5-12"),
        "email_3_1": ("1-3", ""),
        "email_danish_1": ("1-3", "5-6"),
        "email_danish_2": ("1-3", "5-6"),
        "email_danish_3": ("1-3", ""),
        "email_danish_4": ("1-3", ""),
        "email_danish_5": ("1-3", "5-6"),
        "email_ja_1_1": ("1", ""),
        "email_ja_1_2": ("1-5", "8"),
        "email_nl_1_1": ("1-4", "6-12"),
        "email_nl_1_2": ("1", ""),
        "email_pl_1_1": ("5-7", "1-3,9-10"),
        "email_pl_1_2": ("6-8", "1-4,10-11"),
        "email_pl_1_3": ("5-7", "1-3,9-10"),
        "email_sent_from_BlackBerry": ("1", "3"),
        "email_sent_from_iPhone": ("1", "3"),
        "email_sent_from_multi_word_mobile_device": ("1", "3"),
        "email_sent_from_not_signature": ("1-3", ""),
        "email_sv_anon_1": ("1-4", "6-8"),
        "email_swedish_1": ("1-5", "7-8"),
        "email_swedish_2": ("1-5", "7"),
        "forward": ("1-5", "6"),
        "multi_header": ("1", ""),
        "multiline_on": None,
        "multiline_on_de": None,
        "outlook": ("1-8", "9"),
    },
    # By default the first five lines are the writer's: most of these mails begin with the same ones.
    "email-reply-parser-js": {
        "correct_sig": ("1", "3-4"),
        "email_1": ("1-5", "7-13"),
        "email_15": ("1-5", "7-11"),
        "email_19": ("1", "3"),
        "email_2": ("1,9-34", "48-51"),
        "email_20": ("1", ""),
        "email_21": ("1-999", ""),
        "email_2_1": ("1", ""),
        "email_3": ("1-3", "5,52-55"),
        "email_4": ("1", ""),
        "email_5": ("1-99", ""),
        "email_6": ("1", "3"),
        "email_7": ("1-5", "26-99"),
        "email_blackberry": ("1", "3"),
        "email_bullets": ("1-9", "20-22"),
        "email_custom_quote_header": ("1", "15-17"),
        "email_customer_quote_header_2": ("1", ""),
        "email_customer_quote_header_3": ("1-3", ""),
        "email_emoji": ("1", "3-7"),
        "email_german_3": ("1-5", "7-9"),
        "email_ios_outlook": ("1-5", "7"),
        "email_ios_outlook_fr": ("1-5", "7"),
        "email_iphone": ("1", "3"),
        "email_multi_word_sent_from_my_mobile_device": ("1", "3"),
        "email_not_a_signature": ("1-99", ""),
        "email_not_a_signature_2": ("1-99", ""),
        "email_reply_header": ("1-9", "11,28-29"),
        "email_sent_from": ("1", "3"),
        "email_sent_from_my_not_signature": ("1-3", ""),
        "email_thread": ("1", ""),
        "email_tricky_11_double_signature": ("1", "3-11"),
        "email_tricky_13_timestamp_variations": ("1-99", ""),
        "email_tricky_16_unicode_signatures": ("1", "3-99"),
        "email_tricky_17_forward_header": ("1", "3-99"),
        "email_tricky_18_inline_reply": ("4,8,12", ""),
        "email_tricky_19_quote_without_header": ("1,7,12", ""),
        "email_tricky_1_on_false_positive": ("1-99", ""),
        "email_tricky_20_html_entities": ("1-3", ""),
        "email_tricky_2_url_with_wrote": ("1-99", ""),
        "email_tricky_3_code_block": ("1-99", ""),
        "email_tricky_4_from_in_body": ("1-99", ""),
        "email_tricky_6_regards_in_sentence": ("1-99", ""),
        "email_tricky_7_multiple_dashes": ("1-99", ""),
        "email_tricky_8_sent_from_in_content": ("1-99", ""),
        "email_tricky_9_nested_quotes": ("1", ""),
        "email_unquoted_reply": ("1", ""),
        "email_with_date_headers": None,
        "email_with_from_headers": None,
        "email_with_regards": ("1-5", "7-10"),
        "email_zoho": ("1-2", ""),
        "sig_no_empty_line": ("1", "2-3"),
    },
    # The other fixtures of talon state the full expected text themselves.
    "talon": {"iphone": ("1", "3"), "sparrow": ("1", "3-5")},
}
FIRST_FIVE: Final[Ranges] = ("1-5", "")


def numbers(ranges: str) -> set[int]:
    """`"1-3,7"` as line numbers."""
    found: set[int] = set()
    for part in filter(None, ranges.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found
