"""The WebSocket protocol of the server: uvicorn's own, with a shorter way for the 50 messages a second of a call."""

from collections.abc import Callable
from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION: Final = "vaanisetu.media"
"""Under this name a socket's scope offers its protocol to the application."""

MOST_WAITING: Final = 64
"""Messages that may wait for a socket's reader before reading from the network pauses; a second of audio is 50."""

OnText = Callable[[bytes], None]


class MediaSocketProtocol(WebSocketsSansIOProtocol):
    """Hands text messages to a callback once the application asks for it, and pauses reading only when they pile up.

    uvicorn 0.54 wakes a task for each message, and pauses the transport after each and resumes it when the task takes
    the message: two system calls and two turns of the event loop for every 20 ms of every call.
    """

    on_text: OnText | None = None

    def divert(self, on_text: OnText) -> None:
        """Calls `on_text` with each further text message, UTF-8 as received, instead of queueing it; it must not raise.

        All else, the end of the socket included, still comes through `receive`.
        """
        self.on_text = on_text

    async def run_asgi(self) -> None:
        """Runs the application, which finds this object in the scope's extensions."""
        self.scope["extensions"][EXTENSION] = self  # type: ignore[assignment]
        await super().run_asgi()

    def send_receive_event_to_app(self) -> None:
        """Hands a whole message to the application; see `WebSocketsSansIOProtocol`."""
        if self.on_text is not None and self.curr_msg_data_type == "text" and not self.close_sent:
            frames, self.frames = self.frames, []
            self.on_text(frames[0] if len(frames) == 1 else b"".join(frames))
            return
        few = not self.read_paused and self.queue.qsize() < MOST_WAITING
        if few:
            self.read_paused = True  # keeps the parent from pausing the transport
        super().send_receive_event_to_app()
        if few:
            self.read_paused = False
