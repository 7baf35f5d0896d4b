"""The embedded store's process: nx-27017 on a loopback port; `embedded` runs it as a child.

It differs from the `nx-27017` command in this: the server binds the port itself and reports it in a file, SIGTERM
closes the SQLite files, and filters and updates go through `embedded_operators`, so that they mean what they mean to
MongoDB in every command and use the indexes. docs/decisions/0001-store-subset.md says why.
"""

import asyncio
import contextlib
import copy
import os
import signal
import sys
from typing import Any

from neosqlite.collection.cursor import Cursor
from neosqlite.collection.json_helpers import neosqlite_json_dumps
from neosqlite.collection.query_helper import QueryHelper
from neosqlite.collection.query_helper.utils import _convert_bytes_to_binary
from neosqlite.collection.sql_translator_unified import SQLTranslator
from neosqlite.sql_utils import quote_table_name
from nx_27017.handler import NeoSQLiteHandler
from nx_27017.server import handle_client

from app.kit.embedded_operators import apply_update, to_sql


def _where(_: Any, query: dict[str, Any]) -> tuple[str, list[Any], list[str]]:
    condition, parameters = to_sql(query)
    return f"WHERE {condition}", parameters, []


def _match(_: Any, query: dict[str, Any], *__: Any) -> tuple[str, list[Any]]:
    condition, parameters = to_sql(query)
    return f"WHERE {condition}", parameters


def _perform_update(
    helper: Any, doc_id: Any, update: dict[str, Any], original: dict[str, Any], *_: Any
) -> tuple[dict[str, Any], bool]:
    changed = copy.deepcopy(original)
    apply_update(changed, update, inserting=doc_id == 0)
    if doc_id != 0:
        helper.collection.db.execute(
            f"UPDATE {quote_table_name(helper.collection.name)} SET data = ? WHERE id = ?",
            (neosqlite_json_dumps(_convert_bytes_to_binary(changed)), helper._get_integer_id_for_oid(doc_id)),
        )
    return changed, changed != original


def correct_neosqlite() -> None:
    """Gives neosqlite one meaning of filters and updates, and text JSON under every SQLite version."""
    QueryHelper._can_use_sql_updates = lambda *_, **__: False
    QueryHelper._perform_python_update = _perform_update
    QueryHelper._build_simple_where_clause = _where
    SQLTranslator.translate_match = _match
    Cursor._contains_datetime_operations = lambda *_: False
    for name, module in tuple(sys.modules.items()):
        if name.startswith("neosqlite"):
            for probe in {"supports_jsonb", "supports_jsonb_each"} & vars(module).keys():
                setattr(module, probe, lambda *_: False)


async def serve(data_dir: str, port_file: str, port: int = 0) -> None:
    """Serves until SIGTERM.

    Args:
        data_dir: One SQLite file per logical database goes here.
        port_file: Written, whole, once connections are accepted.
        port: Where to listen; 0: where the system likes.
    """
    correct_neosqlite()
    handler = NeoSQLiteHandler(data_dir=data_dir)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    clients: set[asyncio.Task[None]] = set()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            clients.add(task)
            task.add_done_callback(clients.discard)
        with contextlib.suppress(asyncio.CancelledError):
            await handle_client(reader, writer, handler)

    server = await asyncio.start_server(client, "127.0.0.1", port)
    port = server.sockets[0].getsockname()[1]
    with open(port_file + ".new", "w") as file:  # noqa: ASYNC230
        file.write(str(port))
    os.replace(port_file + ".new", port_file)
    await stop.wait()
    server.close()
    for task in tuple(clients):
        task.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    handler.close_all()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))
