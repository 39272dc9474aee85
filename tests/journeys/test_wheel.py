"""The built wheel, in an environment that has the locked packages and nothing of this checkout."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import httpx
import pytest

from tests.journeys.hub import CHECKOUT, PROMPTS, Hub
from zrm import __version__

LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as `make wheel` builds it."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment: the locked packages as `make setup` installed them, and the wheel by pip."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    ours, theirs = (Path(sysconfig.get_path("purelib", vars={"base": str(base)})) for base in (sys.prefix, folder))
    locked = LOCKED.findall((CHECKOUT / "requirements" / "run.txt").read_text(encoding="utf-8"))
    for top in {file.parts[0] for name in locked for file in metadata.files(name) or ()} - {"..", "__pycache__"}:
        (theirs / top).symlink_to(ours / top)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)
    subprocess.run([*pip, "check"], check=True)
    return python


def run(python: Path, *words: str, cwd: Path) -> str:
    """What `zrm` says in an empty folder."""
    command = [str(python.with_name("zrm")), *words]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def test_everything_that_runs_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    kept = subprocess.run(["git", "ls-files", "zrm"], cwd=CHECKOUT, check=True, capture_output=True, text=True)
    built = (CHECKOUT / "zrm" / "ui" / "static" / "build").iterdir()
    assert {*kept.stdout.split(), *(str(file.relative_to(CHECKOUT)) for file in built)} <= held
    assert {name.partition("/")[0].partition("-")[0] for name in held} == {"zrm"}, "no tests, no scripts"


def test_it_says_its_version_and_writes_a_config_once(python: Path, tmp_path: Path) -> None:
    assert run(python, "--version", cwd=tmp_path).split() == ["zrm", __version__]
    run(python, "init", cwd=tmp_path)
    written = tmp_path / "config.yaml"
    assert written.read_bytes() == (CHECKOUT / "zrm" / "config.yaml").read_bytes()
    with pytest.raises(subprocess.CalledProcessError) as refused:
        run(python, "init", cwd=tmp_path)
    assert "config.yaml: File exists" in refused.value.stderr


def test_it_runs(python: Path, tmp_path: Path) -> None:
    with Hub(tmp_path, python=python) as hub, httpx.Client(trust_env=False, follow_redirects=True) as client:
        portal = client.get(f"{hub.web}/")
        assert "مرکز آزمون" in portal.text
        for asset in re.findall(r'(?:href|src)="(/static/[^"#]+)"', portal.text):
            assert client.get(f"{hub.web}{asset}").status_code == 200, asset
        assert 'lang="en"' in client.get(f"{hub.web}/desk/sign-in?lang=en").text
        hub.sign_in(client, "maryam")
        assert client.get(f"{hub.web}/desk").status_code == 200
        speak = [str(python), "-P", "-m", "zrm.channels.voice_ivr.prompts", "--out", str(PROMPTS)]
        said = subprocess.run(speak, cwd=tmp_path, check=True, capture_output=True, text=True)
        assert said.stdout.startswith("0 prompts spoken"), "the same catalogue as the checkout's"
        folders = {(Path("/proc") / str(pid) / "exe").resolve() for pid in (hub.pids["web"], hub.pids["relay"])}
        assert folders == {python.resolve()}
