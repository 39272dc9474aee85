"""The organisation's structure: what a file says against what the store has, and only the difference is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from zrm import demonstration
from zrm.casestore import agent as agents
from zrm.casestore import directory, nature, unit
from zrm.errors import ConfigError
from zrm.kit.db import Database
from zrm.kit.yaml_section import load
from zrm.organisation import actions, model
from zrm.security import passwords

GOOD = """\
units:
  parks: {name: {fa: "فضای سبز", en: "Parks"}, parent: front}
  front: {name: {fa: "پیشخوان", en: "Front desk"}}
subjects:
  oak: {name: {fa: "بلوط", en: "Oaks"}, parent: trees, unit: parks}
  trees: {name: {fa: "درخت", en: "Trees"}}
agents:
  reza: {name: {fa: "رضا", en: "Reza"}, unit: parks, language: en}
  lale: {name: {fa: "لاله", en: "Lale"}, unit: front, may: {everywhere: [case.view], parks: [case.work, case.assign]}}
"""


def bring(database: Database, folder: Path, text: str) -> list[str]:
    """Load the text as a file; the lines of what changed."""
    file = folder / "organisation.yaml"
    file.write_text(text, encoding="utf-8")
    with database.cursor() as cursor:
        actions.lock(cursor)
        present = actions.stored(cursor)
        changes = model.changes(present, model.read(load(file), present))
        actions.write(cursor, changes)
    return [str(change) for change in changes]


def test_a_whole_organisation_is_made_once(empty: Database, tmp_path: Path) -> None:
    made = bring(empty, tmp_path, GOOD)
    assert made == [
        "+ unit parks: Parks",
        "+ unit front: Front desk",
        "+ subject oak: Oaks",
        "+ subject trees: Trees",
        "+ agent reza: Reza",
        "+ agent lale: Lale",
    ]
    assert bring(empty, tmp_path, GOOD) == []
    with empty.cursor() as cursor:
        reza = agents.by_login(cursor, "reza")
        assert reza is not None
        agent = directory.at_desk(cursor, reza.id)
        assert agents.can_sign_in(cursor) == set()
    assert agent is not None
    assert (agent.unit_names["en"], agent.language, agent.calendar) == ("Parks", "en", "gregorian")
    assert agent.grants == tuple((permission.value, agent.unit_id) for permission in sorted(model.ORDINARY))
    assert not passwords.matches("!", reza.password_hash)


NATURES = """\
natures:
  praise: {name: {fa: "قدردانی", en: "Praise"}, position: 6}
  criticism: {name: {fa: "نقد", en: "Criticism"}, position: 4, retired: true}
