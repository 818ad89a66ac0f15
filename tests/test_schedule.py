from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from layer_sdk.delivery._lane import Lane
from layer_sdk.delivery._schedule import SLACK, Schedule

LANES = 6
STEPS = st.tuples(st.integers(0, LANES - 1), st.integers(0, 9) | st.none()) | st.none()


def lanes(count: int) -> list[Lane]:
    return [Lane(UUID(int=number)) for number in range(count)]


def test_heap_does_not_grow_with_lanes_that_came_and_went() -> None:
    """Lanes that give way to new ones before their time, behind one that is first, leave nothing behind."""
    schedule = Schedule()
    schedule.plan(Lane(UUID(int=0)), 0.0)
    for lane in lanes(10_000):
        schedule.plan(lane, 60.0)
        schedule.cancel(lane)
        assert 2 + SLACK >= len(schedule._heap)


def test_heap_does_not_grow_with_lanes_that_are_planned_anew() -> None:
    """A lane that is put forward again and again has one place; when all are cancelled, next to nothing is left."""
    schedule, crowd = Schedule(), lanes(100)
    for due in range(1000, 0, -1):
        for lane in crowd:
            schedule.plan(lane, float(due))
        assert 2 * len(crowd) + SLACK >= len(schedule._heap)
    for lane in crowd:
        schedule.cancel(lane)
    assert (None, True) == (schedule.first(), len(schedule._heap) <= SLACK)


@given(steps=st.lists(STEPS, max_size=400))
def test_lanes_come_in_order_of_time_and_then_of_planning(steps: list[tuple[int, int | None] | None]) -> None:
    """Planning, planning anew, cancelling and taking off, in any order, against a plain dict."""
    model: dict[int, tuple[float, int]] = {}
    schedule, crowd = Schedule(), lanes(LANES)
    for number, step in enumerate(steps):
        first = min(model, key=lambda index: model[index], default=None)
        assert (None if first is None else model[first][0]) == schedule.first()
        if step is None:
            if first is not None:
                assert crowd[first] is schedule.pop()
                del model[first]
        elif step[1] is None:
            schedule.cancel(crowd[step[0]])
            model.pop(step[0], None)
        else:
            schedule.plan(crowd[step[0]], float(step[1]))
            model[step[0]] = (float(step[1]), number)
        assert 2 * len(model) + SLACK >= len(schedule._heap)
