"""Record streams of OpenAI: the answer is on record when the stream ends, or as far as it was read.

Start an embedded Layer with `layer-sdk dev`, set LAYER_BASE_URL to its address and OPENAI_API_KEY, and run this file.
"""

from __future__ import annotations

from openai import OpenAI

from layer_sdk import layer


def main() -> None:
    """Read one stream to its end, and leave another one after its first piece."""
    layer.init(application_id="examples", environment="development")
    client = OpenAI()
    with layer.session(attributes={"user.id": "rider-311"}) as session_id:
        for question, is_whole in (("Tell me of tubeless tyres.", True), ("Tell me of tubes.", False)):
            # include_usage has OpenAI count the tokens of a stream; what it counts is recorded.
            stream = client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": question}],
                stream=True,
                stream_options={"include_usage": True},
            )
            with stream:
                for chunk in stream:
                    text = chunk.choices[0].delta.content if chunk.choices else None
                    print(text or "", end="")
                    if text and not is_whole:
                        break
            print()
    layer.shutdown()
    print(session_id)


if __name__ == "__main__":
    main()
