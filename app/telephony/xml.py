"""What the carrier is told to do, as Plivo's answer XML; built by its SDK, sent by `webhooks`."""

from typing import Final, Literal

from plivo.xml import DialElement, HangupElement, NumberElement, ResponseElement, StreamElement

CONTENT_TYPE: Final = "audio/x-mulaw;rate=8000"
DIAL_SECONDS: Final = 30
EMPTY: Final = "<Response/>"


def stream(socket_url: str, *, status_url: str, timeout_seconds: int) -> str:
    """Returns the XML that opens the call's media socket; when the socket closes in order, the call ends.

    Args:
        socket_url: `wss://...` with the call's token.
        status_url: Where the carrier reports on the stream.
        timeout_seconds: The longest a stream may last.
    """
    element = StreamElement(
        socket_url,
        bidirectional=True,
        audioTrack="inbound",
        streamTimeout=timeout_seconds,
        statusCallbackUrl=status_url,
        statusCallbackMethod="POST",
        contentType=CONTENT_TYPE,
        keepCallAlive=True,
    )
    return str(ResponseElement().add(element).to_string(pretty=False))


def hang_up(reason: Literal["rejected", "busy"] | None = None) -> str:
    """Returns the XML that ends the call, with a reason if it was not answered yet."""
    return str(ResponseElement().add(HangupElement(reason=reason)).to_string(pretty=False))


def dial(number: str, *, caller_id: str | None, action_url: str) -> str:
    """Returns the XML that connects the caller to a person.

    Args:
        number: E.164.
        caller_id: Our number, E.164, shown to the person who is rung.
        action_url: Asked when the person was not reached or has hung up.
    """
    element = DialElement(
        action=action_url,
        method="POST",
        timeout=DIAL_SECONDS,
        caller_id=caller_id.lstrip("+") if caller_id else None,
    )
    element.add(NumberElement(number.lstrip("+")))
    return str(ResponseElement().add(element).to_string(pretty=False))
