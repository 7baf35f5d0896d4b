"""Keys pressed during a call: collected until `#`, enough digits or a pause, then given on as one entry."""

from collections.abc import Callable
from typing import Final

from app.calls.lifetime import Lifetime

PAUSE_SECONDS: Final = 2.5
_TIMER: Final = "keypad"


class Keypad:
    """The entry that a caller is typing."""

    __slots__ = ("_enter", "_keys", "_life")

    def __init__(self, life: Lifetime, enter: Callable[[str], None]) -> None:
        """Creates an empty entry.

        Args:
            life: Owns the timer.
            enter: Takes the digits of an entry that is over; "" if it held none.
        """
        self._life = life
        self._enter = enter
        self._keys = ""

    @property
    def in_use(self) -> bool:
        """Whether an entry has begun and is not over."""
        return bool(self._keys)

    def press(self, key: str, most: int | None) -> None:
        """Takes a key.

        Args:
            key: One of 0-9, *, # and A-D.
            most: How many digits end the entry; None: only `#` or a pause does.
        """
        if key != "#":
            self._keys += key
        if key == "#" or (most is not None and len(self._keys) >= most):
            self._finish()
        else:
            self._life.after(_TIMER, PAUSE_SECONDS, self._finish)

    def _finish(self) -> None:
        self._life.cancel(_TIMER)
        keys, self._keys = "".join(filter(str.isdigit, self._keys)), ""
        self._enter(keys)
