"""What the carrier is told to do, as Plivo's answer XML; built by its SDK, sent by `webhooks`."""

from typing import Final, Literal

from plivo.xml import DialElement, HangupElement, NumberElement, PlayElement, ResponseElement, StreamElement

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


def play_and_hang_up(audio_url: str) -> str:
    """Returns the XML that plays one recording and ends the call."""
    return str(ResponseElement().add(PlayElement(audio_url)).add(HangupElement()).to_string(pretty=False))


def play(audio_url: str) -> str:
    """Returns the XML that plays one recording: what a person hears before they are joined."""
    return str(ResponseElement().add(PlayElement(audio_url)).to_string(pretty=False))


def dial(
    number: str, *, caller_id: str | None, action_url: str, whisper_url: str | None = None, first_url: str | None = None
) -> str:
    """Returns the XML that connects the caller to a person.

    Args:
        number: E.164.
        caller_id: Our number, E.164, shown to the person who is rung.
        action_url: Asked when the person was not reached or has hung up.
        whisper_url: Asked when the person answers; they hear its XML before the caller is joined.
        first_url: A recording that the caller hears before.
    """
    element = DialElement(
        action=action_url,
        method="POST",
        timeout=DIAL_SECONDS,
        confirm_sound=whisper_url,
        caller_id=caller_id.lstrip("+") if caller_id else None,
    )
    element.add(NumberElement(number.lstrip("+")))
    response = ResponseElement()
    if first_url is not None:
        response.add(PlayElement(first_url))
    return str(response.add(element).to_string(pretty=False))
