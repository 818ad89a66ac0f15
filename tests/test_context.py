from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from typing import TYPE_CHECKING, Any, AsyncGenerator, Callable, Generator, Iterator
from uuid import UUID

import pytest

from layer_sdk import Layer, _context

if TYPE_CHECKING:
    from conftest import MakeLayer
    from layer_sdk.devserver import Server

Recorded = Callable[[str], "dict[str, Any]"]


@pytest.fixture
def mine(make_layer: MakeLayer) -> Layer:
    return make_layer()


def here(layer: Layer) -> str:
    """Tell which session an action belongs to that is recorded here and now."""
    with layer.action(kind="moderation") as action:
        action.data = "here"
    return action.session_id


def in_thread(function: Callable[[], Any]) -> Any:
    """Call in a new thread, which starts without a context."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join(10)
    return found[0]


# ---- the stack


def test_last_push_of_a_key_is_current() -> None:
    """`current` gives what was pushed last for the key, and None for a key that was never pushed."""
    key, other, scopes = object(), object(), [object(), object()]
    _context.push(key, 1, scopes[0])
    _context.push(key, 2, scopes[1])
    assert (2, None) == (_context.current(key), _context.current(other))
    assert 2 == _context.pop(scopes[1])
    assert (1, 1) == (_context.current(key), _context.pop(scopes[0]))
    assert _context.current(key) is None


def test_pop_takes_the_frame_of_its_scope_from_anywhere() -> None:
    """What stands above a popped frame stays, whoever pushed it; a scope without a frame pops nothing."""
    key, scopes = object(), [object(), object(), object()]
    for number, scope in enumerate(scopes):
        _context.push(key, number, scope)
    assert (0, None) == (_context.pop(scopes[0]), _context.pop(scopes[0]))
    assert 2 == _context.current(key)
    assert (2, 1) == (_context.pop(scopes[2]), _context.pop(scopes[1]))
    assert _context.current(key) is None


def test_stack_can_be_put_back() -> None:
    """`restore` makes a stack current that `top` gave, whatever was pushed or popped since."""
    key, scope = object(), object()
    _context.push(key, 1, scope)
    stack = _context.top()
    _context.pop(scope)
    _context.push(key, 2, scope)
    _context.restore(stack)
    assert 1 == _context.current(key)
    _context.pop(scope)


# ---- nesting


def test_inner_session_is_current_until_it_ends(mine: Layer, recorded: Recorded) -> None:
    """Sessions nest: each action is recorded in the innermost one that is open."""
    with mine.session() as outer:
        before = here(mine)
        with mine.session() as inner:
            assert inner == here(mine)
        assert (outer, outer) == (before, here(mine))
    assert (2, 1) == (len(recorded(outer)["actions"]), len(recorded(inner)["actions"]))
    assert here(mine) not in (outer, inner)


def test_session_ends_with_an_exception(mine: Layer) -> None:
    """A block that is left by an exception is over: its session is not current any more."""
    left: list[str] = []

    def leaves() -> None:
        with mine.session() as session_id:
            left.append(session_id)
            raise LookupError

    @mine.session()
    def fails(session_id: str = "") -> None:
        left.append(session_id)
        raise LookupError

    for function in (leaves, fails):
        with pytest.raises(LookupError):
            function()
    assert here(mine) not in left


def test_one_scope_can_be_entered_again(mine: Layer) -> None:
    """One `layer.session()` object gives a new session each time it is entered, also inside of itself."""
    scope = mine.session()
    with scope as first:
        with scope as second:
            assert second == here(mine)
        assert first == here(mine)
    assert first != second


def test_scopes_may_end_in_any_order(mine: Layer) -> None:
    """A session that ends while a later one is open leaves the later one current."""

    def block() -> Iterator[str]:
        with mine.session() as session_id:
            yield session_id

    first, second = block(), block()
    _, later = next(first), next(second)
    assert [] == list(first)
    assert later == here(mine)
    assert [] == list(second)
    assert later != here(mine)


def test_decorated_calls_nest(mine: Layer) -> None:
    """Each call of a decorated function has its session, calls inside of calls included."""
    seen: list[tuple[str, str]] = []

    @mine.session()
    def descend(depth: int, session_id: str = "") -> None:
        if depth:
            descend(depth - 1)
        seen.append((session_id, here(mine)))

    descend(2)
    assert 3 == len({session_id for session_id, _ in seen})
    assert all(session_id == found for session_id, found in seen)


def test_instances_do_not_see_each_others_sessions(make_layer: MakeLayer) -> None:
    """The session of one `Layer` is not current in another."""
    mine, other = make_layer(), make_layer()
    with mine.session() as session_id, other.session() as others:
        assert (session_id, others) == (here(mine), here(other))
        with mine.session() as inner:
            assert (inner, others) == (here(mine), here(other))
    assert here(other) not in (session_id, others)


# ---- threads


def test_thread_has_no_session_of_its_own_accord(mine: Layer) -> None:
    """A thread that is just started has no current session; one that runs in a copied context has."""
    with mine.session() as session_id:
        assert session_id != in_thread(lambda: here(mine))
        copied = contextvars.copy_context()
        assert session_id == in_thread(lambda: copied.run(here, mine))
        assert session_id == here(mine)


def test_threads_do_not_disturb_each_other(mine: Layer) -> None:
    """Sessions that are open at the same time in several threads, of one scope even, stay apart."""
    scope = mine.session()
    meeting = threading.Barrier(4)
    found: list[tuple[str, str]] = []

    def work() -> None:
        with scope as session_id:
            meeting.wait(10)
            found.append((session_id, here(mine)))
            meeting.wait(10)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert 4 == len({session_id for session_id, _ in found})
    assert all(session_id == seen for session_id, seen in found)


def test_actions_of_one_scope_in_threads_stay_apart(mine: Layer, recorded: Recorded) -> None:
    """One `layer.action(...)` object that is entered in several threads at once gives each its own action."""
    meeting = threading.Barrier(4)
    with mine.session() as session_id:
        scope = mine.action(kind="moderation", session_id=session_id)

    def work(number: int) -> None:
        with scope as action:
            meeting.wait(10)
            action.data = f"number {number}"
            meeting.wait(10)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    texts = [action["data"]["input"][0] for action in recorded(session_id)["actions"]]
    assert [f"number {number}" for number in range(4)] == sorted(texts)


def test_block_that_is_left_in_another_context_is_recorded(mine: Layer, recorded: Recorded) -> None:
    """Frameworks enter and leave a generator's blocks in different threads: the action is recorded nevertheless."""

    def dependency() -> Iterator[str]:
        with mine.session() as session_id, mine.action(kind="moderation") as action:
            action.data = "entered here, left there"
            yield session_id

    generator = dependency()
    session_id = contextvars.copy_context().run(next, generator)
    assert session_id != here(mine)
    assert "end" == in_thread(lambda: next(generator, "end"))
    assert [["entered here, left there"]] == [action["data"]["input"] for action in recorded(session_id)["actions"]]


