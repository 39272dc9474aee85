"""What is misconfigured or missing, a sentence each: for `zrm check` and for the start of `zrm up`."""

from __future__ import annotations

import contextlib
from typing import Final

import psycopg

from zrm import demonstration
from zrm.casestore import agent as agents
from zrm.casestore import months
from zrm.casestore.agent import Permission
from zrm.casestore.installation_id import folder_problem
from zrm.dispatch.queues import queue_obstacles, queue_risks
from zrm.errors import ConfigError, StoreUnavailable
from zrm.installation import LoadedConfig, Runtime, open_runtime
from zrm.kit import file_permissions
from zrm.kit.database_checks import obstacles, risks
from zrm.kit.db import Cursor
from zrm.organisation.actions import unit_ids
from zrm.readiness import health_problems, schema_findings

_PERSONAL: Final = ("blobs", "log", "outgoing", "recordings")


def require(problems: list[str]) -> None:
    """Return if nothing is wrong with the stores. Errors: ConfigError, a line for each obstacle."""
    if problems:
        raise ConfigError("\n".join(problems))


def findings(plan: LoadedConfig) -> list[str]:
    """Everything that is wrong with an installation; writes nothing."""
    problems = [f"{kind}: {problem}" for kind, channel in plan.channels.items() for problem in channel.check()]
    problems += plan.published if plan.exposed else ()
    try:
        problems += _check_runtime(open_runtime("check", plan))
    except ConfigError as error:
        problems.append(str(error))
    return problems


def _check_runtime(runtime: Runtime) -> list[str]:
    clamd = runtime.clamd()
    try:
        problems = obstacles(runtime.database) or [*risks(runtime.database), *_check_store(runtime)]
        problems += queue_obstacles(runtime.redis_url) or queue_risks(runtime.redis_url)
        if reason := file_permissions.obstacle(runtime.blobs.root):
            problems.append(
                f"data_dir: {runtime.blobs.root} cannot be written ({reason}); no contact with a file can be kept"
            )
        problems += [
            f"{folder}: every user of this machine can read it; chmod -R o= {folder}"
            for folder in map(runtime.config.data.joinpath, _PERSONAL)
            if file_permissions.open_to_others(folder)
        ]
        problems += _provider_problems(runtime)
        if clamd is not None and not clamd.ping():
            problems.append("scan.clamd: does not answer; citizens' files wait for their scan")
        with (
            contextlib.suppress(psycopg.Error),
            runtime.database.cursor() as cursor,
        ):  # away, or without tables: already reported
            problems += missing_structure(cursor, runtime.config)
            problems += _stray_rows(cursor)
            try:
                problem = folder_problem(cursor, runtime.blobs)
            except StoreUnavailable as error:
                problem = f"data_dir: {error}"
            if problem:
                problems.append(problem)
        return problems
    finally:
        runtime.close()


def _check_store(runtime: Runtime) -> list[str]:
    """What is wrong with the tables; if contacts can be kept, also what is wrong with the roles."""
    problems, remarks = schema_findings(runtime)
    return problems or [*remarks, *health_problems(runtime)]


def _stray_rows(cursor: Cursor) -> list[str]:
    """The months that could not be made, and what makes them."""
    tables: dict[str, list[str]] = {}
    for table, month in months.in_default(cursor):
        tables.setdefault(f"{month:%Y-%m}", []).append(table)
    return [
        f"{month}: rows of {', '.join(found)} lie in the default partition and cannot be taken off with their month; "
        f"`zrm month make {month}` moves them"
        for month, found in tables.items()
    ]


def _provider_problems(runtime: Runtime) -> list[str]:
    """Whether agents can sign in at the identity provider, if there is one."""
    settings = runtime.config.settings.security.identity_provider
    if settings is None:
        return []
    from zrm.security.identity_provider import IdentityProvider  # libraries that few installations need

    obstacle = IdentityProvider(settings, "").obstacle()
    return [obstacle] if obstacle else []


def missing_structure(cursor: Cursor, plan: LoadedConfig) -> list[str]:
    """What the organisation lacks before cases can be filed and handled, a sentence each."""
    problems = []
    known, wanted = sorted(unit_ids(cursor)), plan.settings.default_unit
    if wanted not in known:
        there = f"expected one of: {', '.join(known)}" if known else "there is none yet; `zrm unit add` makes one"
        problems.append(f"default_unit: no unit is called {wanted}, so no case can be filed; {there}")
    if not agents.can_sign_in(cursor):
        problems.append("agents: no agent can sign in; make one with `zrm agent add` and `zrm agent password`")
    if not agents.holders_everywhere(cursor, Permission.HANDLE_QUARANTINE):
        problems.append(
            f"agents: nobody has {Permission.HANDLE_QUARANTINE} everywhere, so what cannot be understood waits unseen; "
            "docs/organisation.md says how it is given"
        )
    if plan.exposed and (open_to_all := demonstration.published(cursor)):
        problems.append(
            f"agents: {', '.join(open_to_all)} can sign in with the demonstration's published passwords; "
            "`zrm agent password` gives others, `zrm agent leave` ends them"
        )
    return problems
