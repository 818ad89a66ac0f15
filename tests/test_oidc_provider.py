"""The scenarios of real providers, with the npm package oidc-provider."""

from __future__ import annotations

from typing import Iterator

import pytest

from oidc.node_provider import NodeProvider, lacking
from oidc_scenarios import *  # noqa: F403  (the tests, and the fixtures they need)


@pytest.fixture(scope="module")
def real() -> Iterator[NodeProvider]:
    """One provider for all tests of this module."""
    reason = lacking()
    if reason:
        pytest.skip(reason)
    with NodeProvider() as provider:
        yield provider
