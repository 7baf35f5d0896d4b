"""A stand-in of Meta's Graph API for WhatsApp, as `make run` and the tests use it."""

from app.simulate.graph.config import ACCOUNT_ID, GraphConfig, Limits, Unknowns, Weather
from app.simulate.graph.errors import GraphError
from app.simulate.graph.stand_in import GraphStandIn
from app.simulate.graph.updates import Person

__all__ = ["ACCOUNT_ID", "GraphConfig", "GraphError", "GraphStandIn", "Limits", "Person", "Unknowns", "Weather"]