# ---- asyncio


def test_tasks_inherit_the_session_and_keep_theirs(mine: Layer) -> None:
    """A task belongs to the session that it was started in; what it opens is its own."""

    async def work(turns: int) -> tuple[str, str, str]:
        inherited = here(mine)
        async with mine.session() as session_id:
            for _ in range(turns):
                await asyncio.sleep(0)
            return inherited, session_id, here(mine)

    async def main() -> tuple[str, list[tuple[str, str, str]], str]:
        async with mine.session() as session_id:
            found = await asyncio.gather(*(work(turns) for turns in (3, 1, 2)))
            return session_id, found, here(mine)

    session_id, found, after = asyncio.run(main())
    assert {session_id} == {inherited for inherited, _, _ in found} | {after}
    assert all(own == seen for _, own, seen in found)
    assert 4 == len({session_id, *(own for _, own, _ in found)})


def test_interleaved_decorated_coroutines_stay_apart(mine: Layer) -> None:
    """Decorated coroutines that take turns see their own session, before and after each turn."""

    @mine.session()
    async def work(session_id: str = "") -> bool:
        seen = []
        for _ in range(3):
            seen.append(here(mine))
            await asyncio.sleep(0)
        return {session_id} == set(seen)

    async def main() -> list[bool]:
        return list(await asyncio.gather(work(), work(), work()))

    assert [True] * 3 == asyncio.run(main())


def test_coroutines_in_one_context_take_turns(mine: Layer) -> None:
    """Where an event loop runs everything in one context, a decorated coroutine's session still ends with it."""

    @mine.session()
    async def work(session_id: str = "") -> tuple[str, str]:
        return session_id, here(mine)

    with pytest.raises(StopIteration) as stop:
        work().send(None)
    own, seen = stop.value.value
    assert own == seen
    assert own != here(mine)


def test_async_generator_may_change_tasks(mine: Layer) -> None:
    """An async generator whose items are fetched by different tasks keeps its session and leaves none behind."""

    @mine.session()
    async def stream(session_id: str = "") -> AsyncGenerator[tuple[str, str], None]:
        for _ in range(3):
            await asyncio.sleep(0)
            yield session_id, here(mine)

    async def main() -> tuple[list[tuple[str, str]], str]:
        generator = stream()
        return [await asyncio.create_task(fetch(generator)) for _ in range(3)], here(mine)

    async def fetch(generator: Any) -> tuple[str, str]:
        item: tuple[str, str] = await generator.__anext__()
        return item

    items, after = asyncio.run(main())
    assert {items[0][0]} == {part for item in items for part in item}
    assert after != items[0][0]


