"""Record with explicit calls: you decide what is recorded, and when.

Start an embedded Layer with `layer-sdk dev`, set LAYER_BASE_URL to its address, and run this file.
"""

from __future__ import annotations

from layer_sdk import LayerSDKException, layer


def main() -> None:
    """Record a question, an answer that took a while, and one that failed."""
    layer.init(application_id="examples", environment="development")

    # A call returns when Layer has answered, and raises one of a tree of errors where it does not take it.
    session_id = layer.create_session(attributes={"user.id": "rider-311"})
    question = {"role": "user", "content": "Which tyre fits my Trail 2?"}
    layer.append_action(session_id, kind="completion_prompt", data={"messages": [question]})

    # With wait=False it returns at once: background delivery retries, and keeps the order of each session.
    answer = {"role": "assistant", "content": "The 29 x 2.4 fits."}
    layer.append_action(session_id, kind="completion_output", data={"messages": [answer]}, wait=False)

    # An exception says what went wrong: its text and its type are recorded.
    timeout = TimeoutError("The model did not answer within 10 seconds.")
    layer.append_action(session_id, kind="completion_output", error=timeout, wait=False)

    try:
        layer.append_action("no UUID", kind="completion_prompt", data={})
    except LayerSDKException as error:
        print(f"refused: {type(error).__name__}")

    layer.shutdown()  # sends what still waits; the end of the process would do so, too
    print(session_id)


if __name__ == "__main__":
    main()
