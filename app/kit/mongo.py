"""The database: the only module that knows the driver, and the handles that keep each tenant to its own documents."""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from bson.codec_options import CodecOptions
from bson.errors import InvalidDocument
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import ReturnDocument
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    PyMongoError,
    WriteError,
)

from app.errors import Conflict, Unavailable
from app.kit.clock import Clock
from app.kit.store_query import (
    TENANT,
    Document,
    Filter,
    IndexSpec,
    check_collection,
    check_field,
    check_filter,
    check_tenant_unchanged,
    check_update,
    checked_document,
    scoped_document,
    scoped_filter,
)

__all__ = ["Collection", "Database", "IndexSpec", "StorePage", "SystemStore", "TenantStore", "ping"]

Sort = Sequence[tuple[str, int]]

_DUPLICATE_KEY = 11000
_RETRY_AFTER_SECONDS = 2
_MAX_PAGE = 100
_EMBEDDED = "nx_27017"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StorePage:
    """One page of documents, newest first, and whether more follow."""

    data: list[Document]
    has_more: bool


@contextlib.contextmanager
def _translated(collection: str) -> Iterator[None]:
    """Turns the driver's errors into the service's."""
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout) as error:
        raise Unavailable("the database does not answer", retry_after_seconds=_RETRY_AFTER_SECONDS) from error
    except DuplicateKeyError as error:
        raise _duplicate(collection, error) from error
    except BulkWriteError as error:
        failures = (error.details or {}).get("writeErrors", [])
        if failures and all(failure.get("code") == _DUPLICATE_KEY for failure in failures):
            raise _duplicate(collection, error) from error
        raise
    except WriteError as error:
        if error.code == _DUPLICATE_KEY:
            raise _duplicate(collection, error) from error
        raise
    except InvalidDocument as error:
        raise ValueError(f"{collection}: the document holds a value that the store cannot keep: {error}") from error


def _duplicate(collection: str, error: PyMongoError) -> Conflict:
    by_id = re.search(r"\._id\b|_id_ ", str(error)) is not None
    what = "with this id" if by_id else "with the same unique fields"
    return Conflict(f"{collection}: there is already one {what}", code="already_exists")