"""


def test_an_organisation_adds_natures_renames_and_retires_those_there(empty: Database, tmp_path: Path) -> None:
    with empty.cursor() as cursor:
        cursor.execute("""UPDATE natures SET names = names || '{"ar": "نقد"}' WHERE key = 'criticism'""")
    assert bring(empty, tmp_path, NATURES) == [
        "+ nature praise: Praise",
        "~ nature criticism: name.fa: انتقاد → نقد; retired: — → true",
    ]
    assert bring(empty, tmp_path, NATURES) == []
    with empty.cursor() as cursor:
        assert [one.key for one in nature.in_use(cursor)] == ["complaint", "request", "suggestion", "report", "praise"]
        criticism = next(one for one in nature.known(cursor) if one.key == "criticism")
    assert criticism.names == {"fa": "نقد", "en": "Criticism", "ar": "نقد"}, (
        "a language that the file does not give stays"
    )
    assert bring(empty, tmp_path, NATURES.replace(", retired: true", "")) == ["~ nature criticism: retired: true → —"]


def test_only_what_differs_is_changed_and_said(empty: Database, tmp_path: Path) -> None:
    bring(empty, tmp_path, GOOD)
    with empty.cursor() as cursor:
        lale = agents.by_login(cursor, "lale")
        assert lale is not None
        agents.set_password_hash(cursor, lale.id, passwords.hash_password("a password of Lale's"))
        agents.set_preferences(cursor, lale.id, language="en", calendar="gregorian", theme="dark")
    text = GOOD.replace('"Parks"}, parent: front', '"Parks and trees"}').replace(", case.assign]", "]")
    assert bring(empty, tmp_path, text) == [
        "~ unit parks: name.en: Parks → Parks and trees; parent: front → —",
        "~ agent lale: may.parks: case.assign, case.work → case.work",
    ]
    assert bring(empty, tmp_path, "units: {}\n") == []
    with empty.cursor() as cursor:
        assert agents.can_sign_in(cursor) == {"lale"}
        agent = directory.at_desk(cursor, lale.id)
    assert agent is not None
    assert (agent.language, agent.theme) == ("en", "dark")  # the agent's own choice


def test_a_permission_of_another_version_stays_and_is_not_named(empty: Database, tmp_path: Path) -> None:
    bring(empty, tmp_path, GOOD)
    with empty.cursor() as cursor:
        cursor.execute(
            "INSERT INTO permissions (id, agent_id, permission) SELECT uuidv7(), id, 'case.dream' FROM agents WHERE login = 'lale'"
        )
    assert bring(empty, tmp_path, GOOD) == []
    (changed,) = bring(empty, tmp_path, GOOD.replace("everywhere: [case.view], ", ""))
    assert "lale" in changed
    with empty.cursor() as cursor:
        lale = agents.by_login(cursor, "lale")
        assert lale is not None
        held = {grant.permission for grant in agents.rights(cursor) if grant.agent_id == lale.id}
    assert held == {"case.dream", "case.work", "case.assign"}


def test_who_has_left_does_not_come_back_by_an_old_file(empty: Database, tmp_path: Path) -> None:
    bring(empty, tmp_path, GOOD)
    assert bring(empty, tmp_path, GOOD.replace("language: en", "left: true")) == ["~ agent reza: left: — → true"]
    assert bring(empty, tmp_path, GOOD) == []
    assert bring(empty, tmp_path, GOOD.replace('"Reza"', '"Reza K."')) == ["~ agent reza: name.en: Reza → Reza K."]
    with empty.cursor() as cursor:
        assert actions.stored(cursor).agents["reza"].left


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "colour: red\n",
            "organisation.yaml:1: colour: unknown key; expected one of: agents, natures, subjects, units",
        ),
        (
            "units:\n  a:\n    nam: x\n",
            "organisation.yaml:3: units.a.nam: unknown key; expected one of: name, parent",
        ),
        (
            'units: {a: {name: {fa: "ا", en: A, de: A}}}\n',
            "organisation.yaml:1: units.a.name.de: unknown key; expected one of: en, fa",
        ),
        ('units:\n  a: {name: {fa: "ا"}}\n', "organisation.yaml:2: units.a.name.en: missing; it must be given"),
        ('units: {a: {name: {fa: "", en: A}}}\n', "units.a.name.fa: expected some text"),
        (
            'units:\n  A b: {name: {fa: "ا", en: A}}\n',
            "organisation.yaml:2: units.A b: expected a key such as street-light",
        ),
        ('units: {everywhere: {name: {fa: "ا", en: A}}}\n', "units.everywhere: no unit can be called so"),
        (
            'units:\n  a: {name: {fa: "ا", en: A}}\n  a: {name: {fa: "ا", en: A}}\n',
            "organisation.yaml:3: a: given twice, first on line 2",
        ),
        (
            GOOD.replace("parent: front", "parent: frnt"),
            "organisation.yaml:2: units.parks.parent: no unit is called frnt; expected one of: front",
        ),
        (
            GOOD.replace('Trees"}', 'Trees"}, parent: oak'),
            "organisation.yaml:6: subjects.trees.parent: this hangs below",
        ),
        (
            GOOD.replace("unit: parks}", "unit: park}"),
            "organisation.yaml:5: subjects.oak.unit: no unit is called park;",
        ),
        (GOOD.replace("unit: front,", "unit: frnt,"), "organisation.yaml:9: agents.lale.unit: no unit is called frnt;"),
        (
            GOOD.replace("parks: [case", "park: [case"),
            "organisation.yaml:9: agents.lale.may.park: no unit is called park; expected one of: everywhere, front, parks",
        ),
        *(
            (
                GOOD.replace("parks: [case", f"parks: [{permission}, case"),
                f"organisation.yaml:9: agents.lale.may.parks: {permission} is about what belongs to no unit; "
                "it can only be given everywhere",
            )
            for permission in ("quarantine.handle", "ledger.view", "contact.erase")
        ),
        (
            GOOD.replace("[case.view]", "[case.vew]"),
            "organisation.yaml:9: agents.lale.may.everywhere.0: expected",
        ),
        (
            GOOD.replace("  lale:", "  Lale K:"),
            "organisation.yaml:9: agents.Lale K: expected a login such",
        ),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_changed(empty: Database, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        bring(empty, tmp_path, text)
    assert said in str(refused.value)
    with empty.cursor() as cursor:
        there = actions.stored(cursor)
    assert (there.units, there.subjects, there.agents) == ({}, {}, {})


def test_the_demonstration_is_such_a_file(empty: Database, tmp_path: Path) -> None:
    assert demonstration.seed(empty)
    assert not demonstration.seed(empty)
    assert bring(empty, tmp_path, demonstration.ORGANISATION.read_text(encoding="utf-8")) == []
    with empty.cursor() as cursor:
        assert agents.can_sign_in(cursor) == {agent.login for agent in demonstration.DEMO_AGENTS}


def test_what_nothing_belongs_to_can_be_taken_away(empty: Database, tmp_path: Path) -> None:
    bring(empty, tmp_path, GOOD)
    with pytest.raises(ConfigError, match="unit front: cannot be taken away: units belong to it"), empty.cursor() as c:
        actions.remove(c, "unit", "front")
    with empty.cursor() as cursor:
        actions.remove(cursor, "subject", "oak")
        assert list(actions.stored(cursor).subjects) == ["trees"]


def test_a_subject_has_its_place_and_is_offered_no_more_once_it_is_retired(empty: Database, tmp_path: Path) -> None:
    subject = '{{name: {{fa: "م", en: {}}}, {}}}'
    tree = f"""
