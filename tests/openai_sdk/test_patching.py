"""The package is watched from `init` to `shutdown`, whoever else has their hands on it, and is then as it was."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Callable, Iterator, NamedTuple

import pytest

from openai_sdk import ways
from openai_sdk.expected import HELLO, Fields, openai

if TYPE_CHECKING:
    import asyncio

    from layer_sdk import Layer
    from openai_sdk.conftest import SharedClient
    from openai_sdk.loopback_openai import LoopbackOpenAI

wrapt: Any = pytest.importorskip("wrapt")

Watch = Callable[..., "Watched"]
Call = Callable[[Any], None]

BODY: Fields = {"model": "gpt-4o", "messages": HELLO}
CLASSES = pytest.mark.parametrize("name", ["OpenAI", "AsyncOpenAI"])
ACTIVE = {"openai": {"state": "active", "version": openai.__version__}}


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """See that a test leaves the classes as it found them."""
    before = [dict(vars(each)) for each in (openai.OpenAI, openai.AsyncOpenAI)]
    yield
    assert before == [dict(vars(each)) for each in (openai.OpenAI, openai.AsyncOpenAI)]


class Watched(NamedTuple):
    """A `Layer` that watches, and what it has on record."""

    layer: Layer
    actions: list[Any]


@pytest.fixture
def watch(make_layer: Callable[..., Layer]) -> Watch:
    """Make a `Layer` that watches; whatever it records is listed."""

    def make(**options: Any) -> Watched:
        actions: list[Any] = []

        def note(action: Any) -> Any:
            actions.append(action)
            return action

        return Watched(make_layer(before_send=note, **options), actions)

    return make


@pytest.fixture
def call(shared_client: SharedClient, loop: asyncio.AbstractEventLoop) -> Call:
    """Make a call with the shared client of a class, which was made before any test, or with a method of it."""

    def make_call(method: Any) -> None:
        create = shared_client(method).chat.completions.create if isinstance(method, str) else method
        loop.run_until_complete(ways.whole(lambda: create(**BODY)))

    return make_call


# ---- from init to shutdown


@CLASSES
def test_shutdown(name: str, watch: Watch, call: Call) -> None:
    """A call is on record between `init` and `shutdown`, which puts all back; and again after another `init`."""
    before = dict(vars(getattr(openai, name)))
    layer, actions = watch()
    call(name)
    assert (2, ACTIVE) == (len(actions), layer.instrumentation_status())
    assert before != vars(getattr(openai, name))
    layer.shutdown()
    assert ({}, before) == (layer.instrumentation_status(), vars(getattr(openai, name)))
    call(name)
    assert 2 == len(actions)
    _, actions = watch()
    call(name)
    assert 2 == len(actions)


def test_two_layers(watch: Watch, call: Call) -> None:
    """Two `Layer` objects each have a call once, by one patch, and one goes on when the other is shut down."""
    first = watch()
    method = vars(openai.OpenAI)["request"]
    second = watch()
    assert method is vars(openai.OpenAI)["request"]
    call("OpenAI")
    assert (2, 2) == (len(first.actions), len(second.actions))
    first.layer.shutdown()
    call("OpenAI")
    assert (2, 4, ACTIVE) == (len(first.actions), len(second.actions), second.layer.instrumentation_status())


@CLASSES
def test_looks_the_same(name: str, watch: Watch) -> None:
    """The method has the name, the signature and the text that it had, and is a coroutine function where it was one."""
    cls = getattr(openai, name)
    look: list[Callable[[Any], Any]] = [
        inspect.signature,
        inspect.iscoroutinefunction,
        inspect.getsource,
        inspect.getdoc,
    ]
    before = [each(cls.request) for each in look]
    watch()
    assert before == [each(cls.request) for each in look]
    assert "request" == cls.request.__name__


@CLASSES
def test_made_before(name: str, shared_client: SharedClient, watch: Watch, call: Call) -> None:
    """Methods and raw responses that were got hold of before `init` are watched after it, and not after `shutdown`."""
    completions = shared_client(name).chat.completions
    before = [completions.create, completions.with_raw_response.create]
    layer, actions = watch()
    for method in before:
        call(method)
    assert 4 == len(actions)
    during = shared_client(name).chat.completions.create
    layer.shutdown()
    for method in (*before, during):
        call(method)
    assert 4 == len(actions)


@pytest.mark.parametrize(
    "options",
    [{"disable_instrumentations": ["openai"]}, {"disabled_instrumentors": ["openai"]}, {}],
    ids=["argument", "older argument", "environment"],
)
def test_disabled(options: Fields, watch: Watch, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is disabled, the package stays as it is and nothing is on record."""
    if not options:
        monkeypatch.setenv("LAYER_DISABLE_INSTRUMENTATIONS", "openai")
    layer, actions = watch(**options)
    assert "request" not in vars(openai.OpenAI)
    assert {"openai": {"state": "disabled", "version": None}} == layer.instrumentation_status()
    call("OpenAI")
    assert [] == actions


