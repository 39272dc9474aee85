"""The commands that change the organisation: one record at a time, or everything from one file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import psycopg
import typer
import yaml
from rich.console import Console

from zrm.agent_api import tries
from zrm.casestore import agent as agents
from zrm.casestore.agent import Agent, Permission
from zrm.casestore.schema import SchemaState, state
from zrm.errors import ConfigError
from zrm.installation import load_config, open_runtime
from zrm.kit import throttle
from zrm.kit.db import Cursor
from zrm.kit.yaml_section import load, section_of
from zrm.languages import FALLBACK, LANGUAGES
from zrm.organisation import actions, model
from zrm.organisation.model import (
    EVERYWHERE,
    Change,
    EntryKind,
    OrganisationData,
    OrganisationEntry,
    SubjectEntry,
    UnitEntry,
)
from zrm.security import passwords, provider_accounts, second_step, sessions

console = Console(highlight=False)

organisation_cli = typer.Typer(
    no_args_is_help=True, help="The whole organisation in one file; see docs/organisation.md."
)
unit_cli = typer.Typer(no_args_is_help=True, help="The parts of the organisation that can own cases.")
subject_cli = typer.Typer(no_args_is_help=True, help="What a case can be about, and which unit handles it.")
agent_cli = typer.Typer(no_args_is_help=True, help="The people at the desk.")

Key = Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens, such as street-light.")]
Login = Annotated[str, typer.Argument(help="The name they sign in with.")]
Fa = Annotated[str, typer.Option(help="The name in Persian.")]
En = Annotated[str, typer.Option(help="The name in English.")]
Parent = Annotated[str | None, typer.Option(help="The key of its parent; '' for none.")]
UnitKey = Annotated[str, typer.Option("--unit", help="A unit's key.")]
AnswersFor = Annotated[str | None, typer.Option("--unit", help="The unit its cases go to; '' for the default unit.")]
Language = Annotated[str, typer.Option(help=f"{' or '.join(LANGUAGES)}: the desk's language at the first sign-in.")]
T = TypeVar("T", UnitEntry, SubjectEntry)


@organisation_cli.command("load")
def load_file(
    file: Annotated[Path, typer.Argument(help="Units, subjects, natures and agents in YAML.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Change the organisation to match a file; records that the file does not name stay as they are."""
    section = load(file)
    with _organisation(hold=True) as (cursor, present):
        changes = model.changes(present, model.read(section, present))
        if not dry_run:
            actions.write(cursor, changes)
    _tell(changes)
    if dry_run and changes:
        console.print("Nothing was changed: this was a dry run.")


@organisation_cli.command()
def show() -> None:
    """Print the organisation as a file that `load` reads."""
    with _organisation() as (_, present):
        values = present.model_dump(mode="json", exclude_none=True)
    for entry in [*values["subjects"].values(), *values["natures"].values(), *values["agents"].values()]:
        for name in ("position", "retired", "left"):
            if not entry.get(name):
                entry.pop(name, None)
    sys.stdout.write(yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=120))


@unit_cli.command("add")
def add_unit(key: Key, fa: Fa, en: En, parent: Parent = None) -> None:
    """Make a unit."""
    _add("unit", key, _values(fa, en, parent=parent))


@unit_cli.command("change")
def change_unit(key: Key, fa: Fa = "", en: En = "", parent: Parent = None) -> None:
    """Change a unit's names or parent; what is not given stays."""
    _change("unit", key, _values(fa, en, parent=parent))


@unit_cli.command("remove")
def remove_unit(key: Key) -> None:
    """Remove a unit that was never used."""
    _remove("unit", key)


@unit_cli.command("list")
def list_units() -> None:
    """List the units, each below its parent."""
    with _organisation() as (_, present):
        for depth, key, entry in _tree(present.units):
            _line(depth, key, entry)


@subject_cli.command("add")
def add_subject(key: Key, fa: Fa, en: En, parent: Parent = None, unit: AnswersFor = None) -> None:
    """Make a subject."""
    _add("subject", key, _values(fa, en, parent=parent, unit=unit))


