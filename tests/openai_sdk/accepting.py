"""A Layer that takes everything, later: the host's way to it is a session of requests whose answers are made here.

What is compared and counted is what happens on the host's side. Deliveries, and a server in this process, would take
half of the time, and leave objects for the garbage collector.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import Any, Iterator
from uuid import uuid4

import requests
from requests.adapters import BaseAdapter

from layer_sdk import Layer

APPLICATION = "53ad4290-bf1a-4f68-b182-6026e869b8cd"


class Accepting(BaseAdapter):
    """Says yes, when it is asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.answers.wait(20)
        response = requests.Response()
        response.status_code = 202 if str(request.url).endswith("/actions") else 201
        response.headers["Content-Type"] = "application/json"
        asked = json.loads(request.body or b"{}")
        response._content = json.dumps({"session_id": asked.get("session_id") or str(uuid4())}).encode()
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        pass


@contextmanager
def watching(*, lossy: bool = False, at_once: bool = False, **options: Any) -> Iterator[Layer]:
    """Have calls recorded; unless it is `lossy`, nothing of it may be lost. All of it is accounted for."""
    session = requests.Session()
    adapter = Accepting()
    if at_once:
        adapter.answers.set()
    session.mount("http://", adapter)
    layer = Layer()
    layer.init(base_url="http://127.0.0.1:9", application_id=APPLICATION, http_session=session, **options)
    try:
        yield layer
        adapter.answers.set()
        assert layer.flush(20)
        stats = layer.stats()
        assert stats["accepted"] == stats["sent"] + sum(stats["dropped"].values())
        assert lossy or {} == stats["dropped"]
    finally:
        adapter.answers.set()
        layer.shutdown(5)
