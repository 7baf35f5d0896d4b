"""The part of MongoDB's language that the store accepts, checked before a query leaves the process.

Both stores must answer alike, the real one and the embedded one; docs/decisions/0001-store-subset.md says what is out
and why, tests/kit/test_store_contract.py proves what is in.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
Filter = Mapping[str, Any]

TENANT = "tenant_id"

_COMPARISONS = frozenset({"$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$exists"})
_UPDATES = frozenset({"$set", "$unset", "$inc", "$push", "$setOnInsert"})
_FIELD = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class IndexSpec:
    """One index that a room needs.

    Attributes:
        collection: The collection's name.
        keys: Field and direction (1, -1), the tenant first.
        unique: No two documents share the keys' values; all of them must be present in every document.
        if_string: The one field of a unique index that a document may lack or hold as null.
        across_tenants: Why this index is not led by the tenant (a look-up before the tenant is known); empty: it is.
    """

    collection: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    if_string: str | None = None
    across_tenants: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError when the index is not led by the tenant and says no reason."""
        check_collection(self.collection)
        for field, direction in self.keys:
            check_field(field)
            if field == "_id":
                raise ValueError(f"index of {self.collection}: _id has its own index")
            if direction not in (1, -1):
                raise ValueError(f"index of {self.collection}: direction of {field!r} is 1 or -1")
        if not self.across_tenants and self.keys[0][0] != TENANT:
            raise ValueError(f"index of {self.collection}: the first key is {TENANT!r}, or say why in across_tenants")


def check_collection(name: str) -> None:
    """Raises ValueError unless `name` is a plain snake_case word that the embedded store does not keep for GridFS."""
    if name.endswith(("_files", "_chunks")):
        raise ValueError(f"collection name {name!r}: the endings _files and _chunks are GridFS's")
    if not _NAME.fullmatch(name):
        raise ValueError(f"collection name {name!r}: lower-case letters, digits and _ only")


def check_field(path: str) -> None:
    """Raises ValueError unless `path` is a plain, perhaps dotted, field name."""
    if not _FIELD.fullmatch(path):
        raise ValueError(f"field {path!r}: letters, digits, _ and -, parts joined by dots")


def check_filter(query: Filter) -> None:
    """Checks a filter.

    Raises:
        ValueError: An operator or field name is outside the subset.
    """
    for key, value in query.items():
        if key in ("$or", "$and"):
            if not isinstance(value, Sequence) or isinstance(value, str) or not value:
                raise ValueError(f"{key} takes a non-empty list of filters")
            for part in value:
                if TENANT in part:
                    raise ValueError(f"{TENANT} may not stand inside {key}")
                check_filter(part)
            continue
        check_field(key)
        if key == "id":
            raise ValueError("a document's id is the field _id")
        _check_operand(key, value)


def _check_operand(field: str, value: Any) -> None:
    if isinstance(value, bytes | bytearray):
        raise ValueError(f"{field}: bytes cannot be compared in the store; keep a hex digest beside them")
    if not isinstance(value, Mapping):
        return
    if not value or not all(isinstance(operator, str) and operator.startswith("$") for operator in value):
        raise ValueError(f"{field}: compare the dotted fields, not a whole document")
    for operator, operand in value.items():
        if operator not in _COMPARISONS:
            raise ValueError(f"{field}: {operator} is outside the store's subset")
        if isinstance(operand, Mapping | bytes | bytearray):
            raise ValueError(f"{field}: {operator} takes scalars")


def check_update(update: Mapping[str, Any]) -> None:
    """Checks an update document.

    Raises:
        ValueError: An operator or field is outside the subset, or the update touches `_id`.
    """
    if not update:
        raise ValueError("the update is empty")
    seen: set[str] = set()
    for operator, fields in update.items():
        if operator not in _UPDATES:
            raise ValueError(f"{operator} is outside the store's subset")
        for field, value in fields.items():
            check_field(field)
            if field in seen:
                raise ValueError(f"{field} is changed twice in one update")
            seen.add(field)
            if field == "_id" and operator != "$setOnInsert":
                raise ValueError("_id cannot be changed")
            if operator == "$push":
                _check_push(field, value)


def _check_push(field: str, value: Any) -> None:
    if isinstance(value, Mapping) and any(str(key).startswith("$") for key in value) and set(value) != {"$each"}:
        raise ValueError(f"{field}: $push takes a value or $each alone")


def scoped_filter(query: Filter, tenant_id: str) -> Document:
    """Returns `query` with the tenant injected.

    Raises:
        ValueError: The query names another tenant, or is outside the subset.
    """
    if query.get(TENANT, tenant_id) != tenant_id:
        raise ValueError("the filter names another tenant")
    check_filter(query)
    return {TENANT: tenant_id, **query}


def scoped_document(document: Mapping[str, Any], tenant_id: str) -> Document:
    """Returns a copy of `document` with the tenant injected.

    Raises:
        ValueError: The document belongs to another tenant or has no string `_id`.
    """
    if document.get(TENANT, tenant_id) != tenant_id:
        raise ValueError("the document belongs to another tenant")
    return {**checked_document(document, tenant_required=False), TENANT: tenant_id}


def checked_document(document: Mapping[str, Any], *, tenant_required: bool = True) -> Document:
    """Returns a copy of `document`.

    Raises:
        ValueError: No string `_id`, or no tenant where one is required.
    """
    if not isinstance(document.get("_id"), str):
        raise ValueError("a document has a string _id")
    if tenant_required and not isinstance(document.get(TENANT), str):
        raise ValueError(f"every document has a {TENANT}")
    return dict(document)


def check_tenant_unchanged(update: Mapping[str, Any], tenant_id: str) -> None:
    """Raises ValueError when an update would move a document to another tenant."""
    for operator, fields in update.items():
        if fields.get(TENANT, tenant_id) != tenant_id or (operator != "$setOnInsert" and TENANT in fields):
            raise ValueError(f"an update cannot change {TENANT}")