units: {{front: {{name: {{fa: "پ", en: Front}}}}}}
subjects:
  a: {subject.format("A", "position: 2")}
  b: {subject.format("B", "position: 1")}
  c: {subject.format("C", "parent: a")}
"""
    bring(empty, tmp_path, tree)
    with empty.cursor() as cursor:
        assert [one.names["en"] for one in directory.subjects(cursor)] == ["B", "A", "C"]
    retired = f"subjects: {{a: {subject.format('A', 'position: 2, retired: true')}}}"
    assert bring(empty, tmp_path, retired) == ["~ subject a: retired: — → true"]
    assert bring(empty, tmp_path, retired) == []
    with empty.cursor() as cursor:
        assert [one.retired for one in directory.subjects(cursor)] == [False, True, True]
    bring(empty, tmp_path, tree)
    with empty.cursor() as cursor:
        assert not any(one.retired for one in directory.subjects(cursor))


def test_names_in_a_further_language_stay(empty: Database, tmp_path: Path) -> None:
    bring(empty, tmp_path, 'units: {front: {name: {fa: "پ", en: Front}}}')
    with empty.cursor() as cursor:
        cursor.execute('UPDATE units SET names = names || \'{"ar": "ج"}\'')
    bring(empty, tmp_path, 'units: {front: {name: {fa: "پیشخوان", en: Front}}}')
    with empty.cursor() as cursor:
        assert unit.by_key(cursor)["front"].names == {"fa": "پیشخوان", "en": "Front", "ar": "ج"}
