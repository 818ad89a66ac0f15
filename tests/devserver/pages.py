"""What the tests of the embedded Layer's pages share: a reader of HTML, and sessions to look at."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

TIMES = {"start_time": "2026-03-02T09:30:00Z", "end_time": "2026-03-02T09:30:01Z"}


class Page(HTMLParser):
    """The tags, their attributes and the text of a page, as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[int] = []
        self._texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.elements.append((tag, dict(attrs)))
        self._texts.append("")
        if tag not in ("meta", "link", "img", "input", "br"):
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self.elements[self._open.pop()][0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.text += data
        for index in self._open:
            self._texts[index] += data

    def having(self, name: str, value: str) -> list[str]:
        """The texts of the elements that have an attribute with a value, or with this word in it."""
        return [
            " ".join(text.split())
            for (_, attributes), text in zip(self.elements, self._texts)
            if value in (attributes.get(name) or "").split() or value == attributes.get(name)
        ]

    def values(self, tag: str, name: str) -> list[str]:
        """The values of an attribute of all elements with a tag."""
        return [attributes[name] or "" for found, attributes in self.elements if found == tag and name in attributes]


def action(kind: str = "embeddings", **more: Any) -> dict[str, Any]:
    """An action as a client sends it."""
    return {"kind": kind, **TIMES, **more}


def said(*texts: str, role: str = "user", kind: str = "completion_prompt", **more: Any) -> dict[str, Any]:
    """An action in which texts were said."""
    return action(kind, data={"messages": [{"role": role, "content": text} for text in texts]}, **more)


def created(layer: httpx.Client, actions: list[Any], **more: Any) -> str:
    """A new session with actions."""
    body = {"application_id": "shop", "actions": actions, **more}
    return str(layer.post("/v1/sessions", json=body).raise_for_status().json()["session_id"])


def listed(layer: httpx.Client, query: str = "") -> list[str]:
    """The ids of the sessions that a page of the list shows, in their order."""
    page = Page(layer.get(f"/{query}").raise_for_status().text)
    return page.values("tr", "data-session")
