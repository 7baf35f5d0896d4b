"""Which JSON Schemas a tool may have: valid by the metaschema, closed, small, and harmless to evaluate."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from jsonschema import Draft202012Validator

MOST_BYTES: Final = 16_384
MOST_DEPTH: Final = 8
_NOT_TAKEN: Final[Mapping[str, str]] = {
    "$ref": "write the schema out; references are not followed",
    "$dynamicRef": "write the schema out; references are not followed",
    "$id": "leave it out; schemas are not found by name",
    "pattern": "use enum, minLength and maxLength; patterns of tenants are not run",
    "patternProperties": "name the properties; patterns of tenants are not run",
}
_ARGUMENT_TYPES: Final = frozenset({"string", "integer", "number", "boolean"})


def schema_problems(schema: Mapping[str, Any], *, arguments: bool) -> Iterator[tuple[str, str]]:
    """Yields what is wrong with a tenant's schema: a JSON pointer within it, and the cure.

    Args:
        schema: As the tenant wrote it.
        arguments: Whether it is about arguments, which are flat.
    """
    if len(json.dumps(schema)) > MOST_BYTES:
        yield "", f"is larger than {MOST_BYTES} bytes; leave out what is not needed"
        return
    if _depth(schema) > MOST_DEPTH * 2:
        yield "", f"is nested deeper than {MOST_DEPTH} levels; flatten it"
        return
    wrong = next(iter(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)), None)
    if wrong is not None:
        yield _pointer(wrong.absolute_path), f"is no JSON Schema (2020-12): {wrong.message[:200]}"
        return
    if schema.get("type", "object") != "object":
        yield "/type", "must be object"
        return
    yield from _keywords(schema, "", in_properties=False)
    if arguments:
        yield from _flat(schema)


def _keywords(node: Any, pointer: str, *, in_properties: bool) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if not in_properties and key in _NOT_TAKEN:
                yield f"{pointer}/{key}", _NOT_TAKEN[key]
            elif in_properties or key not in ("enum", "const", "default", "examples", "description", "title"):
                inner = not in_properties and key in ("properties", "$defs", "dependentSchemas")
                yield from _keywords(value, f"{pointer}/{key}", in_properties=inner)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for index, value in enumerate(node):
            yield from _keywords(value, f"{pointer}/{index}", in_properties=False)


def _flat(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    properties = schema.get("properties", {})
    for name, rule in properties.items():
        kind = rule.get("type") if isinstance(rule, Mapping) else None
        if kind not in _ARGUMENT_TYPES and not (isinstance(rule, Mapping) and "enum" in rule):
            yield f"/properties/{name}", f"an argument has an enum, or one type of {', '.join(sorted(_ARGUMENT_TYPES))}"
    for name in schema.get("required", []):
        if name not in properties:
            yield "/required", f"{name} is not among the properties"


def _depth(node: Any) -> int:
    if isinstance(node, Mapping):
        return 1 + max((_depth(value) for value in node.values()), default=0)
    if isinstance(node, list):
        return 1 + max((_depth(value) for value in node), default=0)
    return 0


def _pointer(path: Any) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)
