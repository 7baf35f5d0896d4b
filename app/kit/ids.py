"""Ids that say what they name and sort by time: `call_01J...`."""

from ulid import ULID


def new_id(prefix: str) -> str:
    """Returns `<prefix>_<ulid>`, lower case, sortable by creation time.

    Args:
        prefix: The resource's short name: `call`, `agent`, `conv`, `msg` ...
    """
    return f"{prefix}_{str(ULID()).lower()}"
