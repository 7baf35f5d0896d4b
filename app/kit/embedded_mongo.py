"""The embedded store's process: nx-27017 on a loopback port of the system's choice; run as a script by `embedded`.

It differs from the `nx-27017` command in three things: the port is bound by the server itself (no race for a free one)
and reported in a file; SIGTERM closes the SQLite files; and `$set` of a boolean or a date keeps its type, which
neosqlite's SQL path turns into a number or a string.
"""

import asyncio
import contextlib
import datetime as dt
import os
import signal
import sys
from typing import Any

from neosqlite.collection.query_helper import _sql_updates  # type: ignore[import-untyped]
from nx_27017.handler import NeoSQLiteHandler  # type: ignore[import-untyped]
from nx_27017.server import handle_client  # type: ignore[import-untyped]

_convert_bytes = _sql_updates._convert_bytes_to_binary
_dumps = _sql_updates.neosqlite_json_dumps


class _Typed(dict[str, Any]):
    """A scalar that must travel as JSON, wrapped as the container type that the SQL path sends as JSON."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def _convert(value: Any) -> Any:
    if isinstance(value, bool | dt.datetime):
        return _Typed(value)
    return _convert_bytes(value)


def _dump(value: Any, *args: Any, **kwargs: Any) -> str:
    if isinstance(value, _Typed):
        return str(_dumps(value.value, *args, **kwargs))
    if isinstance(value, list):
        value = [item.value if isinstance(item, _Typed) else item for item in value]
    return str(_dumps(value, *args, **kwargs))


def keep_scalar_types() -> None:
    """Makes neosqlite's SQL updates write booleans and dates as JSON."""
    _sql_updates._convert_bytes_to_binary = _convert
    _sql_updates.neosqlite_json_dumps = _dump


async def serve(data_dir: str, port_file: str) -> None:
    """Serves until SIGTERM.

    Args:
        data_dir: One SQLite file per logical database goes here.
        port_file: Written, whole, once connections are accepted.
    """
    keep_scalar_types()
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

    server = await asyncio.start_server(client, "127.0.0.1", 0)
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
    asyncio.run(serve(sys.argv[1], sys.argv[2]))
