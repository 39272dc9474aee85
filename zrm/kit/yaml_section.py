"""A YAML file whose every value knows its line, so that errors in it are reported with file, line and key.

`${NAME}` in a value is taken from the environment, `${NAME:-value}` has a default for when it is not set. A section is
read into a pydantic model by the code that knows its schema; until then it keeps its lines.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeVar, cast, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from zrm.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
_VARIABLE: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")


class Section:
    """A mapping of the file with the line of each key."""

    def __init__(self, file: str, node: yaml.MappingNode | None, path: tuple[str, ...] = ()) -> None:
        self.file = file
        self.path = path
        self._node = node
        self.line = _line(node)
        self.values: dict[str, Any] = {} if node is None else _value(file, node)

    def sections(self, key: str) -> dict[str, Section]:
        """The mappings below `key`, each as a section of its own. Errors: ConfigError if one is not a mapping."""
        node = _child(self._node, key)
        if node is None:
            return {}
        found = {}
        for name_node, child in _pairs(self.file, node, (*self.path, key)):
            if not isinstance(child, yaml.MappingNode):
                raise ConfigError(f"{self.file}:{_line(child)}: {key}.{name_node.value}: expected a mapping")
            found[str(name_node.value)] = Section(self.file, child, (*self.path, key, str(name_node.value)))
        return found

    def without(self, *keys: str) -> Section:
        """The same section without some keys, which other code checks."""
        rest = Section(self.file, self._node, self.path)
        rest.values = {key: value for key, value in self.values.items() if key not in keys}
        return rest

    def place(self, *path: str) -> str:
        """`file:line: section.key` of the value, or of the nearest parent that is in the file."""
        node: yaml.Node | None = self._node
        line = self.line
        for step in path:
            key_node, node = _find(node, step)
            if key_node is not None:
                line = _line(key_node)
        file = f"{self.file}:{line}" if self._node is not None else self.file
        return f"{file}: {'.'.join((*self.path, *path))}"

    def texts(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Every text in the section with its path, after environment variables are replaced."""
        yield from _texts(self.values, ())

    def read(self, model: type[M]) -> M:
        """The section as `model`. Errors: ConfigError with file, line, key and what was expected."""
        try:
            return model.model_validate(self.values)
        except ValidationError as error:
            problems = [self._explain(model, problem) for problem in error.errors()]
            raise ConfigError("\n".join(problems)) from None

    def _explain(self, model: type[BaseModel], problem: Any) -> str:
        location = [str(step) for step in problem["loc"] if step != "[key]"]
        place = self.place(*location)
        if problem["type"] == "extra_forbidden":
            known = ", ".join(sorted(_fields(model, location[:-1])))
            return f"{place}: unknown key; expected one of: {known}"
        if problem["type"] == "missing":
            return f"{place}: missing; it must be given"
        return f"{place}: {_in_words(problem, _field(model, location))}"


def section_of(source: str, values: dict[str, Any]) -> Section:
    """Values from elsewhere than a file, such as a command line, to be checked as if they were in one."""
    section = Section(source, None)
    section.values = values
    return section


