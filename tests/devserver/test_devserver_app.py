from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from layer_sdk.devserver import Settings, StartError, build_app
from layer_sdk.devserver._problems import Refusal
from layer_sdk.devserver._store import Store

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


def add(connection: sqlite3.Connection, name: str) -> str:
    """Work that writes."""
    connection.execute("INSERT INTO applications (id, name) VALUES (?, ?)", (name, name))
    return name


def names(connection: sqlite3.Connection) -> list[str]:
    """Work that reads."""
    return [row[0] for row in connection.execute("SELECT name FROM applications ORDER BY number")]


def add_and_fail(connection: sqlite3.Connection) -> None:
    """Work that has a mistake in it."""
    add(connection, "half done")
    raise ZeroDivisionError


def test_the_application_runs_in_any_asgi_server() -> None:
    """The database opens with the lifespan of the application and closes with it; afterwards it is not ready."""

    async def statuses() -> list[int]:
        app = build_app()
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            async with app.router.lifespan_context(app):
                during = await client.get("/readyz")
            after = await client.get("/readyz")
            refused = await client.post("/v1/sessions", json={"application_id": "shop"})
        return [during.status_code, after.status_code, refused.status_code]

    assert [200, 503, 503] == asyncio.run(statuses())


def test_an_application_that_can_not_start_says_why(tmp_path: Path) -> None:
    """A database that can not be used fails the lifespan of the application with a message."""

    async def begin() -> None:
        app = build_app(Settings(database=tmp_path / "none" / "layer.db"))
        async with app.router.lifespan_context(app):
            pass

    with pytest.raises(StartError, match="does not exist"):
        asyncio.run(begin())


def test_work_that_fails_leaves_no_trace_and_harms_no_other() -> None:
    """Of works that wait together, one that fails is undone and told so, and the others are carried out."""
    store = Store()

    async def outcomes() -> list[Any]:
        works = [lambda c: add(c, "first"), add_and_fail, lambda c: add(c, "second"), names]
        return await asyncio.gather(*(store.run(work) for work in works), return_exceptions=True)

    store.open()
    try:
        first, failed, second, found = asyncio.run(outcomes())
    finally:
        store.close()
    assert ("first", "second", ["first", "second"]) == (first, second, found)
    assert isinstance(failed, ZeroDivisionError)


def test_what_waits_when_the_database_closes_is_still_done(tmp_path: Path) -> None:
    """Closing finishes all work that was handed over, and refuses what comes later."""
    store = Store(tmp_path / "layer.db")

    async def outcomes() -> list[Any]:
        waiting = [asyncio.ensure_future(store.run(partial(add, name=str(number)))) for number in range(1000)]
        await asyncio.sleep(0)
        store.close()
        late = await asyncio.gather(store.run(names), return_exceptions=True)
        return [await asyncio.gather(*waiting), late[0]]

    store.open()
    done, late = asyncio.run(outcomes())
    store.open()
    try:
        kept = asyncio.run(store.run(names))
    finally:
        store.close()
    assert [str(number) for number in range(1000)] == done == kept
    assert isinstance(late, Refusal)


def test_work_that_nobody_waits_for_any_more_is_no_harm() -> None:
    """A caller that gave up does not stop the database from answering others."""
    store = Store()

    async def outcome() -> list[str]:
        abandoned = asyncio.ensure_future(store.run(lambda c: add(c, "abandoned")))
        await asyncio.sleep(0)
        abandoned.cancel()
        return await store.run(names)

    store.open()
    try:
        assert ["abandoned"] == asyncio.run(outcome())
    finally:
        store.close()
