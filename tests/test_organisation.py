"""The commands that make an organisation, on a hub that really runs and had none; and what each says in its one line."""

from __future__ import annotations

import io
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import yaml

from tests.journeys.hub import Hub
from tests.lab.process import LOOPBACK, PeerError, wait_until
from zrm.cli import main
from zrm.installation import CONFIG_VARIABLE, DATABASE_VARIABLE, REDIS_VARIABLE
from zrm.kit import log
from zrm.kit.db import Database

FILE = """\
units:
  contact-centre: {name: {fa: "پیشخوان", en: "Front desk"}}
  parks: {name: {fa: "فضای سبز", en: "Parks"}, parent: contact-centre}
subjects:
  trees: {name: {fa: "درخت", en: "Trees"}, unit: parks}
agents:
  reza: {name: {fa: "رضا", en: "Reza"}, unit: contact-centre, language: en}
"""
PASSWORD = "four-green-parks"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """An installation without the demonstration organisation."""
    with Hub(tmp_path_factory.mktemp("own"), demo=False) as hub:
        yield hub


def zrm(hub: Hub, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """The command beside the running hub."""
    command = [sys.executable, "-m", "zrm.cli", "--config", str(hub.config), *words]
    return subprocess.run(command, input=typed, capture_output=True, text=True, check=False)


def test_a_new_institution_begins_and_an_agent_sees_a_case(hub: Hub, tmp_path: Path) -> None:
    missing = "default_unit: no unit is called contact-centre, so no case can be filed; there is none yet"
    nobody = "agents: no agent can sign in"
    before = zrm(hub, "check")
    assert before.returncode == 1
    for said in (hub.output.read_text(encoding="utf-8"), before.stdout):
        assert missing in said
        assert nobody in said

    file = tmp_path / "organisation.yaml"
    file.write_text(FILE, encoding="utf-8")
    dry = zrm(hub, "organisation", "load", "--dry-run", str(file))
    assert "+ unit parks: Parks\n" in dry.stdout
    assert "Nothing was changed" in dry.stdout
    assert hub.ask("SELECT key FROM units") == []
    assert "+ agent reza: Reza" in zrm(hub, "organisation", "load", str(file)).stdout
    with httpx.Client(trust_env=False) as client:
        with pytest.raises(PeerError):
            hub.sign_in(client, "reza", PASSWORD)  # there is no password yet
        assert zrm(hub, "agent", "password", "reza", typed=f"{PASSWORD}\n").returncode == 0
        hub.sign_in(client, "reza", PASSWORD)
        _write(hub, "A bench is broken")
        wait_until(lambda: hub.ask("SELECT 1 FROM cases") != [], "the mail to become a case", 30)
        assert "A bench is broken" in client.get(f"{hub.web}/desk/queue/unassigned").text


class Said(NamedTuple):
    """What a command printed, and its exit code."""

    out: list[str]
    err: list[str]
    code: object


@pytest.fixture
def say(
    empty: Database, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """`zrm` within this process, on a database with nothing in it."""
    config = tmp_path / "config.yaml"
    config.write_text('organisation: {name: {fa: "مرکز", en: "Centre"}}\n', encoding="utf-8")
    monkeypatch.setenv(DATABASE_VARIABLE, empty.url)
    monkeypatch.setenv(REDIS_VARIABLE, redis_url)
    monkeypatch.setenv(CONFIG_VARIABLE, str(config))
    monkeypatch.setattr(log, "configure", lambda *_, **__: None)  # this process's log is the tests'

    def run(*words: str, typed: str = "") -> Said:
        monkeypatch.setattr(sys, "argv", ["zrm", *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        # The lines of this process's log come a moment later, those of the migrations too.
        told = [line for line in err.splitlines() if not line.startswith("{")]
        return Said(out.splitlines(), told, ended.value.code)

    return run


GARDEN = ("garden", "--fa", "باغ", "--en", "Garden")
SAM = ("sam", "--fa", "سام", "--en", "Sam", "--unit", "garden")


def test_each_command_says_what_it_did_in_one_line(say: Callable[..., Said]) -> None:
    for words, said in (
        (("unit", "add", *GARDEN), "+ unit garden: Garden"),
        (("unit", "add", *GARDEN), "All of it is there already; nothing was changed."),
        (("unit", "add", "bed", "--fa", "باغچه", "--en", "Bed", "--parent", "garden"), "+ unit bed: Bed"),
        (("unit", "change", "garden", "--en", "Gardens"), "~ unit garden: name.en: Garden → Gardens"),
        (("unit", "list"), "  bed · Bed · باغچه"),
        (("subject", "add", "rose", "--fa", "رز", "--en", "Roses", "--unit", "garden"), "+ subject rose: Roses"),
        (("subject", "list"), "rose · Roses · رز · garden"),
        (("subject", "change", "rose", "--unit", ""), "~ subject rose: unit: garden → —"),
        (("subject", "list"), "rose · Roses · رز · the default unit"),
        (("subject", "remove", "rose"), "- subject rose"),
        (("unit", "remove", "bed"), "- unit bed"),
        (("agent", "add", *SAM, "--everything"), "+ agent sam: Sam"),
        (("agent", "unlock", "sam"), "sam may try again."),
        (("agent", "unlink", "sam"), "sam was linked to none."),
        (
            ("agent", "reset-two-step", "sam"),
            "sam signs in by password alone, until they set up a second step again.",
        ),
        (("agent", "leave", "sam"), "sam has left."),
        (("agent", "return", "sam"), "sam is back."),
    ):
        done = say(*words)
        assert (done.out[-1], done.err, done.code) == (said, [], 0)
    (line,) = say("agent", "list").out
    assert line.startswith("sam · Sam · سام · garden · everywhere: case.assign, ")
    assert line.endswith(" · has no password yet")


def test_what_cannot_be_done_is_said_in_one_line(say: Callable[..., Said]) -> None:
    say("unit", "add", *GARDEN)
    say("agent", "add", *SAM)
    for words, said in (
        (
            ("unit", "add", *GARDEN[:-1], "Gardens"),
            "zrm unit add: unit garden exists already and differs: name.en: Garden → Gardens",
        ),
        (
            ("unit", "add", "Big Garden", *GARDEN[1:]),
            "zrm unit add: units.Big Garden: expected a key such as street-light: "
            "lower-case letters, digits and hyphens",
        ),
        (
            ("unit", "change", "gardn", "--en", "Gardens"),
            "zrm unit change: no unit is called gardn; expected one of: garden",
        ),
        (
            ("subject", "add", "rose", "--fa", "رز", "--en", "Roses", "--unit", "gardn"),
            "zrm subject add: subjects.rose.unit: no unit is called gardn; expected one of: garden",
        ),
        (("subject", "remove", "rose"), "zrm subject remove: no subject is called rose; there is no subject yet"),
        (("unit", "remove", "garden"), "unit garden: cannot be taken away: agents belong to it"),
        (("agent", "password", "sam"), "agent sam: The new password must have at least 12 characters."),
        (("agent", "leave", "tom"), "no agent is called tom; expected one of: sam"),
        (("agent", "unlock", "tom"), "no agent is called tom; expected one of: sam"),
        (("agent", "reset-two-step", "tom"), "no agent is called tom; expected one of: sam"),
        (("organisation", "load", "nowhere.yaml"), "nowhere.yaml: No such file or directory"),
    ):
        assert say(*words) == ([], [said], 2)


def test_what_is_shown_can_be_loaded_and_changes_nothing(say: Callable[..., Said], tmp_path: Path) -> None:
    file = tmp_path / "organisation.yaml"
    file.write_text(FILE, encoding="utf-8")
    assert len(say("organisation", "load", str(file)).out) == 4
    shown = "\n".join(say("organisation", "show").out)
    assert yaml.safe_load(shown)["subjects"] == yaml.safe_load(FILE)["subjects"]
    file.write_text(shown, encoding="utf-8")
    assert say("organisation", "load", str(file)).out == ["All of it is there already; nothing was changed."]


def _write(hub: Hub, subject: str) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "citizen@example.org", hub.mailbox, subject
    mail.set_content("Good day,\n\nit is in the park by the river.\n")
    with smtplib.SMTP(LOOPBACK, hub.smtp_port) as server:
        server.send_message(mail)
