"""What the WhatsApp room needs from above: the mind that answers a chat, the ear for voice notes; the root wires it."""

from dataclasses import dataclass
from typing import Protocol

from app.conversations.models import Conversation


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What the bot writes, in order, joined into one message.

    `hand_over` names why a person goes on, if one does. `opted_out` marks the one confirmation of an opt-out that the
    customer asked for in this message.
    """

    says: tuple[str, ...]
    hand_over: str | None = None
    opted_out: bool = False


class ChatBrain(Protocol):
    """Answers a customer's text while the bot owns the conversation."""

    async def reply(self, conversation: Conversation, text: str) -> ChatReply:
        """Returns what to say. Called for one message of a conversation at a time.

        The implementation keeps its own state by `ConversationService.save_dialogue`, and carries out its own actions
        but two: the handover, which it asks for in the reply, and a whole-message opt-out, which never reaches it.

        Raises:
            AppError: It cannot answer; the customer gets the pack's apology, and a person goes on.
        """
        ...


class VoiceNotes(Protocol):
    """Writes down voice notes with the recogniser of the calls."""

    async def written(self, recording: bytes) -> str:
        """Returns what a recording (Ogg with Opus or Vorbis, MP3, WAV) says, "" where nothing was heard.

        Raises:
            AsrError: It cannot be recognised.
            Unprocessable: It is no recording that can be read, or too long.
        """
        ...
