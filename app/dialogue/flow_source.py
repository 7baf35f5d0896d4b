"""Reads flow files and holds them against the packs' contract and the tools; every fault with file, line and reason."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from app.dialogue.escalation import Trigger
from app.dialogue.flow import ADAPTER, ANY_ANSWER, CourtesyFlow, Flow, Flows, FrameFlow, HandoffFlow, OptOutFlow
from app.dialogue.turn import ActionKind
from app.errors import ConfigError
from app.kit.yaml_lines import line_of, repeated_keys
from app.language.contract import Contract
from app.language.render import slots_of

FLOWS_DIR = Path(__file__).parent / "flows"
_ENTITIES = frozenset({"reason", "address", "item", "city", "person"})
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LONGEST_FILE = 64_000


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """What a flow must know of a tool's contract.

    Attributes:
        write: Whether it changes something.
        arguments: All that it takes.
        required: Those that it cannot do without.
        answers: Field of its answer -> the values that it may have, for fields that have a list of them.
        fields: All fields of its answer.
    """

    write: bool
    arguments: frozenset[str]
    required: frozenset[str]
    answers: Mapping[str, frozenset[str]]
    fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class FlowFault:
    """One fault of a flow file, where it stands and what would be right."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class FlowFaults(ConfigError):
    """The flows are wrong; `faults` says each place."""

    code = "flows_invalid"
    status = 422

    def __init__(self, faults: list[FlowFault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)


def default_sources() -> dict[str, str]:
    """Returns the shipped flow files: name -> text."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(FLOWS_DIR.glob("*.yaml"))}


def load_flows(
    sources: Mapping[str, str] | None = None,
    *,
    contract: Contract | None = None,
    tools: Mapping[str, ToolFacts] | None = None,
    languages: Collection[str] | None = None,
    version: str = "default",
) -> Flows:
    """Reads and checks a set of flows.

    Args:
        sources: File name -> YAML text; the shipped ones when not given.
        contract: The packs' contract, whose responses, disclosures and intents the flows may name.
        tools: Contracts of the tools, by name; None leaves tools unchecked.
        languages: BCP-47 tags of the packs, in which flows may bring sentences; None leaves languages unchecked.
        version: What the set is called.

    Raises:
        FlowFaults: A file is no flow, an intent starts two flows, a kind is missing, or a name means nothing.
    """
    files = default_sources() if sources is None else dict(sources)
    faults: list[FlowFault] = []
    read: list[tuple[str, yaml.Node, Flow]] = []
    for file, text in sorted(files.items()):
        found = _read(file, text)
        if isinstance(found, list):
            faults += found
        else:
            read.append((file, *found))
    faults += _clashes(read)
    faults += [fault for file, node, flow in read for fault in _owed(file, node, flow)]
    for file, node, flow in read:
        faults += _check(file, node, flow, contract, tools)
        if isinstance(flow, FrameFlow):
            faults += _sentences(file, node, flow, contract, languages)
    flows = [flow for _, _, flow in read]
    handoffs = [flow for flow in flows if isinstance(flow, HandoffFlow)]
    opt_outs = [flow for flow in flows if isinstance(flow, OptOutFlow)]
    courtesies = [flow for flow in flows if isinstance(flow, CourtesyFlow)]
    if not faults and not (handoffs and opt_outs and courtesies):
        faults.append(FlowFault("flows", 1, "one flow each of kind handoff, opt_out and courtesies is needed"))
    if faults:
        raise FlowFaults(faults)
    frames = [flow for flow in flows if isinstance(flow, FrameFlow)]
    return Flows(frames, handoffs[0], opt_outs[0], courtesies[0], version)


def _read(file: str, text: str) -> tuple[yaml.Node, Flow] | list[FlowFault]:
    if len(text) > _LONGEST_FILE:
        return [FlowFault(file, 1, f"is longer than {_LONGEST_FILE} characters: split it")]
    try:
        node = yaml.compose(text, Loader=_LOADER)
        raw = yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return [
            FlowFault(file, mark.line + 1 if mark else 1, f"not readable as YAML: {getattr(error, 'problem', error)}")
        ]
    if node is None or not isinstance(raw, dict):
        return [FlowFault(file, 1, "holds no mapping; write `key: value` lines")]
    if twice := repeated_keys(node):
        return [FlowFault(file, line, f"the key {key!r} stands twice") for key, line in twice]
    try:
        return node, ADAPTER.validate_python(raw)
    except ValidationError as error:
        return [
            FlowFault(file, line_of(node, fault["loc"]), f"{_place(fault['loc'])}: {fault['msg']}")
            for fault in error.errors()
        ]


def _place(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in loc[1:]) or "file"


def _clashes(read: list[tuple[str, yaml.Node, Flow]]) -> Iterator[FlowFault]:
    owners: dict[str, str] = {}
    names: dict[str, str] = {}
    single: dict[str, str] = {}
    for file, node, flow in read:
        for intent in flow.intents:
            if intent in owners:
                where = line_of(node, ("intents", intent))
                yield FlowFault(file, where, f"intent {intent} already starts {owners[intent]}; remove it from one")
            owners[intent] = flow.name
        if flow.name in names:
            yield FlowFault(file, line_of(node, ("name",)), f"{names[flow.name]} has the name {flow.name} too")
        names[flow.name] = file
        if not isinstance(flow, FrameFlow):
            if flow.kind in single:
                yield FlowFault(file, line_of(node, ("kind",)), f"a second flow of kind {flow.kind}; keep one")
            single[flow.kind] = file


def _owed(file: str, node: yaml.Node, flow: Flow) -> Iterator[FlowFault]:
    """Finds what no flow may take from callers: a person, an end of contact, of recording, and word of who speaks.

    Source: rules IN-08, US-06 (opting out), IN-17, US-08 (recording), EU-01 (an AI says that it is one).
    """
    line = line_of(node, ("intents",))
    if isinstance(flow, HandoffFlow):
        asked = flow.intents.get("human_agent")
        if asked is None or asked.trigger is not Trigger.EXPLICIT_REQUEST:
            cure = "human_agent must be handed over, without a trigger: who asks for a person gets one"
            yield FlowFault(file, line, cure)
    elif isinstance(flow, OptOutFlow):
        if "stop_contact" not in flow.intents or flow.disclosure != "opt_out_confirmation":
            yield FlowFault(file, line, "stop_contact must be an opt-out, confirmed by opt_out_confirmation")
    elif isinstance(flow, CourtesyFlow):
        recording, name = flow.intents.get("no_recording"), flow.intents.get("who_are_you")
        if recording is None or recording.action is not ActionKind.STOP_RECORDING:
            yield FlowFault(file, line, "no_recording must have the action stop_recording")
        if name is None or not {"entity", "ai"} <= set(name.disclosures):
            yield FlowFault(file, line, "who_are_you must disclose entity and ai")


def _check(
    file: str, node: yaml.Node, flow: Flow, contract: Contract | None, tools: Mapping[str, ToolFacts] | None
) -> Iterator[FlowFault]:
    own = flow.sentences if isinstance(flow, FrameFlow) else {}
    if contract is not None:
        for key in dict.fromkeys(flow.keys()):
            if key not in contract.responses and key not in own:
                yield FlowFault(file, _mention(node, key) or 1, f"response {key} is not in the packs' contract")
        disclosed = (
            {d for c in flow.intents.values() for d in c.disclosures} if isinstance(flow, CourtesyFlow) else set()
        )
        disclosed |= {flow.disclosure} if isinstance(flow, OptOutFlow) else set()
        for key in sorted(disclosed - contract.disclosures.keys()):
            yield FlowFault(file, _mention(node, key) or 1, f"disclosure {key} is not in the packs' contract")
    if isinstance(flow, FrameFlow):
        yield from _slots(file, node, flow)
        if contract is not None:
            yield from _fillings(file, node, flow, contract)
        if tools is not None and flow.tool is not None:
            yield from _tool(file, node, flow, tools)


def _sentences(
    file: str, node: yaml.Node, flow: FrameFlow, contract: Contract | None, languages: Collection[str] | None
) -> Iterator[FlowFault]:
    """Finds sentences that nobody would ever hear: under a key that nothing says, or for a language without a pack."""
    spoken = set(flow.keys())
    for key, by_tag in flow.sentences.items():
        if contract is not None and key not in spoken and key not in contract.responses:
            reason = f"sentences.{key}: neither a response of the packs' contract nor said by this flow"
            yield FlowFault(file, line_of(node, ("sentences", key)), f"{reason}; name it in the flow or remove it")
        for tag, variants in by_tag.items():
            where, place = line_of(node, ("sentences", key, tag)), f"sentences.{key}.{tag}"
            if languages is not None and tag not in languages:
                reason = f"{place}: no pack has the language {tag}; there are {', '.join(sorted(languages))}"
                yield FlowFault(file, where, reason)
            if not variants or not all(text.strip() for text in variants):
                yield FlowFault(file, where, f"{place}: says nothing; write a sentence or remove it")


def _slots(file: str, node: yaml.Node, flow: FrameFlow) -> Iterator[FlowFault]:
    seen: set[str] = set()
    for index, slot in enumerate(flow.slots):
        where = line_of(node, ("slots", index))
        if slot.name in seen:
            yield FlowFault(file, where, f"slot {slot.name} stands twice; the second can never be reached")
        seen.add(slot.name)
        named = slot.entity is not None or slot.opening_words or slot.name in _ENTITIES
        if not slot.ask and (slot.type == "yes_no" or (slot.type == "text" and not named)):
            yield FlowFault(file, where, f"slot {slot.name} is never asked for and nothing else fills it; give `ask`")


def _fillings(file: str, node: yaml.Node, flow: FrameFlow, contract: Contract) -> Iterator[FlowFault]:
    """Checks that each sentence's slots are at hand where it is spoken."""
    sure = {slot.name for slot in flow.slots if slot.ask and not slot.optional}
    known = {slot.name for slot in flow.slots} | flow.facts.keys()
    places: list[tuple[str, set[str]]] = [(key, set()) for slot in flow.slots for key in (*slot.ask, slot.short) if key]
    places += [(slot.wrong, {slot.type}) for slot in flow.slots if slot.wrong]
    places += [(slot.confirm, {"digits"}) for slot in flow.slots if slot.confirm]
    places += [(flow.confirm, sure)] if flow.confirm else []
    places += [(key, known) for key in flow.answers.values()]
    places += [(flow.not_found, sure)] if flow.not_found else []
    for key, given in places:
        missing = _required(flow, key, contract) - given
        if missing:
            yield FlowFault(
                file,
                _mention(node, key),
                f"response {key} needs {', '.join(sorted(missing))}, which is not at hand here",
            )


def _required(flow: FrameFlow, key: str, contract: Contract) -> frozenset[str]:
    if key in flow.sentences:
        sets = [slots_of(text) for variants in flow.sentences[key].values() for text in variants]
        return frozenset.intersection(*sets) if sets else frozenset()
    rule = contract.responses.get(key)
    return rule.required if rule is not None else frozenset()


def _tool(file: str, node: yaml.Node, flow: FrameFlow, tools: Mapping[str, ToolFacts]) -> Iterator[FlowFault]:
    facts = tools.get(flow.tool or "")
    where = line_of(node, ("tool",))
    if facts is None:
        yield FlowFault(file, where, f"tool {flow.tool} has no contract; there are {', '.join(sorted(tools))}")
        return
    if facts.write != flow.write:
        yield FlowFault(file, where, f"tool {flow.tool} is a {'write' if facts.write else 'read'}: set `write` so")
    names = {slot.name for slot in flow.slots}
    for name in sorted(names - facts.arguments):
        yield FlowFault(file, line_of(node, ("slots",)), f"tool {flow.tool} takes no {name}")
    sure = {slot.name for slot in flow.slots if not slot.optional}
    for name in sorted(facts.required - sure):
        yield FlowFault(
            file, line_of(node, ("slots",)), f"tool {flow.tool} needs {name}: add a slot that is not optional"
        )
    for name in sorted(flow.facts.keys() - facts.fields):
        yield FlowFault(file, line_of(node, ("facts", name)), f"tool {flow.tool} answers no {name}")
    values = facts.answers.get(flow.by, frozenset())
    for value in sorted(flow.answers.keys() - values - {ANY_ANSWER}):
        yield FlowFault(file, line_of(node, ("answers", value)), f"tool {flow.tool} never answers {flow.by} {value}")
    if ANY_ANSWER not in flow.answers:
        for value in sorted(values - flow.answers.keys()):
            yield FlowFault(file, line_of(node, ("answers",)), f"no answer for {flow.by} {value} of tool {flow.tool}")


def _mention(node: yaml.Node, word: str) -> int:
    """Returns the line (from 1) on which a scalar stands, 0 where it stands nowhere."""
    if isinstance(node, yaml.ScalarNode):
        return node.start_mark.line + 1 if node.value == word else 0
    children = [child for pair in node.value for child in pair] if isinstance(node, yaml.MappingNode) else node.value
    return next((line for child in children if (line := _mention(child, word))), 0)
