"""Record what a FastAPI application says: a session for each conversation, over many requests and processes.

Start an embedded Layer with `layer-sdk dev`, set LAYER_BASE_URL to its address and OPENAI_API_KEY, and then
`pip install fastapi openai uvicorn` and `uvicorn fastapi_app:app`. Ask it with
`curl -d '{"conversation": "thread-77", "text": "Hello!"}' -H 'Content-Type: application/json' 127.0.0.1:8000/messages`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import AsyncIterator

from fastapi import FastAPI
from openai import AsyncOpenAI
from pydantic import BaseModel

from layer_sdk import layer


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Begin when a worker starts, and send what is left when it stops: uvicorn ends by a signal, not as Python does."""
    layer.init(application_id="examples", environment="development")
    yield
    await layer.aflush(5)
    layer.shutdown()


app = FastAPI(lifespan=lifespan)


class Message(BaseModel):
    """What a user says."""

    conversation: str
    text: str


@app.post("/messages")
async def answer(message: Message) -> dict[str, str]:
    """Answer a message."""
    # A natural key gives the same session in every request and every process of the application.
    async with layer.session(session_id=message.conversation) as session_id:
        completion = await AsyncOpenAI().chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": message.text}]
        )
    return {"answer": completion.choices[0].message.content or "", "session_id": session_id}
