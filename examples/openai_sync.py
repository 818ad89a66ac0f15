"""Record calls to OpenAI: there is nothing to do but `layer.init`.

Start an embedded Layer with `layer-sdk dev`, set LAYER_BASE_URL to its address and OPENAI_API_KEY, and run this file.
"""

from __future__ import annotations

from openai import APIStatusError, OpenAI

from layer_sdk import layer


def main() -> None:
    """Ask a model twice in one session, and once for a model that there is not."""
    layer.init(application_id="examples", environment="development")
    client = OpenAI()

    # Without a session around them, each call would be a session of its own.
    with layer.session(attributes={"user.id": "rider-311"}) as session_id:
        for question in ("Which tyre fits a Trail 2?", "And which tube?"):
            completion = client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": question}]
            )
            print(completion.choices[0].message.content)

        # A call that fails is recorded with its error; the application gets the error as it always did.
        try:
            client.chat.completions.create(model="err-404", messages=[{"role": "user", "content": "Hello?"}])
        except APIStatusError as error:
            print(f"failed with {error.status_code}")

    layer.shutdown()
    print(session_id)


if __name__ == "__main__":
    main()
