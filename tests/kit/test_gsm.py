"""What a text message costs: tables of texts and their segments."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from aiosmpplib import codec
from hypothesis import given
from hypothesis import strategies as st

from zrm.kit.gsm import BASIC, ESCAPE, EXTENDED, cost


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments", "left"),
    [
        ("", "GSM-7", 0, 0, 160),
        ("a", "GSM-7", 1, 1, 159),
        ("a" * 160, "GSM-7", 160, 1, 0),
        ("a" * 161, "GSM-7", 161, 2, 145),
        ("a" * 306, "GSM-7", 306, 2, 0),
        ("a" * 307, "GSM-7", 307, 3, 152),
        ("€", "GSM-7", 2, 1, 158),
        ("a" * 159 + "€", "GSM-7", 161, 2, 145),
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 306, 3, 152),  # the € does not fit into the last septet of the first
        ("سلام", "UCS-2", 4, 1, 66),
        ("س" * 70, "UCS-2", 70, 1, 0),
        ("س" * 71, "UCS-2", 71, 2, 63),
        ("س" * 134, "UCS-2", 134, 2, 0),
        ("س" * 135, "UCS-2", 135, 3, 66),
        ("می‌شود", "UCS-2", 6, 1, 64),  # the zero-width non-joiner counts
        ("😀", "UCS-2", 2, 1, 68),
        ("س" * 66 + "😀" + "س" * 66, "UCS-2", 134, 3, 66),  # a pair is not cut in two
        ("a" * 69 + "`", "UCS-2", 70, 1, 0),  # one foreign sign and the whole text is UCS-2
        ("\x1b", "UCS-2", 1, 1, 69),
    ],
)
def test_a_text(text: str, encoding: str, units: int, segments: int, left: int) -> None:
    found = cost(text)
    assert (found.encoding, found.units, found.segments, found.left) == (encoding, units, segments, left)


def test_the_alphabets_are_whole() -> None:
    """Beside a table that others keep: every septet of both alphabets."""
    basic = {sign: code for code, sign in codec.GSM_BASIC_DECODE_MAP.items() if code != ESCAPE}
    extended = {sign: code for code, sign in codec.GSM_EXTENDED_DECODE_MAP.items() if sign in EXTENDED}
    assert (len(BASIC), len(EXTENDED)) == (127, 10)
    assert (basic, extended) == (BASIC, EXTENDED)
    assert not set(BASIC) & set(EXTENDED)


def test_the_browser_has_the_same_table_and_arithmetic() -> None:
    """The desk's script as it is built, in node: each sign alone, and what straddles the end of a message."""
    signs = [*BASIC, *EXTENDED, "\x1b", "`", "ç", "س", "\u200c", "😀"]
    texts = ["", *signs, *("a" * count + sign for sign in "a€س😀" for count in (66, 69, 152, 159, 305))]
    script = """
        import { build } from "esbuild";
        import { readFileSync } from "node:fs";
        globalThis.document = { documentElement: { dataset: { locale: "en" } } };  // all that the script asks of its page
        const options = { entryPoints: ["zrm/ui/static/src/desk/cost.js"], bundle: true, format: "esm", write: false };
        const { outputFiles } = await build(options);
        const { cost } = await import("data:text/javascript;base64," + Buffer.from(outputFiles[0].text).toString("base64"));
        console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(cost)));
    """
    node = Path(sys.executable).with_name("node")
    command = [str(node), "--input-type=module", "--eval", script]
    checkout = Path(__file__).parents[2]
    done = subprocess.run(command, input=json.dumps(texts), text=True, capture_output=True, check=True, cwd=checkout)
    assert json.loads(done.stdout) == [asdict(cost(text)) for text in texts]


@given(st.text(max_size=500))
def test_every_sign_is_paid_for(text: str) -> None:
    found = cost(text)
    per = {"GSM-7": (160, 153), "UCS-2": (70, 67)}[found.encoding][found.segments > 1]
    assert found.segments >= math.ceil(found.units / per)
    assert max(1, found.segments) * per - found.units >= found.left >= 0
