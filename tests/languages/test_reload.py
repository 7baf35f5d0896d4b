"""Packs are read again beside the calls: what is right is taken in every process, what is wrong changes nothing."""

import asyncio
import shutil
from pathlib import Path
from typing import cast

import pytest
from redis.asyncio import Redis

from app.dialogue.engine import DialogueEngine
from app.errors import PackError
from app.kit.signals import Signals
from app.language.loader import PackRegistry
from app.language.packs import Pack
from app.languages.mind import LiveMind, LivePacks, Mind, train_apart
from app.languages.reload import PackReloads
from app.nlu.understander import Understander

pytestmark = pytest.mark.integration


def say_otherwise(packs: Path, text: str = "Let me look.") -> None:
    path = packs / "en-IN" / "responses.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    at = lines.index("checking:")
    path.write_text("\n".join([*lines[: at + 1], f"  - {text}", *lines[at + 1 :]]) + "\n", encoding="utf-8")


def packs_only(registry: PackRegistry, models_dir: Path) -> Mind:
    """Makes a mind without what it takes seconds to build; these tests ask it for nothing but its packs."""
    return Mind(registry, cast(Understander, None), cast(DialogueEngine, None))


@pytest.fixture
def live(packs: Path, models_dir: Path) -> LiveMind:
    return LiveMind(packs_only(PackRegistry.open(packs), models_dir))


def trains_nothing(packs: tuple[Pack, ...], models_dir: Path) -> None:
    """Stands for the training process where sentences do not change, so that the model is in the cache."""


async def test_a_change_serves_new_calls_and_live_ones_keep_theirs(
    live: LiveMind, packs: Path, models_dir: Path, redis_client: Redis
) -> None:
    reloads = PackReloads(live, models_dir, Signals(redis_client), train=trains_nothing, make=packs_only)
    followed: list[Mind] = []

    async def follow(mind: Mind) -> None:
        followed.append(mind)

    reloads.follow(follow)
    old, view = live.current, LivePacks(live)
    say_otherwise(packs)
    reading = await reloads.request()
    assert list(reading.taken) == ["en-IN"] and reading.unchanged == ("hi-IN",)
    await reloads.settled()
    assert followed == [live.current] and live.current is not old
    assert view["en-IN"].responses["checking"][0] == "Let me look."
    assert view["en-IN"].version == reading.taken["en-IN"]
    assert old.registry.get("en-IN").responses["checking"][0] != "Let me look."
    assert dict(view) == {pack.tag: pack for pack in live.current.registry.packs} and "ta-IN" not in view


async def test_nothing_new_changes_nothing(live: LiveMind, packs: Path, models_dir: Path, redis_client: Redis) -> None:
    reloads = PackReloads(live, models_dir, Signals(redis_client), train=trains_nothing, make=packs_only)
    old = live.current
    reading = await reloads.request()
    await reloads.settled()
    assert not reading.taken and not reading.rejected and live.current is old


async def test_a_bad_pack_is_rejected_and_what_served_goes_on(
    live: LiveMind, packs: Path, models_dir: Path, redis_client: Redis
) -> None:
    reloads = PackReloads(live, models_dir, Signals(redis_client), train=trains_nothing, make=packs_only)
    say_otherwise(packs, "Look, {here}.")
    shutil.copytree(packs / "hi-IN", packs / "mr-IN")
    old = live.current
    reading = await reloads.request()
    await reloads.settled()
    assert live.current is old and not reading.taken
    found = {report.tag: report.faults[0] for report in reading.rejected}
    assert set(found) == {"en-IN", "mr-IN"}
    assert found["en-IN"].file == "responses.yaml" and found["en-IN"].line and "must hold" in found["en-IN"].cure
    assert found["mr-IN"].key == "tag"


async def test_another_contract_waits_for_the_next_start(
    live: LiveMind, packs: Path, models_dir: Path, redis_client: Redis
) -> None:
    path = packs / "contract.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("checking: {}", "checking: {}\n  more: {}"), "utf-8")
    with pytest.raises(PackError, match="next start"):
        await PackReloads(live, models_dir, Signals(redis_client), train=trains_nothing, make=packs_only).request()


async def test_a_training_that_fails_leaves_the_mind_that_serves(
    live: LiveMind, packs: Path, models_dir: Path, redis_client: Redis
) -> None:
    def fails(packs: tuple[Pack, ...], models_dir: Path) -> None:
        raise RuntimeError("the training process died")

    old = live.current
    reloads = PackReloads(live, models_dir, Signals(redis_client), train=fails, make=packs_only)
    say_otherwise(packs)
    await reloads.request()
    await reloads.settled()
    assert live.current is old


async def test_every_process_learns_of_it(live: LiveMind, packs: Path, models_dir: Path, redis_client: Redis) -> None:
    other = LiveMind(live.current)
    elsewhere = PackReloads(other, models_dir, Signals(redis_client), train=trains_nothing, make=packs_only)
    here = PackReloads(live, models_dir, Signals(redis_client), train=trains_nothing, make=packs_only)
    taken = asyncio.Event()

    async def note(mind: Mind) -> None:
        taken.set()

    elsewhere.follow(note)
    listening = asyncio.create_task(elsewhere.listen())
    try:
        for _ in range(500):
            if dict(await redis_client.pubsub_numsub("signals:service")).get(b"signals:service"):
                break
            await asyncio.sleep(0.01)
        say_otherwise(packs)
        await here.request()
        await asyncio.wait_for(taken.wait(), 30)
        assert "Let me look." in other.current.registry.get("en-IN").responses["checking"]
        await here.settled()
        assert live.current.registry.versions == other.current.registry.versions
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await elsewhere.close()


@pytest.mark.slow
def test_training_apart_leaves_a_model_for_these_packs(packs: Path, tmp_path: Path) -> None:
    train_apart(PackRegistry.open(packs).packs[:1], tmp_path)
    assert list((tmp_path / "nlu").glob("*.npz"))
