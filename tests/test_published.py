"""Secrets that our own sources publish are named wherever one of them is in force."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from zrm import demonstration
from zrm.cli import _warn_of_published
from zrm.installation import (
    DATABASE_VARIABLE,
    REDIS_VARIABLE,
    SAMPLE_CONFIG,
    LoadedConfig,
    load_config,
    open_runtime,
)
from zrm.security.published import SECRETS, holds_published

ROOT = Path(__file__).parents[1]
DEFAULT = re.compile(r"\$\{[A-Z][A-Z0-9_]*:-([^}]+)\}")
SECRET_KEY = re.compile(
    r"^\s*#?\s*(?:[\w\"-]*(?:secret|password|token|auth_token)):\s+[\"']?(?!\$\{)([^\s#\"'{,]+)", re.M
)
WORLD = "https://contact.example.org"


def plan(folder: Path, *, old: str = "", new: str = "") -> LoadedConfig:
    """config.yaml as we ship it, with one thing changed."""
    file = folder / "config.yaml"
    text = SAMPLE_CONFIG.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    return load_config(file)


def test_every_default_that_we_publish_is_known() -> None:
    published = set(DEFAULT.findall(SAMPLE_CONFIG.read_text(encoding="utf-8")))
    assert published, "config.yaml has defaults"
    published |= {agent.password for agent in demonstration.DEMO_AGENTS}
    for page in (ROOT / "docs").rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        published |= set(DEFAULT.findall(text))
        for block in re.findall(r"```yaml\n(.*?)```", text, re.S):
            published |= {value for value in SECRET_KEY.findall(block) if not value.startswith("/")}
    assert {value for value in published if not holds_published(value)} == set()


def test_a_secret_key_is_found_however_it_is_written() -> None:
    """The test above looks for what it says."""
    block = 'token: abc\n    auth_token: "def"\n  # webhook_secret: ghi   a comment\n  password: ${NAME}\n'
    assert SECRET_KEY.findall(block) == ["abc", "def", "ghi"]


def test_as_shipped_each_default_is_named_with_its_line(tmp_path: Path) -> None:
    shipped = plan(tmp_path)
    lines = SAMPLE_CONFIG.read_text(encoding="utf-8").splitlines()
    defaults = {f"config.yaml:{number}: " for number, line in enumerate(lines, 1) if DEFAULT.search(line)}
    assert {re.match(r"config\.yaml:\d+: ", problem)[0] for problem in shipped.published} == defaults  # type: ignore[index]  # each begins so
    assert "config.yaml" in shipped.published[0]
    assert any("channels.sms.accounts.3000123.auth_token" in problem for problem in shipped.published)
    assert not any(secret in problem for problem in shipped.published for secret in SECRETS)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("${FAX_TOKEN:-demonstration-fax-token}", "demonstration-fax-token", "channels.fax.token"),
        (
            "# database_url: postgresql://zrm:${DATABASE_PASSWORD}@db.example/zrm",
            "database_url: postgresql://zrm:demonstration-token@db.example/zrm",
            "database_url",
        ),
        ("data_dir: var ", "data_dir: var\nsecret: demo-maryam-1405 #", "secret"),
    ],
)
def test_a_published_secret_is_named_wherever_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, place: str
) -> None:
    monkeypatch.setenv("FAX_TOKEN", "another-token-of-ours")
    found = plan(tmp_path, old=old, new=new).published
    assert any(re.match(rf"config\.yaml:\d+: {re.escape(place)}: ", problem) for problem in found), found


def test_also_in_a_file_that_holds_a_secret(tmp_path: Path) -> None:
    token = tmp_path / "fax.secret"
    token.write_text("demonstration-fax-token\n")
    token.chmod(0o600)
    found = plan(tmp_path, old="token: ${FAX_TOKEN:-demonstration-fax-token}", new=f"token_file: {token}").published
    assert [problem for problem in found if problem.startswith("channels.fax: ")]


def test_own_secrets_are_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAX_TOKEN", "another-token-of-ours")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "0123456789abcdef0123456789abcdef")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC0123456789abcdef0123456789abcdef")
    assert plan(tmp_path).published == ()


@pytest.mark.parametrize(
    ("old", "new", "exposed"),
    [
        ("", "", False),
        ("http://127.0.0.1:8000", WORLD, True),
        ("http://127.0.0.1:8000", "http://[::1]:8000", False),
        ("http://127.0.0.1:8000", "http://127.0.0.1.example.org", True),
        ("  host: 127.0.0.1", "  host: 0.0.0.0", True),
        ("  host: 127.0.0.1", '  host: "::1"', False),
    ],
)
def test_a_laptop_that_only_itself_reaches_is_not_exposed(tmp_path: Path, old: str, new: str, exposed: bool) -> None:
    assert plan(tmp_path, old=old, new=new).exposed is exposed


def test_check_names_them_once_others_can_reach_the_doors(tmp_path: Path, database_url: str, redis_url: str) -> None:
    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "zrm.cli", "--config", str(tmp_path / "config.yaml"), "check"],
            env={**os.environ, DATABASE_VARIABLE: database_url, REDIS_VARIABLE: redis_url},
            capture_output=True,
            text=True,
            check=False,
        )

    plan(tmp_path)
    assert "published in" not in check().stdout
    shipped = plan(tmp_path, old="http://127.0.0.1:8000", new=WORLD)
    done = check()
    assert done.returncode == 1
    for problem in shipped.published:
        assert f"- {problem}" in done.stdout


def test_the_web_role_logs_them_at_its_start(
    tmp_path: Path,
    database_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, database_url)
    monkeypatch.setenv(REDIS_VARIABLE, redis_url)
    for url, said in (("http://127.0.0.1:8000", 0), (WORLD, 3 + len(demonstration.DEMO_AGENTS))):
        installation = open_runtime("test", plan(tmp_path, old="http://127.0.0.1:8000", new=url))
        try:
            _warn_of_published(installation)
        finally:
            installation.close()
        assert capsys.readouterr().err.count('"a published secret is in force"') == said
