from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Callable

import pytest
from pages import Page, action, created, listed, said

from layer_sdk.devserver import Server, Settings
from layer_sdk.devserver import _search as search

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

POLICIES = "- {id: 3, name: Secrets, pattern: hunter2, severity: high, action: block}\n"


@pytest.fixture
def full(start: Callable[..., httpx.Client], tmp_path: Path) -> tuple[httpx.Client, dict[str, str]]:
    """A server with a few sessions, each under a name."""
    file = tmp_path / "policies.yaml"
    file.write_text(POLICIES, "utf-8")
    mine = start(policies=file)
    sessions = {
        "plain": created(mine, [said("Where is my order, Zoë?")], attributes={"user.id": "u1"}),
        "failed": created(
            mine, [action(error={"message": "overloaded"})], attributes={"user.id": "u2", "environment": "x"}
        ),
        "blocked": created(mine, [said("hunter2"), action("moderation")], attributes={"environment": "x"}),
        "empty": created(mine, []),
    }
    return mine, sessions


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["empty", "blocked", "failed", "plain"]),
        ("?q=ord", ["plain"]),
        ("?q=ORDER+where", ["plain"]),
        ("?q=order+nothing", []),
        ("?q=zoë", ["plain"]),
        ("?q=overload", ["failed"]),
        ("?q=u2", ["failed"]),
        ("?q=%22%29+OR+1%3D1", []),
        ("?q=%00%22*", ["empty", "blocked", "failed", "plain"]),
        ("?q=%ED%A0%80", ["empty", "blocked", "failed", "plain"]),
        ("?kind=moderation", ["blocked"]),
        ("?kind=%27", []),
        ("?status=error", ["failed"]),
        ("?status=blocked", ["blocked"]),
        ("?status=ok", ["empty", "plain"]),
        ("?status=nonsense", ["empty", "blocked", "failed", "plain"]),
        ("?attribute=user.id", ["failed", "plain"]),
        ("?attribute=user.id%3Du1", ["plain"]),
        ("?attribute=user.id%3Du", []),
        ("?attribute=environment+%3D+x&status=error", ["failed"]),
        ("?time=15m", ["empty", "blocked", "failed", "plain"]),
        ("?since=2000-01-01T00:00&until=2100-01-01T00:00", ["empty", "blocked", "failed", "plain"]),
        ("?until=2000-01-01T00:00", []),
        ("?since=2100-01-01T00:00", []),
        ("?since=tomorrow&before=x&after=-1", ["empty", "blocked", "failed", "plain"]),
    ],
)
def test_the_list_can_be_filtered(full: tuple[httpx.Client, dict[str, str]], query: str, expected: list[str]) -> None:
    """Words by their beginning, kind, status, attribute and time each leave those sessions that are so."""
    mine, sessions = full
    assert [sessions[name] for name in expected] == listed(mine, query)


def test_what_is_filtered_by_stands_in_the_form(full: tuple[httpx.Client, dict[str, str]]) -> None:
    """The form, which works without JavaScript, shows what was asked for, and how many sessions are so."""
    mine, _ = full
    page = Page(mine.get("/?q=%22order%3E&status=ok&attribute=a%3Db").text)
    values = {
        attributes["name"]: attributes.get("value")
        for tag, attributes in page.elements
        if tag == "input" and "name" in attributes
    }
    assert ('"order>', "a=b") == (values["q"], values["attribute"])
    assert "0 of 4 sessions" in page.having("id", "count")
    assert ("/", "get") == (page.values("form", "action")[0], page.values("form", "method")[0])
    assert {"q", "status", "kind", "time", "attribute", "since", "until"} <= set(page.values("label", "for"))


def test_a_changed_attribute_is_found_as_it_is_now(layer: httpx.Client, session_id: str) -> None:
    """After a merge, a session is found by the attributes that it has, and no more by those that it had."""
    for team in ("alphateam", "betateam"):
        created(layer, [], session_id=session_id, attributes={"team": team})
    queries = ["?q=alphateam", "?q=betateam", "?attribute=team%3Dalphateam", "?attribute=team%3Dbetateam"]
    assert [[], [session_id], [], [session_id]] == [listed(layer, query) for query in queries]


def test_the_list_has_pages(start: Callable[..., httpx.Client]) -> None:
    """Pages of the list follow each other in both directions, and lose or repeat nothing, with a filter or without."""
    mine = start()
    ids = [created(mine, [], attributes={"odd": str(number % 2)}) for number in range(120)][::-1]
    for query, expected in (("", ids), ("?attribute=odd%3D1", ids[::2])):
        pages, address = [], f"/{query}"
        while address:
            page = Page(mine.get(address).text)
            pages.append((address, page.values("tr", "data-session")))
            following = [one["href"] for tag, one in page.elements if tag == "a" and one.get("rel") == "next"]
            address = "/" + str(following[0]) if following else ""
        assert expected == [session_id for _, shown in pages for session_id in shown]
        back = Page(mine.get(pages[-1][0]).text)
        newer = next(one["href"] for tag, one in back.elements if tag == "a" and one.get("rel") == "prev")
        assert pages[-2][1] == listed(mine, str(newer))


@pytest.mark.parametrize("with_index", [True, False])
def test_a_search_works_with_and_without_an_index(with_index: bool) -> None:  # noqa: FBT001 - it is the parameter
    """Where SQLite has no FTS5, a plain table is searched instead, with the same result."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE sessions (number INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO sessions VALUES (?)", [(1,), (2,), (3,)])
    search.create(connection, with_index=with_index)
    search.add(connection, 1, 0, "one apple")
    search.add(connection, 1, 1, "a pear")
    search.add(connection, 2, 0, "half \ud800 a\0 plum")
    search.add(connection, 3, 0, "nothing")
    search.add(connection, 3, 1 << 24, "beyond what is counted")
    search.replace(connection, 1, "one apple", "one cherry")

    def found(query: str) -> list[int]:
        condition = search.condition(connection, query)
        assert condition is not None
        statement = f"SELECT number FROM sessions WHERE {condition[0]} ORDER BY number"  # noqa: S608 - it is ours
        rows = connection.execute(statement, condition[1])
        return [row[0] for row in rows]

    queries = ["pear", "PLU", "apple", "cherry", "pear one", 'x" OR "pear', "beyond"]
    assert [[1], [2], [], [1], [], [], []] == [found(query) for query in queries]
    assert search.condition(connection, " *\"' ") is None


def test_an_index_that_can_not_be_read(tmp_path: Path) -> None:
    """A database whose table of texts is gone fails the start, with a message that says what it is about."""
    from layer_sdk.devserver import StartError

    file = tmp_path / "layer.db"
    with Server(Settings(database=file)):
        pass
    connection = sqlite3.connect(file)
    connection.execute("DROP TABLE texts")
    connection.commit()
    connection.close()
    with pytest.raises(StartError, match="has a search index that this Python's SQLite can not read"):
        Server(Settings(database=file)).start()
