"""Record calls to OpenAI in asyncio: many conversations at once, each in a session of its own.

Start an embedded Layer with `layer-sdk dev`, set LAYER_BASE_URL to its address and OPENAI_API_KEY, and run this file.
"""

from __future__ import annotations

import asyncio

from openai import AsyncOpenAI

from layer_sdk import layer


async def converse(client: AsyncOpenAI, user: str) -> str:
    """Ask a model. The session follows the task: what others record meanwhile is in theirs."""
    async with layer.session(attributes={"user.id": user}) as session_id:
        completion = await client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": f"Hello, I am {user}."}]
        )
        print(completion.choices[0].message.content)
    return session_id


async def main() -> None:
    """Lead three conversations at the same time."""
    layer.init(application_id="examples", environment="development")
    async with AsyncOpenAI() as client:
        session_ids = await asyncio.gather(*(converse(client, f"rider-{number}") for number in range(3)))
    await layer.aflush()  # waits without holding up the event loop
    layer.shutdown()
    print(*session_ids)


if __name__ == "__main__":
    asyncio.run(main())