class Collection:
    """One collection through one tenant's eyes, or, from a SystemStore, through nobody's in particular.

    Every method raises `Unavailable` when the server does not answer, and ValueError for a query outside the subset.
    """

    __slots__ = ("_motor", "_name", "_tenant_id")

    def __init__(self, motor: "AsyncIOMotorCollection[Document]", name: str, tenant_id: str | None) -> None:
        self._motor = motor
        self._name = name
        self._tenant_id = tenant_id

    async def insert_one(self, document: Mapping[str, Any]) -> None:
        """Stores a new document.

        Raises:
            Conflict: Its `_id`, or a unique index's fields, are taken.
        """
        with _translated(self._name):
            await self._motor.insert_one(self._document(document))

    async def insert_many(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Stores new documents in order; on a Conflict those before the offender are kept."""
        if documents:
            with _translated(self._name):
                await self._motor.insert_many([self._document(document) for document in documents])

    async def find_one(self, query: Filter, projection: Sequence[str] | None = None) -> Document | None:
        """Returns one matching document, or None."""
        with _translated(self._name):
            found: Document | None = await self._motor.find_one(self._filter(query), _projected(projection))
        return found

    async def find(
        self,
        query: Filter,
        sort: Sort = (("_id", 1),),
        limit: int = 1000,
        projection: Sequence[str] | None = None,
    ) -> list[Document]:
        """Returns at most `limit` matching documents in the order of `sort`.

        Args:
            query: The filter.
            sort: Field and direction (1, -1); values of a sorted field are of one type, or missing.
            limit: At least 1.
            projection: Top-level fields to return besides `_id`; None returns all.
        """
        if limit < 1:
            raise ValueError("limit is at least 1")
        for field, _ in sort:
            check_field(field)
        with _translated(self._name):
            cursor = self._motor.find(self._filter(query), _projected(projection), sort=list(sort), limit=limit)
            found: list[Document] = await cursor.to_list(limit)
        return found

    async def page(self, query: Filter, limit: int = 20, starting_after: str | None = None) -> StorePage:
        """Returns one page, newest id first.

        Args:
            query: The filter, without `_id`.
            limit: 1 to 100.
            starting_after: The last id of the page before.
        """
        if "_id" in query:
            raise ValueError("page: the filter cannot hold _id")
        if not 1 <= limit <= _MAX_PAGE:
            raise ValueError(f"page: limit is 1 to {_MAX_PAGE}")
        after = {"_id": {"$lt": starting_after}} if starting_after else {}
        found = await self.find({**query, **after}, sort=(("_id", -1),), limit=limit + 1)
        return StorePage(found[:limit], len(found) > limit)

    async def count(self, query: Filter) -> int:
        """Returns how many documents match."""
        with _translated(self._name):
            answer = await self._motor.database.command("count", self._name, query=self._filter(query))
        return int(answer["n"])

    async def update_one(self, query: Filter, update: Mapping[str, Any], *, upsert: bool = False) -> bool:
        """Changes the first match.

        Args:
            query: The filter; with `upsert` its equalities become fields of the new document.
            update: `$set`, `$unset`, `$inc`, `$push`, and, with `upsert`, `$setOnInsert`.
            upsert: Create the document when none matches; `_id` must stand in the filter or in `$setOnInsert`.

        Returns:
            Whether a document matched (with `upsert`: existed before).

        Raises:
            Conflict: A unique index forbids the result.
        """
        if upsert and not isinstance(query.get("_id", update.get("$setOnInsert", {}).get("_id")), str):
            raise ValueError("an upsert names a string _id")
        with _translated(self._name):
            result = await self._motor.update_one(self._filter(query), self._update(update), upsert=upsert)
        return bool(result.matched_count) and result.upserted_id is None

    async def update_many(self, query: Filter, update: Mapping[str, Any]) -> int:
        """Changes every match and returns how many there were."""
        with _translated(self._name):
            result = await self._motor.update_many(self._filter(query), self._update(update))
        return int(result.matched_count)

    async def find_one_and_update(self, query: Filter, update: Mapping[str, Any], sort: Sort = ()) -> Document | None:
        """Changes the first match atomically and returns it as changed, or None: the compare-and-set of the store.

        It must not change a field of a unique index: the embedded store reports a clash as no match.
        """
        with _translated(self._name):
            changed: Document | None = await self._motor.find_one_and_update(
                self._filter(query),
                self._update(update),
                sort=list(sort) or None,
                return_document=ReturnDocument.AFTER,
            )
        return changed

    async def replace_one(self, query: Filter, document: Mapping[str, Any], *, upsert: bool = False) -> bool:
        """Puts `document` in the place of the first match; returns whether one matched (as `update_one`)."""
        with _translated(self._name):
            result = await self._motor.replace_one(self._filter(query), self._document(document), upsert=upsert)
        return bool(result.matched_count) and result.upserted_id is None

    async def delete_one(self, query: Filter) -> bool:
        """Deletes the first match; returns whether there was one."""
        with _translated(self._name):
            return bool((await self._motor.delete_one(self._filter(query))).deleted_count)

    async def delete_many(self, query: Filter) -> int:
        """Deletes every match and returns how many there were."""
        with _translated(self._name):
            return int((await self._motor.delete_many(self._filter(query))).deleted_count)

    def _filter(self, query: Filter) -> Document:
        if self._tenant_id is None:
            check_filter(query)
            return dict(query)
        return scoped_filter(query, self._tenant_id)

    def _document(self, document: Mapping[str, Any]) -> Document:
        return checked_document(document) if self._tenant_id is None else scoped_document(document, self._tenant_id)

    def _update(self, update: Mapping[str, Any]) -> Document:
        check_update(update)
        if self._tenant_id is not None:
            check_tenant_unchanged(update, self._tenant_id)
        return dict(update)


def _projected(fields: Sequence[str] | None) -> dict[str, int] | None:
    if fields is None:
        return None
    for field in fields:
        check_field(field)
        if "." in field:
            raise ValueError(f"projection {field!r}: top-level fields only")
    return dict.fromkeys(fields, 1) if fields else {"_id": 1}


class TenantStore:
    """Everything one tenant owns, and nothing else."""

    __slots__ = ("_database", "tenant_id")

    def __init__(self, database: "AsyncIOMotorDatabase[Document]", tenant_id: str) -> None:
        if not tenant_id:
            raise ValueError("a tenant store needs a tenant id")
        self._database = database
        self.tenant_id = tenant_id

    def collection(self, name: str) -> Collection:
        """Returns the collection, scoped to this tenant."""
        check_collection(name)
        return Collection(self._database[name], name, self.tenant_id)


class SystemStore:
    """All tenants' documents, for look-ups before the tenant is known and for sweeps; each use says why."""

    __slots__ = ("_database", "reason")

    def __init__(self, database: "AsyncIOMotorDatabase[Document]", reason: str) -> None:
        if not reason:
            raise ValueError("a system store needs a reason")
        self._database = database
        self.reason = reason

    def collection(self, name: str) -> Collection:
        """Returns the collection, unscoped."""
        check_collection(name)
        return Collection(self._database[name], name, None)


class Database:
    """One connection pool and the stores made from it."""

    def __init__(self, client: "AsyncIOMotorClient[Document]", name: str, clock: Clock) -> None:
        self._client = client
        options: CodecOptions[Document] = CodecOptions(tz_aware=True)
        self._database = client.get_database(name, codec_options=options)
        self.clock = clock
        self.name = name

    @classmethod
    async def connect(cls, url: str, name: str, clock: Clock, timeout_seconds: float = 3.0) -> "Database":
        """Connects and makes sure that the server answers.

        Args:
            url: `mongodb://...`.
            name: The logical database.
            clock: The service's clock.
            timeout_seconds: How long an operation looks for a server before it is Unavailable.

        Raises:
            Unavailable: It does not.
        """
        database = cls(_client(url, timeout_seconds), name, clock)
        try:
            await database.ping()
        except BaseException:
            database.close()
            raise
        return database

    async def ping(self) -> None:
        """Raises Unavailable unless the server answers."""
        with _translated("ping"):
            await self._client.admin.command("ping")

    def tenant(self, tenant_id: str) -> TenantStore:
        """Returns the tenant's store."""
        return TenantStore(self._database, tenant_id)

    def system(self, reason: str) -> SystemStore:
        """Returns the store across tenants and logs why it was asked for."""
        _log.debug("store.cross_tenant", reason=reason)
        return SystemStore(self._database, reason)

    async def collections(self) -> list[str]:
        """Returns the names of all collections that hold or held documents, in alphabetical order."""
        with _translated(self.name):
            names = await self._database.list_collection_names()
        return sorted(name for name in names if not name.startswith("system."))

    async def ensure_indexes(self, indexes: Sequence[IndexSpec]) -> None:
        """Creates the indexes that are missing, and those that `page` walks: led by the tenant, in every collection.

        Run once by the root at start-up.
        """
        with _translated("ping"):
            server = await self._client.admin.command("buildInfo")
        paged = {index.collection for index in indexes}
        if server.get("process") != _EMBEDDED:
            pages = [(TENANT, 1), ("_id", -1)]
        else:
            paged -= {index.collection for index in indexes if index.keys[0][0] == TENANT}
            pages = [(TENANT, 1)]
        for name in sorted(paged):
            with _translated(name):
                await self._database[name].create_index(pages)
        for index in indexes:
            options: Document = {"unique": index.unique}
            if index.if_string:
                options["partialFilterExpression"] = {index.if_string: {"$type": "string"}}
            with _translated(index.collection):
                await self._database[index.collection].create_index(list(index.keys), **options)

    async def drop(self) -> None:
        """Deletes the whole database; for tests and the demo."""
        with _translated(self.name):
            await self._client.drop_database(self.name)

    def close(self) -> None:
        """Closes the pool."""
        self._client.close()


def _client(url: str, timeout_seconds: float = 3.0) -> "AsyncIOMotorClient[Document]":
    return AsyncIOMotorClient(
        url,
        appname="vaanisetu",
        serverSelectionTimeoutMS=int(timeout_seconds * 1000),
        connectTimeoutMS=3000,
        socketTimeoutMS=10000,
        maxPoolSize=32,
    )


async def ping(url: str) -> None:
    """Raises Unavailable unless a server answers at `url`."""
    client = _client(url)
    try:
        with _translated("ping"):
            await client.admin.command("ping")
    finally:
        client.close()
