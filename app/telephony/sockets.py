"""The server's WebSocket protocol for media: uvicorn's own, which need not stop and start reading at every frame."""

from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MOST_WAITING: Final = 64
"""Messages that may wait for a socket's reader before reading from the network pauses; a second of audio is 50."""


class MediaSocketProtocol(WebSocketsSansIOProtocol):
    """Pauses reading only when messages pile up.

    uvicorn 0.54 pauses the transport after each message and resumes it when the application takes it: two system calls
    and a turn of the event loop for every 20 ms of every call, about a third of what a silent frame costs.
    """

    def send_receive_event_to_app(self) -> None:
        """Hands a whole message to the application; see `WebSocketsSansIOProtocol`."""
        few = not self.read_paused and self.queue.qsize() < MOST_WAITING
        if few:
            self.read_paused = True  # keeps the parent from pausing the transport
        super().send_receive_event_to_app()
        if few:
            self.read_paused = False
