"""What a caller must be told before anything else: owed until it was heard to its end, and never talked past."""

import asyncio
from dataclasses import replace

from app.calls.playback import Heard
from app.dialogue.turn import Reply, Say


class Opening:
    """The disclosures of one call. While it is open nothing that the caller says or keys is answered, but an opt-out.

    A failed stage may interrupt it once: then what is owed is said again. A second failure closes it for good, and the
    call must not go on without a person.
    """

    __slots__ = ("_again", "_closed", "_owed", "_reply")

    def __init__(self) -> None:
        self._reply = Reply(())
        self._owed: list[Say] = []
        self._again = False
        self._closed = asyncio.Event()
        self._closed.set()

    @property
    def is_open(self) -> bool:
        """Whether a disclosure has still to be heard."""
        return not self._closed.is_set()

    def begin(self, reply: Reply) -> None:
        """Owes the disclosures of the opening."""
        self._reply = reply
        self._owed = [say for say in reply.says if say.disclosure is not None]
        if self._owed:
            self._closed.clear()

    def on_heard(self, heard: Heard) -> None:
        """Strikes off a disclosure that was heard to its end."""
        if heard.complete and heard.say in self._owed:
            self._owed.remove(heard.say)
            if not self._owed:
                self.close()

    def close(self) -> None:
        """Nothing is owed any more: all was heard, or the call takes another way."""
        self._owed.clear()
        self._closed.set()

    async def closed(self) -> None:
        """Waits until nothing is owed."""
        await self._closed.wait()

    def once_more(self) -> Reply | None:
        """Returns all that is owed and the question after it; None if it was said again before."""
        if self._again:
            return None
        self._again = True
        question = tuple(say for say in self._reply.says if say.disclosure is None)
        return replace(self._reply, says=(*self._owed, *question))

    @property
    def was_repeated(self) -> bool:
        """Whether what was owed has been said again already."""
        return self._again
