"""Record what Celery tasks do, in the session of whoever asked for them.

Start an embedded Layer with `layer-sdk dev`, set LAYER_BASE_URL to its address, and then `pip install celery`,
`celery --app celery_task worker` here, and in another terminal `python celery_task.py`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from celery import Celery
from celery.signals import worker_process_init

from layer_sdk import layer

# Messages in a folder, so that the example needs no server of them.
FOLDER = Path(os.environ.get("CELERY_FOLDER") or Path(tempfile.gettempdir()) / "layer-celery-example")
FOLDER.mkdir(exist_ok=True)

app = Celery("celery_task", broker="filesystem://")
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={name: str(FOLDER) for name in ("data_folder_in", "data_folder_out", "control_folder")},
)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def begin(**_: object) -> None:
    """Begin in each process that runs tasks. Before the fork would do as well: the SDK takes care of that."""
    layer.init(application_id="examples", environment="development")


@app.task  # type: ignore[untyped-decorator]
def summarize(conversation: str, text: str) -> None:
    """Do what takes long, and record it in the conversation's session."""
    with layer.session(session_id=conversation), layer.action(kind="completion_output") as action:
        action.data = {"messages": [{"role": "assistant", "content": f"In short: {text[:9]}"}]}


def main() -> None:
    """Say something in a conversation, and ask for a summary of it."""
    layer.init(application_id="examples", environment="development")
    # The key travels in the message; both processes make the same session id of it.
    with layer.session(session_id="ride-12") as session_id, layer.action(kind="completion_prompt") as action:
        action.data = {"messages": [{"role": "user", "content": "Tubeless or tubes?"}]}
    summarize.delay("ride-12", "Tubeless, unless you patch by the road.")
    layer.shutdown()
    print(session_id)


if __name__ == "__main__":
    main()
