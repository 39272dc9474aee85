"""The lab's pytest plugin: skips and lists tests that lack a peer, and offers the peers as fixtures.

A missing peer is no pass: its tests are skipped and listed at the end, and the run's exit status shows it.
"""

import logging
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest
import structlog

from tests.lab import peers
from tests.lab.shared import FAILED
from tests.lab.smtp_sink import SmtpSink
from tests.lab.twilio import TwilioStandIn

if TYPE_CHECKING:
    from tests.lab.browser import LabBrowser

INCOMPLETE = 6
"""Exit status of a run in which everything that ran passed, but not everything ran (pytest's own go up to 5)."""

LACKED = "lacked peer"
NOT_RUN = pytest.StashKey[dict[str, list[str]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", f"peer(name): needs a real peer of the lab: {', '.join(peers.PEERS)}")
    config.stash[NOT_RUN] = {}
    config.pluginmanager.register(Notes(config.stash[NOT_RUN]))
    log_to_pytest()


class Notes:
    """Records skipped tests from the reports, also from workers (pytest-xdist)."""

    def __init__(self, not_run: dict[str, list[str]]) -> None:
        self._not_run = not_run

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that lacked its peer has that in its properties."""
        if report.when == "setup":
            for name, value in report.user_properties:
                if name == LACKED:
                    self._not_run.setdefault(str(value), []).append(report.nodeid)


def log_to_pytest() -> None:
    """The installation's lines go to Python's own logging, whose output pytest keeps for tests that fail.

    Otherwise structlog prints them, and the thread of a door could write into pytest's own output between two tests, when
    nothing is captured.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    logging.getLogger("zrm").setLevel("INFO")


@pytest.fixture(autouse=True)
def own_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Opening the installation in this process configures its log; pytest's is restored for the next test."""
    configure, root = structlog.configure, logging.getLogger()
    # A logger that caches its first configuration would keep this test's.
    monkeypatch.setattr(
        structlog, "configure", lambda **options: configure(**{**options, "cache_logger_on_first_use": False})
    )
    yield
    ours = [one for one in root.handlers if type(one) is logging.StreamHandler]
    if ours:
        root.handlers[:] = [one for one in root.handlers if one not in ours]
        root.setLevel("WARNING")
        log_to_pytest()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Skip tests that lack their peer, after the selection of tests is final."""
    reasons: dict[str, str | None] = {}
    for item in session.items:
        for mark in item.iter_markers("peer"):
            (peer,) = mark.args
            if peer not in peers.PEERS:
                raise pytest.UsageError(f"{item.nodeid}: no peer is called {peer!r}")
            if peer not in reasons:
                reasons[peer] = peers.why_missing(peer)
            if reasons[peer] is not None:
                item.add_marker(pytest.mark.skip(reason=f"{peer} is missing"))
                item.user_properties.append((LACKED, f"{peer}: {reasons[peer]}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the skipped tests by the missing peer."""
    not_run = config.stash[NOT_RUN]
    if not not_run:
        return
    terminalreporter.section("DID NOT RUN", red=True, bold=True)
    for reason, tests in not_run.items():
        terminalreporter.write_line(reason)
        for test in tests:
            terminalreporter.write_line(f"  {test}")
    terminalreporter.write_line("This run is not a pass.")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Record at the test that a phase of it failed, for its fixtures."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Give a successful run with skipped tests its own exit status."""
    empty_handed = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if session.config.stash[NOT_RUN] and session.exitstatus in empty_handed:
        session.exitstatus = INCOMPLETE


@pytest.fixture
def twilio() -> Iterator[TwilioStandIn]:
    """An account at the Twilio stand-in; the test fails if the hub breaks Twilio's contract."""
    with TwilioStandIn() as account:
        yield account


@pytest.fixture
def smtp_sink() -> Iterator[SmtpSink]:
    """A mail server that stores received mail, without TLS."""
    with SmtpSink() as sink:
        yield sink


# Not for the whole session: while it is open, Playwright keeps an event loop running in the tests' thread.
@pytest.fixture(scope="module")
def browser() -> "Iterator[LabBrowser]":
    """A real browser; mark the tests with `peer("browser")`."""
    from tests.lab.browser import LabBrowser

    with LabBrowser() as opened:
        yield opened
