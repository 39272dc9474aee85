"""A fax goes through: far Asterisk to hub, as T.38 and as sound, broken off; and HylaFAX's own faxrcvd."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.lab.fax import HylafaxSpool, write_fax
from tests.lab.process import wait_until
from tests.lab.telephony import Telephony

HOOK = """#!/usr/bin/env python3
import json, os, shutil, sys
folder = os.path.dirname(os.path.abspath(__file__))
if os.path.exists(sys.argv[1]):
    shutil.copy(sys.argv[1], folder + "/received.tif")
with open(folder + "/arguments.part", "w") as out:
    json.dump(sys.argv[1:], out)
os.rename(folder + "/arguments.part", folder + "/arguments")
"""

DISPATCH = """
NOTIFY_FAXMASTER=never
printf '%s\\n' "$FILE" "$CIDNUMBER" "$CIDNAME" "$DESTINATION" "$PAGES" "$MSG" "$LAB_WORD" > log/dispatched
"""


@pytest.fixture
def hook(tmp_path: Path) -> Path:
    path = tmp_path / "hook"
    path.write_text(HOOK, encoding="utf-8")
    path.chmod(0o755)
    return path


def handed_over(hook: Path) -> list[str]:
    arguments = hook.parent / "arguments"
    wait_until(arguments.exists, "the hook to be called", 30)
    return [str(word) for word in json.loads(arguments.read_text(encoding="utf-8"))]


def pages_of(tiff: Path) -> int:
    with Image.open(tiff) as image:
        return int(getattr(image, "n_frames", 1))


def test_fax_page_is_what_a_machine_sends(tmp_path: Path) -> None:
    with Image.open(write_fax(tmp_path / "letter.tif")) as image:
        assert (image.size[0], image.info["compression"], image.n_frames) == (1728, "group3", 2)  # type: ignore[attr-defined] # only multi-page formats have n_frames
        assert tuple(round(float(dots)) for dots in image.info["dpi"]) == (204, 196)


@pytest.mark.peer("asterisk")
@pytest.mark.parametrize(("t38", "mode", "length"), [(True, "T38", 2), (False, "audio", 1)], ids=["t38", "audio"])
def test_fax_reaches_the_hook(hook: Path, tmp_path: Path, t38: bool, mode: str, length: int) -> None:
    with Telephony(fax_hook=[str(hook)]) as telephony:
        sent = telephony.fax(write_fax(tmp_path / "letter.tif", length), caller="02188776655", t38=t38).wait()
        path, caller, called, uniqueid, status, _, pages = handed_over(hook)
    assert (sent["Status"], sent["Mode"], sent["Pages"]) == ("SUCCESS", mode, str(length))
    assert (caller, called, status, pages) == ("02188776655", "150", "SUCCESS", str(length))
    assert uniqueid in path
    assert pages_of(tmp_path / "received.tif") == length


@pytest.mark.peer("asterisk")
def test_broken_fax_is_handed_over_as_failed(hook: Path, tmp_path: Path) -> None:
    with Telephony(fax_hook=[str(hook)]) as telephony:
        fax = telephony.fax(write_fax(tmp_path / "letter.tif", pages=1))
        fax.hangup()
        _, _, _, _, status, error, pages = handed_over(hook)
    assert (status, error, pages) == ("FAILED", "The call dropped prematurely", "0")


@pytest.mark.peer("hylafax")
def test_faxrcvd_runs_the_dispatch_script(tmp_path: Path) -> None:
    dispatch = tmp_path / "FaxDispatch"
    dispatch.write_text(DISPATCH, encoding="utf-8")
    spool = HylafaxSpool(tmp_path / "spool", dispatch)
    tiff = write_fax(tmp_path / "letter.tif")
    handed = spool.receive(tiff, caller="02188776655", name="شهروند; @x", environment={"LAB_WORD": "kept"})
    assert handed.status == 0, handed.output
    lines = (spool.folder / "log" / "dispatched").read_text(encoding="utf-8").splitlines()
    assert lines == ["recvq/fax000000001.tif", "02188776655", "شهروند; @x", "150", "2", "", "kept"]
    assert spool.mail == ""


@pytest.mark.peer("hylafax")
def test_failed_reception_without_a_page(tmp_path: Path) -> None:
    dispatch = tmp_path / "FaxDispatch"
    dispatch.write_text(DISPATCH, encoding="utf-8")
    spool = HylafaxSpool(tmp_path / "spool", dispatch)
    assert spool.receive(None, error="No carrier detected").status == 0
    assert "No carrier detected" in (spool.folder / "log" / "dispatched").read_text(encoding="utf-8")
    assert "No carrier detected" in spool.mail
