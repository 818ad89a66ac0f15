# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import errors
from ...models.session_request import SessionRequest
from ...models.session_response import SessionResponse
from ...types import UNSET, Response, Unset, read_body, to_status

if TYPE_CHECKING:
    import httpx

    from ...client import AuthenticatedClient, Client


def _get_kwargs(
    *,
    body: SessionRequest,
    idempotency_key: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/sessions",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Any | SessionResponse | None:
    if response.status_code == 201:
        response_201 = SessionResponse.from_dict(response.json())

        return response_201

    if response.status_code == 202:
        response_202 = SessionResponse.from_dict(response.json())

        return response_202

    if 200 <= response.status_code <= 299:
        response_2xx = SessionResponse.from_dict(response.json())

        return response_2xx

    if 400 <= response.status_code <= 499:
        return read_body(response)
    if 500 <= response.status_code <= 599:
        return read_body(response)
    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Any | SessionResponse]:
    try:
        parsed = _parse_response(client=client, response=response)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise errors.UnusableBody(response.status_code, response.content, response.headers) from error
    return Response(
        status_code=to_status(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=parsed,
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: SessionRequest,
    idempotency_key: str | Unset = UNSET,
) -> Response[Any | SessionResponse]:
    """Create a session

     Creates a session, optionally together with its first actions in the same request.

    The client may choose `session_id` (a version 5 UUID); otherwise the server makes one up.
    The id in the answer is the one that counts for what follows.

    Args:
        idempotency_key (str | Unset):
        body (SessionRequest): A session to create.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | SessionResponse]
    """

    kwargs = _get_kwargs(
        body=body,
        idempotency_key=idempotency_key,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: SessionRequest,
    idempotency_key: str | Unset = UNSET,
) -> Any | SessionResponse | None:
    """Create a session

     Creates a session, optionally together with its first actions in the same request.

    The client may choose `session_id` (a version 5 UUID); otherwise the server makes one up.
    The id in the answer is the one that counts for what follows.

    Args:
        idempotency_key (str | Unset):
        body (SessionRequest): A session to create.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | SessionResponse
    """

    return sync_detailed(
        client=client,
        body=body,
        idempotency_key=idempotency_key,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: SessionRequest,
    idempotency_key: str | Unset = UNSET,
) -> Response[Any | SessionResponse]:
    """Create a session

     Creates a session, optionally together with its first actions in the same request.

    The client may choose `session_id` (a version 5 UUID); otherwise the server makes one up.
    The id in the answer is the one that counts for what follows.

    Args:
        idempotency_key (str | Unset):
        body (SessionRequest): A session to create.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | SessionResponse]
    """

    kwargs = _get_kwargs(
        body=body,
        idempotency_key=idempotency_key,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: SessionRequest,
    idempotency_key: str | Unset = UNSET,
) -> Any | SessionResponse | None:
    """Create a session

     Creates a session, optionally together with its first actions in the same request.

    The client may choose `session_id` (a version 5 UUID); otherwise the server makes one up.
    The id in the answer is the one that counts for what follows.

    Args:
        idempotency_key (str | Unset):
        body (SessionRequest): A session to create.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | SessionResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            idempotency_key=idempotency_key,
        )
    ).parsed