def load(path: Path) -> Section:
    """Read a configuration file. Errors: ConfigError for a missing file, bad YAML, a duplicate key, an unset
    ${NAME}.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(f"{path.name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path.name}: expected UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"{path.name}:{line}: not YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path.name}:1: expected a mapping of keys to values")
    try:
        return Section(path.name, node)
    except RecursionError:
        raise ConfigError(f"{path.name}: something in it contains itself, or is nested too deeply") from None


def _value(file: str, node: yaml.Node, path: tuple[str, ...] = ()) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {key.value: _value(file, child, (*path, str(key.value))) for key, child in _pairs(file, node, path)}
    if isinstance(node, yaml.SequenceNode):
        return [_value(file, child, path) for child in node.value]
    if isinstance(node, yaml.ScalarNode) and _VARIABLE.search(node.value):
        return _VARIABLE.sub(lambda match: _environment(file, node, match), node.value)
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError):
        wanted = node.tag.removeprefix("tag:yaml.org,2002:")
        raise ConfigError(f"{file}:{_line(node)}: {'.'.join(path)}: this cannot be read as {wanted}") from None
    finally:
        loader.dispose()


def _environment(file: str, node: yaml.Node, match: re.Match[str]) -> str:
    name, default = match.groups()
    value = os.environ.get(name, default)
    if value is None:
        raise ConfigError(f"{file}:{_line(node)}: ${{{name}}} is not set in the environment")
    return str(value)


def _pairs(file: str, node: yaml.Node, path: tuple[str, ...]) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{file}:{_line(node)}: {'.'.join(path)}: expected a mapping")
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{file}:{_line(key)}: expected a plain key")
        if key.value in seen:
            raise ConfigError(f"{file}:{_line(key)}: {key.value}: given twice, first on line {seen[key.value]}")
        seen[key.value] = _line(key)
    return list(node.value)


def _texts(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, str(key)))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _texts(inner, (*path, str(place)))


def _find(node: yaml.Node | None, step: str) -> tuple[yaml.Node | None, yaml.Node | None]:
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            if key.value == step:
                return key, child
    if isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
        return node.value[int(step)], node.value[int(step)]
    return None, None


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    return _find(node, key)[1]


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "path": "a path",
    "list": "a list",
    "dict": "a mapping of keys to values",
    "model": "a mapping of keys to values",
}
_BOUNDS = {
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "finite_number": "a finite number",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "literal_error": "{expected}",
    "enum": "{expected}",
}


def _in_words(problem: Any, field: FieldInfo | None) -> str:
    """What a value should have been, for a reader who knows neither pydantic nor regular expressions."""
    kind, context = str(problem["type"]), problem.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        # Where a section is wrapped in ways `_field` does not follow, the key alone is named.
        extra = field.json_schema_extra if field is not None else None
        return f"expected {extra['expected']}" if isinstance(extra, dict) else "it is not written as it should be"
    if kind == "string_too_short" and context["min_length"] == 1:
        return "expected some text"
    if (bound := _BOUNDS.get(kind)) is not None:
        return f"expected {bound.format(**context)}"
    name, _, way = kind.rpartition("_")
    return f"expected {_KINDS[name]}" if way in ("type", "parsing") and name in _KINDS else str(problem["msg"])


def _field(model: type[BaseModel], path: list[str]) -> FieldInfo | None:
    """The model's field for the key at the end of `path`."""
    section = _section(model, path[:-1])
    return section.model_fields.get(path[-1]) if section is not None and path else None


def _fields(model: type[BaseModel], path: list[str]) -> list[str]:
    """The keys of the section at `path`."""
    section = _section(model, path)
    return list(section.model_fields) if section is not None else []


def _section(model: type[BaseModel], path: list[str]) -> type[BaseModel] | None:
    """The section at `path`, through mappings, lists and choices of sections; None if there is none."""
    kind: Any = model
    for step in path:
        if chosen := _choice(kind, step):
            kind = chosen
            continue
        if _is_section(kind):
            info = kind.model_fields.get(step)
            kind = info.annotation if info else None
        else:
            kind = next(reversed(get_args(kind)), None)
        kind = next((inner for inner in get_args(kind) if _is_section(inner)), kind) if _may_lack(kind) else kind
    return kind if _is_section(kind) else None


def _choice(kind: Any, step: str) -> type[BaseModel] | None:
    """In a choice between sections, told apart by their `kind`, the one named `step`."""
    for inner in get_args(kind):
        chosen = inner.model_fields.get("kind") if _is_section(inner) else None
        if chosen is not None and step in get_args(chosen.annotation):
            return cast("type[BaseModel]", inner)
        if not _is_section(inner) and (found := _choice(inner, step)):
            return found
    return None


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _may_lack(kind: Any) -> bool:
    return type(None) in get_args(kind)


def _line(node: yaml.Node | None) -> int:
    return 1 if node is None else int(node.start_mark.line) + 1
