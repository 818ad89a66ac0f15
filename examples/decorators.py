"""Record with decorators and `with` blocks: around what your application does already.

Start an embedded Layer with `layer-sdk dev`, set LAYER_BASE_URL to its address, and run this file.
"""

from __future__ import annotations

from typing import Any, Iterator

from layer_sdk import layer


@layer.session(attributes={"user.id": "rider-311"})
def handle(question: str, session_id: str = "") -> str:
    """Everything recorded in here belongs to the session of this call; a parameter `session_id` is given its id."""
    # A block is for what is no function of its own. What it is about is filled in when it is known.
    with layer.action(kind="completion_prompt") as prompt:
        prompt.data = {"messages": [{"role": "user", "content": question}]}
    find_order(1042)
    for piece in answer(question):
        print(piece, end="")
    print()
    return session_id


@layer.action(kind="completion_tool_call")
def find_order(number: int) -> Any:
    """What is returned is the action's data: here the call of a tool, as the kind asks for."""
    return [{"id": "call_1", "name": "find_order", "arguments": {"order_id": number}}]


@layer.action(kind="completion_output", attributes={"model.id": "gpt-4o-mini"})
def answer(question: str) -> Iterator[str]:
    """Of a generator, what it yields is recorded when it ends: as one answer."""
    yield from ("Tubeless, ", f"since you ask: {question.lower()}")


def main() -> None:
    """Run the application. Without `layer.init` it would run just so, and record nothing."""
    layer.init(application_id="examples", environment="development")
    session_id = handle("Which tyre?")
    layer.shutdown()
    print(session_id)


if __name__ == "__main__":
    main()