def test_session_follows_into_an_executor(mine: Layer) -> None:
    """Work that a coroutine gives to a thread in a copy of its context belongs to its session."""

    async def main() -> tuple[str, str]:
        async with mine.session() as session_id:
            call = functools.partial(contextvars.copy_context().run, here, mine)
            return session_id, await asyncio.get_running_loop().run_in_executor(None, call)

    session_id, seen = asyncio.run(main())
    assert session_id == seen


# ---- generators


def test_generators_session_is_not_its_consumers(mine: Layer) -> None:
    """A decorated generator's session is current while its body runs, and never in between."""

    @mine.session()
    def items(session_id: str = "") -> Iterator[tuple[str, str]]:
        for _ in range(2):
            yield session_id, here(mine)

    with mine.session() as outer:
        for session_id, seen in items():
            assert session_id == seen
            assert outer == here(mine)
        assert outer == here(mine)


def test_interleaved_generators_stay_apart(mine: Layer) -> None:
    """Two decorated generators that take turns see their own session each."""

    @mine.session()
    def items(session_id: str = "") -> Iterator[bool]:
        for _ in range(3):
            yield session_id == here(mine)

    assert [(True, True)] * 3 == list(zip(items(), items()))


def test_body_keeps_what_it_opened_across_a_yield(mine: Layer) -> None:
    """A block that a decorated generator's body has open is current again when the body goes on, and only there."""
    inner: list[str] = []

    @mine.session()
    def items(session_id: str = "") -> Generator[str, None, None]:
        with mine.session() as nested:
            inner.append(nested)
            yield here(mine)
            yield here(mine)
        yield here(mine)
        inner.append(session_id)

    generator = items()
    assert next(generator) == inner[0]
    with mine.session() as consumers:
        assert consumers == here(mine)
        assert inner[0] == next(generator)
        assert consumers == here(mine)
        outer = next(generator)
    assert here(mine) not in (inner[0], outer, consumers)
    assert [] == list(generator)
    assert outer == inner[1]


def test_closed_generator_leaves_nothing_behind(mine: Layer) -> None:
    """A decorated generator that is left early, or that raises, leaves no session behind in its consumer."""
    seen: list[str] = []

    @mine.session()
    def items(session_id: str = "") -> Generator[str, None, None]:
        try:
            yield session_id
        finally:
            seen.append(here(mine))

    closed, failed = items(), items()
    sessions = [next(closed), next(failed)]
    closed.close()
    with pytest.raises(LookupError):
        failed.throw(LookupError())
    assert sessions == seen
    assert here(mine) not in sessions


def test_async_generators_session_is_not_its_consumers(mine: Layer) -> None:
    """A decorated async generator's session is current while its body runs, and never in between."""

    @mine.session()
    async def items(session_id: str = "") -> AsyncGenerator[tuple[str, str], None]:
        for _ in range(2):
            await asyncio.sleep(0)
            async with mine.session():
                yield session_id, here(mine)
            yield session_id, here(mine)

    async def main() -> list[tuple[bool, bool]]:
        found = []
        async with mine.session() as outer:
            async for session_id, seen in items():
                found.append((session_id == seen, outer == here(mine)))
        return found

    assert [(False, True), (True, True)] * 2 == asyncio.run(main())


# ---- before init


def test_session_from_before_init_is_recorded_when_it_is_needed(devserver: Server, recorded: Recorded) -> None:
    """A session that was open when `init` was called is recorded, with its attributes, by its first action."""
    late = Layer()

    @late.session(attributes={"user.id": "user-001"})
    def main(session_id: str = "") -> str:
        before = here(late)
        late.init(base_url=devserver.url, application_id="my-application", delivery="inline")
        assert (session_id, session_id, session_id) == (before, here(late), here(late))
        return session_id

    session = recorded(main())
    assert ("user-001", 2) == (session["attributes"]["user.id"], len(session["actions"]))
    assert (3, 3) == (late.stats()["accepted"], late.stats()["sent"])
    late.shutdown()


def test_session_id_before_init_is_the_one_that_was_chosen() -> None:
    """Without `init`, too, a version 5 UUID of the caller's own is the session's id."""
    chosen = UUID("2ed6657d-e927-568b-95e1-2665a8aea6a2")
    with Layer().session(session_id=chosen) as session_id:
        assert str(chosen) == session_id