def test_subclass(watch: Watch, call: Call, openai_server: LoopbackOpenAI) -> None:
    """A class of the host's own that makes something of each request is watched."""

    class Mine(openai.OpenAI):  # type: ignore[misc]
        def request(self, *args: Any, **kwargs: Any) -> Any:
            return super().request(*args, **kwargs)

    _, actions = watch()
    with Mine(api_key="k", base_url=openai_server.base_url) as client:
        call(client.chat.completions.create)
    assert 2 == len(actions)


# ---- with somebody else's wrapper


class Other:
    """Another library that wraps the method, and counts its calls."""

    def __init__(self, cls: type) -> None:
        self.seen = 0
        self._cls = cls
        self._own = vars(cls).get("request")

    def undo(self) -> None:
        """Put back what was there."""
        if self._own is None:
            del self._cls.request  # type: ignore[attr-defined]
        else:
            self._cls.request = self._own  # type: ignore[attr-defined]


class Plain(Other):
    """One that puts a function in the method's place."""

    def __init__(self, cls: type) -> None:
        super().__init__(cls)
        method = cls.request  # type: ignore[attr-defined]

        @functools.wraps(method)
        def request(*args: Any, **kwargs: Any) -> Any:
            self.seen += 1
            return method(*args, **kwargs)

        cls.request = request  # type: ignore[attr-defined]


class Naked(Other):
    """One whose function does not tell what it wraps."""

    def __init__(self, cls: type) -> None:
        super().__init__(cls)
        method = cls.request  # type: ignore[attr-defined]

        def request(*args: Any, **kwargs: Any) -> Any:
            self.seen += 1
            return method(*args, **kwargs)

        cls.request = request  # type: ignore[attr-defined]


class Wrapt(Other):
    """One that uses wrapt, as OpenTelemetry's do."""

    def __init__(self, cls: type) -> None:
        super().__init__(cls)

        def request(method: Any, _: Any, args: Any, kwargs: Any) -> Any:
            self.seen += 1
            return method(*args, **kwargs)

        wrapt.wrap_function_wrapper(openai, f"{cls.__name__}.request", request)


OTHERS = pytest.mark.parametrize("other", [Plain, Naked, Wrapt])


ORDERS = [(first, gone) for first in ("other", "layer") for gone in ("other", "layer")]


@CLASSES
@OTHERS
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: f"{order[0]} comes first, {order[1]} goes first")
def test_other_library(order: tuple[str, str], other: type[Other], name: str, watch: Watch, call: Call) -> None:
    """Another library and we each see a call once, whoever came first, and whoever goes first."""
    first, gone = order
    cls = getattr(openai, name)
    theirs = other(cls) if first == "other" else None
    layer, actions = watch()
    theirs = theirs or other(cls)
    call(name)
    assert (2, 1) == (len(actions), theirs.seen)
    (layer.shutdown if gone == "layer" else theirs.undo)()
    actions.clear()
    call(name)
    # Who came first takes out with its own wrapper what came on top of it.
    assert (2 * (gone == "other" != first), 1 + (gone == "layer")) == (len(actions), theirs.seen)
    (layer.shutdown if gone == "other" else theirs.undo)()
    actions.clear()
    seen = theirs.seen
    call(name)
    assert (0, seen) == (len(actions), theirs.seen)
    watch().layer.shutdown()  # takes out what had to stay under the other's wrapper


@CLASSES
@OTHERS
def test_under_another_library(other: type[Other], name: str, watch: Watch, call: Call) -> None:
    """Below another library's wrapper one `init` after the other has a call once."""
    below = watch().layer
    theirs = other(getattr(openai, name))
    below.shutdown()
    for number in range(1, 4):
        layer, actions = watch()
        call(name)
        assert (2, number) == (len(actions), theirs.seen)
        layer.shutdown()
    theirs.undo()
    watch().layer.shutdown()
