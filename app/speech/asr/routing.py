"""Several recognisers behind one: each language has its model, and a call finds its own by being heard by all at first.

An utterance of a call whose language is not known runs through every candidate; the one that accounts for most of the
speech with most confidence gives the transcript, and once its final stands, later utterances go to it alone. When a
final falls below `least_score`, the next utterance is heard by all again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from app.errors import ConfigError

from .engine import AsrEngine, AsrStream, Bias, Transcript
from .served import read_description

LEAST_SCORE: Final = 0.45
"""A final below this is no recognition: a model that hears another language seldom reaches it."""

Opener = Callable[[Bias | None], AsrStream]


class CallRoute:
    """One call's way through the candidates: which engine has been kept, None while all are heard."""

    __slots__ = ("_engine", "kept")

    def __init__(self, engine: RoutedEngine) -> None:
        self._engine = engine
        self.kept: int | None = None

    def open_stream(self, bias: Bias | None = None) -> RoutedStream:
        """Opens a stream for the call's next utterance."""
        return self._engine.open_for(self, bias)


class RoutedStream:
    """One utterance: a stream of each candidate, and what each heard last."""

    __slots__ = ("best", "heard", "route", "streams")

    def __init__(self, route: CallRoute, streams: dict[int, AsrStream]) -> None:
        self.route = route
        self.streams = streams
        self.heard: dict[int, Transcript] = {}
        self.best: tuple[int, float] | None = None


def heard_ms(transcript: Transcript) -> float:
    """Returns how long the transcript's words last, each weighed by its confidence."""
    return sum((word.end_ms - word.start_ms) * word.confidence for word in transcript.words)


def compare(heard: Mapping[int, Transcript]) -> tuple[int, float]:
    """Returns the candidate that heard best, and its score from 0 to 1.

    A score is the confident part of the longest speech that any candidate found: a model that is sure of the two words
    it caught loses to one that is fairly sure of the whole sentence.

    Args:
        heard: each candidate's transcript; not empty. Of equals the first wins.
    """
    longest = max(sum(word.end_ms - word.start_ms for word in transcript.words) for transcript in heard.values())
    if longest <= 0:
        return next(iter(heard)), 0.0
    scores = {candidate: heard_ms(transcript) / longest for candidate, transcript in heard.items()}
    best = max(scores, key=scores.__getitem__)
    return best, scores[best]


class RoutedEngine:
    """Implements `AsrEngine` over the engines of several languages; not thread-safe, as they are not."""

    def __init__(self, engines: Mapping[str, AsrEngine], least_score: float = LEAST_SCORE) -> None:
        """Takes an engine per language (BCP-47); languages may share one, which then runs once.

        Raises:
            ConfigError: There is no engine.
        """
        if not engines:
            raise ConfigError("VAANISETU_ASR_MODELS names no model; map at least one language to one")
        self._engines = list({id(engine): engine for engine in engines.values()}.values())
        self.languages = tuple(engines)
        self._least_score = least_score
        self.chunk_ms = max(engine.chunk_ms for engine in self._engines)

    @property
    def candidates(self) -> int:
        """How many different models hear an utterance whose language is not known."""
        return len(self._engines)

    def open_call(self) -> CallRoute:
        """Returns the route of a new call."""
        return CallRoute(self)

    def open_stream(self, bias: Bias | None = None) -> RoutedStream:
        """Opens a stream of a call that is not remembered: every candidate hears it."""
        return self.open_for(CallRoute(self), bias)

    def open_for(self, route: CallRoute, bias: Bias | None) -> RoutedStream:
        """Opens a stream of a call: for the engine that was kept, or for all."""
        wanted = range(len(self._engines)) if route.kept is None else (route.kept,)
        return RoutedStream(route, {index: self._engines[index].open_stream(bias) for index in wanted})

    def push(self, stream: RoutedStream, mulaw: bytes) -> None:
        """Adds 8 kHz mu-law audio of any length to a stream."""
        for index, part in stream.streams.items():
            self._engines[index].push(part, mulaw)

    def is_due(self, stream: RoutedStream) -> bool:
        """Tells whether any candidate has a whole chunk."""
        return any(self._engines[index].is_due(part) for index, part in stream.streams.items())

    def step(self, streams: Sequence[RoutedStream]) -> list[Transcript | None]:
        """Advances every stream, each model running once for all of its streams.

        Returns:
            The partial of the candidate that hears best so far, where it changed; None elsewhere.
        """
        before = [self._partial(stream) for stream in streams]
        for index, engine in enumerate(self._engines):
            mine = [stream for stream in streams if index in stream.streams]
            if mine:
                for stream, partial in zip(mine, engine.step([item.streams[index] for item in mine]), strict=True):
                    if partial is not None:
                        stream.heard[index] = partial
        after = [self._partial(stream) for stream in streams]
        return [new if new is not old else None for old, new in zip(before, after, strict=True)]

    def _partial(self, stream: RoutedStream) -> Transcript | None:
        return stream.heard[compare(stream.heard)[0]] if stream.heard else None

    def finish(self, streams: Sequence[RoutedStream]) -> list[Transcript]:
        """Returns the best candidate's finals, leaving the streams as they were; may be called again as more comes."""
        finals: list[dict[int, Transcript]] = [{} for _ in streams]
        for index, engine in enumerate(self._engines):
            mine = [at for at, stream in enumerate(streams) if index in stream.streams]
            if mine:
                for at, final in zip(mine, engine.finish([streams[at].streams[index] for at in mine]), strict=True):
                    finals[at][index] = final
        for stream, heard in zip(streams, finals, strict=True):
            stream.best = compare(heard)
        return [heard[stream.best[0]] for stream, heard in zip(streams, finals, strict=True) if stream.best]

    def close_stream(self, stream: RoutedStream) -> None:
        """Gives back what a stream holds; what its last final showed decides who hears the call's next utterance."""
        for index, part in stream.streams.items():
            self._engines[index].close_stream(part)
        stream.streams = {}
        if stream.best is not None:
            kept, score = stream.best
            stream.route.kept = kept if score >= self._least_score else None
            stream.best = None


def opener_of(engine: AsrEngine) -> Opener:
    """Returns what opens the streams of one call: a routed engine remembers the call, any other has nothing to."""
    return engine.open_call().open_stream if isinstance(engine, RoutedEngine) else engine.open_stream


def engine_for(model: Path) -> str:
    """Returns the engine that a model was made for: what its directory says, and `nemo` for a `.nemo` file.

    Raises:
        ModelError: The directory is no served model.
    """
    return str(read_description(model).get("engine", "onnx")) if model.is_dir() else "nemo"


def load_routed(models: Mapping[str, Path], load: Callable[[Path], AsrEngine]) -> RoutedEngine:
    """Loads each different model of a language map once.

    Args:
        models: a model by language; the same path for languages that share one.
        load: loads one model.

    Raises:
        ConfigError: The map is empty.
    """
    loaded = {path: load(path) for path in dict.fromkeys(models.values())}
    return RoutedEngine({language: loaded[path] for language, path in models.items()})