@subject_cli.command("change")
def change_subject(key: Key, fa: Fa = "", en: En = "", parent: Parent = None, unit: AnswersFor = None) -> None:
    """Change a subject's names, parent or unit; what is not given stays."""
    _change("subject", key, _values(fa, en, parent=parent, unit=unit))


@subject_cli.command("remove")
def remove_subject(key: Key) -> None:
    """Remove a subject that no case ever had."""
    _remove("subject", key)


@subject_cli.command("list")
def list_subjects() -> None:
    """List the subject tree, with the unit that gets each subject's cases."""
    with _organisation() as (_, present):
        for depth, key, entry in _tree(present.subjects):
            _line(depth, key, entry, entry.unit or "the default unit")


@agent_cli.command("add")
def add_agent(
    login: Login,
    fa: Fa,
    en: En,
    unit: UnitKey,
    language: Language = "fa",
    everything: Annotated[bool, typer.Option("--everything", help="May do everything, for every unit.")] = False,
) -> None:
    """Make an agent with the ordinary permissions in their unit; set a password with `zrm agent password`."""
    may = {"may": {EVERYWHERE: list(Permission)}} if everything else {}
    _add("agent", login, {**_values(fa, en, unit=unit), "language": language, **may})


@agent_cli.command("password")
def set_password(login: Login) -> None:
    """Set an agent's password: asked for twice, or one line from a pipe. Ends all of the agent's sessions."""
    if sys.stdin.isatty():
        password = typer.prompt("The new password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().removesuffix("\n")
    settings = load_config().settings.organisation
    with _organisation() as (cursor, present):
        account = _account(cursor, present, login)
        agent = present.agents[login]
        own = (login, *agent.name.names.values(), *settings.name.names.values())
        weakness = passwords.weakness(password, own=own, region=settings.region, present=account.password_hash)
        if weakness is not None:
            why = passwords.MESSAGES[weakness] % {"least": passwords.SHORTEST, "most": passwords.LONGEST}
            raise ConfigError(f"agent {login}: {why}")
        agents.set_password_hash(cursor, account.id, passwords.hash_password(password))
        sessions.end_others(cursor, account.id, keep="")
    console.print(f"{login} signs in with the new password.", markup=False)


@agent_cli.command("leave")
def leave(login: Login) -> None:
    """Disable an agent's sign-in; the history keeps their name, and their cases can be assigned to others."""
    with _organisation() as (cursor, present):
        account = _account(cursor, present, login)
        agents.set_active(cursor, account.id, active=False)
        sessions.end_others(cursor, account.id, keep="")
    console.print(f"{login} has left.", markup=False)


@agent_cli.command("return")
def come_back(login: Login) -> None:
    """Let an agent who has left sign in again."""
    with _organisation() as (cursor, present):
        agents.set_active(cursor, _account(cursor, present, login).id, active=True)
    console.print(f"{login} is back.", markup=False)


@agent_cli.command("reset-two-step")
def reset_two_step(login: Login) -> None:
    """Remove an agent's second steps (app, passkeys, recovery codes) when all are lost. Ends all their sessions."""
    with _organisation() as (cursor, present):
        account = _account(cursor, present, login)
        second_step.reset(cursor, account.id)
        sessions.end_others(cursor, account.id, keep="")
    console.print(f"{login} signs in by password alone, until they set up a second step again.", markup=False)


@agent_cli.command("unlink")
def unlink(login: Login) -> None:
    """Unlink an agent from their account at the identity provider; the next sign-in there links one again."""
    with _organisation() as (cursor, present):
        linked = provider_accounts.unlink(cursor, _account(cursor, present, login).id)
    console.print(f"{login} is linked to no account now." if linked else f"{login} was linked to none.", markup=False)


@agent_cli.command("unlock")
def unlock(login: Login) -> None:
    """Unlock a login that was locked after too many wrong passwords."""
    secret = load_config().secret
    with _organisation() as (cursor, present):
        _account(cursor, present, login)
        throttle.forget(cursor, tries.login_key(secret, login))
    console.print(f"{login} may try again.", markup=False)


@agent_cli.command("list")
def list_agents() -> None:
    """List the agents with their units and permissions."""
    with _organisation() as (cursor, present):
        ready = agents.can_sign_in(cursor)
    for login, entry in present.agents.items():
        rights = [f"{where}: {', '.join(permissions)}" for where, permissions in entry.rights().items()]
        state = "has left" if entry.left else "" if login in ready else "has no password yet"
        _line(0, login, entry, entry.unit, *rights, state)


# ---------------------------------------------------------------- what the commands share


@contextmanager
def _organisation(*, hold: bool = False) -> Iterator[tuple[Cursor, OrganisationData]]:
    """The structure as stored; changes by the cursor are committed when the block ends well. Errors: ConfigError."""
    runtime = open_runtime("organisation")
    try:
        match state(runtime.database):
            case SchemaState.OLDER:
                raise ConfigError("the database does not have the newest schema; run `zrm migrate`")
            case SchemaState.NEWER:
                raise ConfigError("the database has a newer schema; use the command of that version")
        with runtime.database.cursor() as cursor:
            if hold:
                actions.lock(cursor)
            yield cursor, actions.stored(cursor)
    except psycopg.OperationalError as error:
        raise ConfigError(f"the database does not answer: {str(error).splitlines()[0]}") from None
    finally:
        runtime.close()


def _values(fa: str, en: str, **keys: str | None) -> dict[str, Any]:
    """The command line's values, as they would stand in a file; '' removes a key."""
    name = {language: word for language, word in (("fa", fa), ("en", en)) if word}
    return {"name": name, **{key: value or None for key, value in keys.items() if value is not None}}


def _add(kind: EntryKind, key: str, values: dict[str, Any]) -> None:
    """Add a record. Errors: ConfigError for a bad or unknown key, and for an existing record that differs."""
    with _organisation(hold=True) as (cursor, present):
        wanted = model.read(section_of(f"zrm {kind} add", {f"{kind}s": {key: values}}), present)
        changes = model.changes(present, wanted)
        for change in changes:
            if change.differs:
                raise ConfigError(f"zrm {kind} add: {kind} {key} exists already and differs: {change.difference()}")
        actions.write(cursor, changes)
    _tell(changes)


def _change(kind: EntryKind, key: str, values: dict[str, Any]) -> None:
    """Change a record. Errors: ConfigError for a bad or unknown key."""
    with _organisation(hold=True) as (cursor, present):
        there = _entries(present, kind)
        if key not in there:
            raise ConfigError(f"zrm {kind} change: {model.unknown_key(kind, key, there)}")
        before = there[key].model_dump()
        values = {**before, **values, "name": before["name"] | values["name"]}
        wanted = model.read(section_of(f"zrm {kind} change", {f"{kind}s": {key: values}}), present)
        changes = model.changes(present, wanted)
        actions.write(cursor, changes)
    _tell(changes)


def _remove(kind: Literal["unit", "subject"], key: str) -> None:
    with _organisation(hold=True) as (cursor, present):
        there = _entries(present, kind)
        if key not in there:
            raise ConfigError(f"zrm {kind} remove: {model.unknown_key(kind, key, there)}")
        actions.remove(cursor, kind, key)
    console.print(f"- {kind} {key}", markup=False)


def _entries(present: OrganisationData, kind: EntryKind) -> dict[str, Any]:
    entries: dict[str, Any] = getattr(present, f"{kind}s")
    return entries


def _account(cursor: Cursor, present: OrganisationData, login: str) -> Agent:
    account = agents.by_login(cursor, login)
    if account is None:
        raise ConfigError(model.unknown_key("agent", login, present.agents))
    return account


def _tell(changes: Sequence[Change]) -> None:
    for change in changes:
        console.print(str(change), markup=False, soft_wrap=True)
    if not changes:
        console.print("All of it is there already; nothing was changed.")


def _tree(entries: Mapping[str, T], above: str | None = None, depth: int = 0) -> Iterator[tuple[int, str, T]]:
    for key, entry in entries.items():
        if entry.parent == above:
            yield depth, key, entry
            yield from _tree(entries, key, depth + 1)


def _line(depth: int, key: str, entry: OrganisationEntry, *more: str) -> None:
    names = entry.name.names
    words = [key, *(names[code] for code in dict.fromkeys((*FALLBACK, *names))), *filter(None, more)]
    console.print("  " * depth + " · ".join(words), markup=False, soft_wrap=True)
