"""A call's own account of itself: events with their place in time, handed to the sink."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from app.calls.events import CallEvent, CallEventKind, EventSink
from app.calls.playback import Heard
from app.calls.thinking import Thought
from app.conversations.models import Author, TranscriptLine

HIDDEN: Final = "***"
_NEVER_SECRET: Final = frozenset(
    {"human_agent", "stop_contact", "switch_to_whatsapp", "repeat", "wait", "slower", "who_are_you", "no_recording"}
)


class Journal:
    """Writes events of one call and keeps its transcript. Times are seconds of the same clock as `now`."""

    __slots__ = ("_now", "_sink", "_speech_end", "_started_at", "last_words", "last_words_at_ms", "lines")

    def __init__(self, sink: EventSink, now: Callable[[], float]) -> None:
        self._sink = sink
        self._now = now
        self._started_at = now()
        self._speech_end: float | None = None
        self.lines: list[TranscriptLine] = []
        self.last_words = ""
        self.last_words_at_ms: int | None = None

    def start(self) -> None:
        """The call's audio begins here: zero of all positions."""
        self._started_at = self._now()

    def emit(self, kind: CallEventKind, **data: Any) -> None:
        """Writes an event that happens now."""
        self._sink.emit(CallEvent(kind, self._at_ms(self._now()), data))

    def caller_turn(self, thought: Thought, speech_end: float, *, secret: bool = False) -> None:
        """Writes what the caller said and what it was taken to mean.

        Args:
            thought: The turn.
            speech_end: When the caller fell silent.
            secret: What was asked for proves who calls: the words are not written.
        """
        self._speech_end = speech_end
        understood = thought.understanding
        language = understood.language.matrix or thought.state.language
        hidden = secret and (bool(understood.entities) or understood.intent not in _NEVER_SECRET)
        text = HIDDEN if hidden else understood.text
        self._caller_said(text, language, self._at_ms(speech_end))
        words = thought.transcript.words
        endpoint_ms = round((self._now() - speech_end) * 1_000, 1)
        self.emit(
            CallEventKind.CALLER_TURN,
            text=text,
            hidden=hidden,
            by="voice",
            ended_at_ms=self._at_ms(speech_end),
            language=understood.language.matrix,
            reply_language=thought.state.language,
            switch_points=list(understood.language.switch_points),
            intent=understood.intent,
            confidence=round(understood.confidence, 3),
            decided_by=understood.rule,
            asr_confidence=round(thought.transcript.confidence, 3),
            entities=[
                {"kind": entity.kind, "value": HIDDEN if hidden else entity.value} for entity in understood.entities
            ],
            words=len(words),
            stages_ms={"endpoint": endpoint_ms, **thought.stages_ms},
        )

    def key_turn(self, keys: str, language: str, *, secret: bool = False) -> None:
        """Writes what the caller keyed in, unless it proves who calls."""
        self._speech_end = self._now()
        text = HIDDEN if secret else keys
        self._caller_said(text, language, self._at_ms(self._now()))
        self.emit(
            CallEventKind.CALLER_TURN, text=text, hidden=secret, by="keypad", intent="inform", reply_language=language
        )

    def tools_called(self, calls: Iterable[Mapping[str, Any]]) -> None:
        """Writes what a turn did in the tenant's system, without arguments and answers."""
        for call in calls:
            self.emit(CallEventKind.TOOL, **call)

    def agent_turn(self, heard: Heard, first_audio_at: float | None) -> None:
        """Writes a sentence as far as the caller heard it; the first of a reply carries the reply's latency."""
        data: dict[str, Any] = {
            "text": heard.say.text,
            "heard_text": heard.text,
            "heard_ms": heard.heard_ms,
            "complete": heard.complete,
            "language": heard.say.language,
        }
        if heard.say.disclosure is not None:
            data["disclosure"] = heard.say.disclosure
        if self._speech_end is not None and first_audio_at is not None:
            data["reply_ms"] = round((first_audio_at - self._speech_end) * 1_000, 1)
            self._speech_end = None
        if heard.text:
            at_ms = self._at_ms(self._now()) - heard.heard_ms
            self.lines.append(TranscriptLine(Author.BOT, heard.text, heard.say.language, at_ms))
        self.emit(CallEventKind.AGENT_TURN, **data)

    def _caller_said(self, text: str, language: str, at_ms: int) -> None:
        self.last_words, self.last_words_at_ms = text, at_ms
        self.lines.append(TranscriptLine(Author.CUSTOMER, text, language, at_ms))

    def _at_ms(self, when: float) -> int:
        return round((when - self._started_at) * 1_000)
