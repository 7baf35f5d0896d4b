"""Speaking from the media process: synthesis by a speech worker, with every repeatable phrase kept as mu-law."""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from app.errors import SpeechWorkerLost, TtsError
from app.speech import wire
from app.speech.metrics import SpeechMetrics
from app.speech.process import WorkerProcess
from app.speech.tts.engine import Voice

_FIRST_AUDIO_SECONDS: Final = 3.0
_CACHE_BYTES: Final = 64 << 20

PhraseKey = tuple[str, Voice]


class PhraseCache:
    """Least recently used audio by (text, voice), bounded in bytes. Pinned phrases stay."""

    def __init__(self, limit_bytes: int = _CACHE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._audio: OrderedDict[PhraseKey, bytes] = OrderedDict()
        self._pinned: dict[PhraseKey, bytes] = {}
        self._size_bytes = 0

    def get(self, key: PhraseKey) -> bytes | None:
        """Returns the phrase's mu-law, or None."""
        if key in self._audio:
            self._audio.move_to_end(key)
            return self._audio[key]
        return self._pinned.get(key)

    def put(self, key: PhraseKey, mulaw: bytes, *, pinned: bool = False) -> None:
        """Keeps a phrase; the least recently used ones make room."""
        if pinned:
            self._pinned[key] = mulaw
            return
        self._size_bytes += len(mulaw) - len(self._audio.pop(key, b""))
        self._audio[key] = mulaw
        while self._size_bytes > self._limit_bytes:
            self._size_bytes -= len(self._audio.popitem(last=False)[1])


class Mouth:
    """The synthesis of a media process, shared by its calls."""

    def __init__(self, metrics: SpeechMetrics | None = None) -> None:
        self._metrics = metrics
        self._worker = WorkerProcess("speak", [], on_message=self._take, on_ready=lambda: None, on_lost=self._lose)
        self._requests: dict[int, asyncio.Queue[bytes | Exception | None]] = {}
        self._numbers = itertools.count(1)
        self._cache = PhraseCache()

    @property
    def worker(self) -> WorkerProcess:
        """The process behind the mouth."""
        return self._worker

    async def start(self) -> None:
        """Starts the worker and waits until its voices are loaded."""
        await self._worker.start()

    async def close(self) -> None:
        """Ends the worker."""
        await self._worker.close()

    def cached(self, text: str, voice: Voice) -> bytes | None:
        """Returns the phrase as 8 kHz mu-law if it was spoken before."""
        return self._cache.get((text, voice))

    async def prepare(self, phrases: Iterable[PhraseKey], *, pinned: bool = False) -> None:
        """Synthesises phrases ahead of need; pinned ones are never dropped (they must sound while the worker is down).

        Raises:
            TtsError: A voice is unknown.
            SpeechWorkerLost: The worker died.
        """
        for text, voice in phrases:
            key = (text, voice)
            mulaw = self._cache.get(key)
            if mulaw is None:
                mulaw = b"".join([chunk async for chunk in self.speak(text, voice)])
            if pinned:
                self._cache.put(key, mulaw, pinned=True)

    async def speak(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        """Yields the text as 8 kHz mono mu-law, a phrase at a time; kept for the next time.

        Raises:
            TtsError: The voice is unknown or nothing came in time.
            SpeechWorkerLost: The worker died.
        """
        key = (text, voice)
        if (kept := self._cache.get(key)) is not None:
            yield kept
            return
        chunks: list[bytes] = []
        async for chunk in self._request(text, voice):
            chunks.append(chunk)
            yield chunk
        self._cache.put(key, b"".join(chunks))

    async def _request(self, text: str, voice: Voice) -> AsyncIterator[bytes]:
        number = next(self._numbers)
        queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self._requests[number] = queue
        try:
            self._worker.send([wire.SPEAK, number, text, voice.name, voice.rate_wpm, voice.pitch])
            while True:
                async with asyncio.timeout(_FIRST_AUDIO_SECONDS):
                    item = await queue.get()
                if item is None:
                    return
                if isinstance(item, Exception):
                    raise item
                yield item
        except TimeoutError as error:
            raise TtsError(f"no audio within {_FIRST_AUDIO_SECONDS} s") from error
        finally:
            self._requests.pop(number, None)

    def _take(self, message: list[Any]) -> None:
        match message:
            case [wire.SPEECH, request, mulaw, last]:
                if queue := self._requests.get(request):
                    queue.put_nowait(None if last else mulaw)
            case [wire.FAILED, request, detail]:
                if queue := self._requests.get(request):
                    queue.put_nowait(TtsError(detail))

    def _lose(self) -> None:
        if self._metrics is not None:
            self._metrics.restarts.labels("speak").inc()
        for queue in self._requests.values():
            queue.put_nowait(SpeechWorkerLost("the speak worker died"))
