"""A body that a route accepts in form, made from the OpenAPI document: examples first, else the least that is valid."""

from typing import Any


def body_of(document: dict[str, Any], operation: dict[str, Any]) -> Any:
    """Returns a body for an operation, or None if it takes none."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    if "example" in content:
        return content["example"]
    if content.get("examples"):
        return next(iter(content["examples"].values()))["value"]
    return least(document, content["schema"])


def properties_of(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of each top-level property that a body may have."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    found: dict[str, Any] = _resolved(document, content.get("schema", {})).get("properties", {})
    return found


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for way in ("anyOf", "oneOf"):
        if way in schema:
            real = [part for part in schema[way] if part.get("type") != "null"]
            return _resolved(document, real[0])
    return schema


def least(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Returns the smallest value that a schema allows, its examples before anything invented."""
    own = {name: value for name, value in schema.items() if name not in ("anyOf", "oneOf")}
    for given in (own, _resolved(document, schema)):
        if "example" in given:
            return given["example"]
        if given.get("examples"):
            return given["examples"][0]
        if "const" in given:
            return given["const"]
        if given.get("enum"):
            return given["enum"][0]
    schema = _resolved(document, schema)
    match schema.get("type"):
        case "object":
            properties, wanted = schema.get("properties", {}), schema.get("required", [])
            if not wanted and schema.get("minProperties") and properties:
                wanted = [next(iter(properties))]
            return {name: least(document, properties[name]) for name in wanted}
        case "array":
            return [least(document, schema["items"])] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return "x" * max(1, schema.get("minLength", 1))
