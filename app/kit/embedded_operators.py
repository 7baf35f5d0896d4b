"""What the embedded store understands of MongoDB's query and update languages: one meaning for every command.

`to_sql` turns a filter into SQLite's terms, `apply_update` changes a document; `embedded_mongo` puts both in the place
of neosqlite's several translators, which differ among themselves. Values of one field are of one type, or missing.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Where = tuple[str, list[Any]]

_COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_FIELD = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_ABSENT = object()


def to_sql(query: Mapping[str, Any]) -> Where:
    """Translates a filter.

    Args:
        query: Fields, perhaps dotted, against scalars or comparison operators; `$and` and `$or`.

    Returns:
        A condition over the columns `_id` and `data`, and its parameters.

    Raises:
        ValueError: A field or operator is outside the store's subset.
    """
    conditions: list[str] = []
    parameters: list[Any] = []
    for field, value in query.items():
        if field in ("$and", "$or"):
            parts = [to_sql(part) for part in value]
            condition = (" AND " if field == "$and" else " OR ").join(f"({sql})" for sql, _ in parts)
            bound = [parameter for _, parameters_of_part in parts for parameter in parameters_of_part]
            conditions.append(f"({condition})")
            parameters += bound
            continue
        operators = value if isinstance(value, Mapping) else {"$eq": value}
        for operator, operand in operators.items():
            condition, bound = _compare(field, operator, operand)
            conditions.append(condition)
            parameters += bound
    return " AND ".join(conditions) or "1", parameters


def _compare(field: str, operator: str, operand: Any) -> Where:
    column = _column(field)
    if operator in _COMPARISONS:
        return f"{column} {_COMPARISONS[operator]} ?", [_bound(operand)]
    if operator == "$exists":
        return f"json_type(data, '$.{field}') IS {'NOT ' if operand else ''}NULL", []
    if operator in ("$eq", "$in"):
        return _among(column, [operand] if operator == "$eq" else operand)
    if operator in ("$ne", "$nin"):
        condition, bound = _among(column, [operand] if operator == "$ne" else operand)
        return f"NOT coalesce({condition}, 0)", bound
    raise ValueError(f"{operator} is outside the store's subset")


def _among(column: str, operands: Sequence[Any]) -> Where:
    present = [_bound(operand) for operand in operands if operand is not None]
    conditions = [f"{column} IS NULL"] if None in operands else []
    if len(present) == 1:
        conditions.append(f"{column} = ?")
    elif present:
        conditions.append(f"{column} IN ({', '.join('?' * len(present))})")
    return f"({' OR '.join(conditions) or '0'})", present


def _column(field: str) -> str:
    if field == "_id":
        return "_id"
    if not _FIELD.fullmatch(field):
        raise ValueError(f"field {field!r} is outside the store's subset")
    return f"json_extract(data, '$.{field}')"


def _bound(value: Any) -> Any:
    if isinstance(value, datetime):
        naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return f'{{"$date":"{naive.isoformat()}"}}'
    if isinstance(value, str | int | float):
        return value
    raise ValueError(f"cannot compare with a {type(value).__name__}")


def apply_update(document: dict[str, Any], update: Mapping[str, Any], *, inserting: bool) -> None:
    """Changes `document` in place as MongoDB's update operators would.

    Args:
        document: The stored document, or the beginnings of an upserted one.
        update: `$set`, `$unset`, `$inc`, `$push` (with `$each`) and `$setOnInsert`, fields perhaps dotted.
        inserting: Whether `$setOnInsert` applies.

    Raises:
        ValueError: An operator is not one of these, or does not fit the field's value.
    """
    for operator, fields in update.items():
        for path, value in fields.items():
            if operator == "$set" or (operator == "$setOnInsert" and inserting):
                _put(document, path, value)
            elif operator == "$unset":
                _remove(document, path)
            elif operator == "$inc":
                _put(document, path, _number(path, _get(document, path)) + value)
            elif operator == "$push":
                _push(document, path, value)
            elif operator != "$setOnInsert":
                raise ValueError(f"{operator} is outside the store's subset")


def _number(path: str, value: Any) -> Any:
    if value is _ABSENT:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"$inc: {path} holds no number")
    return value


def _push(document: dict[str, Any], path: str, value: Any) -> None:
    current = _get(document, path)
    if current is _ABSENT:
        current = []
        _put(document, path, current)
    if not isinstance(current, list):
        raise ValueError(f"$push: {path} holds no array")
    current.extend(value["$each"] if isinstance(value, dict) and "$each" in value else [value])


def _get(document: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return _ABSENT
    return document


def _put(document: Any, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        if _get(document, part) is _ABSENT:
            _put_one(document, part, {})
        document = _get(document, part)
    _put_one(document, last, value)


def _put_one(container: Any, part: str, value: Any) -> None:
    if isinstance(container, dict):
        container[part] = value
    elif isinstance(container, list) and part.isdigit() and int(part) <= len(container):
        container[int(part) : int(part) + 1] = [value]
    else:
        raise ValueError(f"cannot create field {part!r} here")


def _remove(document: dict[str, Any], path: str) -> None:
    parent_path, _, last = path.rpartition(".")
    parent = _get(document, parent_path) if parent_path else document
    if isinstance(parent, dict):
        parent.pop(last, None)
