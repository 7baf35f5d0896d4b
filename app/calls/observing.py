"""What a live call shows to operators: figures for /metrics and a trace by turns, never a word of it."""

import time
from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import Counter, Histogram
from prometheus_client.registry import Collector, CollectorRegistry

from app.calls.events import CallEvent, CallEventKind
from app.kit.tracing import Span, begin_span, past_span

_SECONDS: Final = (0.025, 0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.5, 5.0)
_STAGES: Final = ("endpoint", "transcript", "understanding", "dialogue", "synthesis")


class CallMetrics:
    """Figures of all calls of a process."""

    def __init__(self) -> None:
        self.stages = Histogram(
            "vaanisetu_turn_stage_seconds", "Stages of a caller's turn", ("stage",), buckets=_SECONDS, registry=None
        )
        self.replies = Histogram(
            "vaanisetu_reply_seconds", "From the end of speech to the first audio", buckets=_SECONDS, registry=None
        )
        self.failures = Counter(
            "vaanisetu_stage_failures_total", "Failures that a caller heard of", ("stage", "code"), registry=None
        )
        self.escalations = Counter(
            "vaanisetu_escalations_total", "People brought in, by reason", ("trigger", "action"), registry=None
        )
        self.ended = Counter("vaanisetu_calls_ended_total", "Calls that ended", ("reason",), registry=None)
        self.spooled = Counter(
            "vaanisetu_calls_spooled_total", "Ends of calls that went to disk, the store being away", registry=None
        )
        self.lost_events = Counter("vaanisetu_call_events_lost_total", "Events that are nowhere", registry=None)

    def register(self, registry: CollectorRegistry) -> None:
        """Shows the figures in a registry."""
        collectors: tuple[Collector, ...] = (
            self.stages,
            self.replies,
            self.failures,
            self.escalations,
            self.ended,
            self.spooled,
            self.lost_events,
        )
        for collector in collectors:
            registry.register(collector)


class CallObserver:
    """Watches the events of one call.

    Attributes:
        span: The call's span, to be made current where its work is done.
    """

    def __init__(self, metrics: CallMetrics, tenant_id: str, agent_id: str, call_id: str) -> None:
        self._metrics = metrics
        ids = {"vaanisetu.tenant_id": tenant_id, "vaanisetu.agent_id": agent_id, "vaanisetu.call_id": call_id}
        self.span: Span = begin_span("call", ids)

    def take(self, event: CallEvent) -> None:
        """Takes an event as it happens."""
        match event.kind:
            case CallEventKind.CALLER_TURN:
                self._turn(event.data)
            case CallEventKind.AGENT_TURN if "reply_ms" in event.data:
                self._metrics.replies.observe(event.data["reply_ms"] / 1_000)
            case CallEventKind.TOOL:
                self._tool(event.data)
            case CallEventKind.STAGE_FAILED:
                stage = str(event.data["stage"]).partition(":")[0]
                self._metrics.failures.labels(stage, str(event.data["code"])).inc()
                self.span.add_event("stage_failed", {"stage": stage, "code": str(event.data["code"])})
            case CallEventKind.ACTION if event.data.get("escalation"):
                trigger, action = str(event.data["escalation"]["trigger"]), str(event.data["action"])
                self._metrics.escalations.labels(trigger, action).inc()
                self.span.add_event("escalation", {"trigger": trigger, "action": action})
            case CallEventKind.ENDED:
                self._metrics.ended.labels(str(event.data["reason"])).inc()
                self.span.set_attribute("vaanisetu.end_reason", str(event.data["reason"]))
                self.span.end()

    def _turn(self, data: Mapping[str, Any]) -> None:
        stages: Mapping[str, float] = data.get("stages_ms", {})
        known = {stage: stages[stage] / 1_000 for stage in _STAGES if stages.get(stage) is not None}
        for stage, seconds in known.items():
            self._metrics.stages.labels(stage).observe(seconds)
        if not self.span.is_recording():
            return
        now = time.time_ns()
        began = now - round(sum(known.values()) * 1e9)
        attributes = {"intent": str(data.get("intent")), "language": str(data.get("language"))}
        turn = past_span(self.span, "turn", began, now, attributes)
        for stage, seconds in known.items():
            ended = began + round(seconds * 1e9)
            past_span(turn, stage, began, ended)
            began = ended

    def _tool(self, data: Mapping[str, Any]) -> None:
        if self.span.is_recording():
            now = time.time_ns()
            took = round(float(data.get("elapsed_ms") or 0.0) * 1e6)
            past_span(self.span, "tool", now - took, now, {"tool": str(data.get("tool")), "ok": bool(data.get("ok"))})
