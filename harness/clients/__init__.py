"""The one client for annotation and for judges: many prompts, each answer paid for once."""

from __future__ import annotations

from harness.clients.ask import Budget, Estimate, Prices, Purse, ask, estimate
from harness.clients.asker import Asker, Spent
from harness.clients.cache import Cache
from harness.clients.endpoint import Endpoint, load_endpoint
from harness.clients.loading import client_name, load_client
from harness.clients.schema import unfenced
from harness.clients.types import Client, Message, Reply, Request, key

__all__ = [
    "Asker",
    "Budget",
    "Cache",
    "Client",
    "Endpoint",
    "Estimate",
    "Message",
    "Prices",
    "Purse",
    "Reply",
    "Request",
    "Spent",
    "ask",
    "client_name",
    "estimate",
    "key",
    "load_client",
    "load_endpoint",
    "unfenced",
]
