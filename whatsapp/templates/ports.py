"""What the room of templates needs from above: a way to tell a tenant's listeners."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Publish = Callable[[str, Mapping[str, Any]], Awaitable[None]]
"""Tells a tenant's listeners what changed: a `type` and ids. Never raises."""
