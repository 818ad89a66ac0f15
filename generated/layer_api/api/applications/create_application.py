# Generated from openapi.yaml by openapi-python-client 0.29.1: do not edit.
# Change the contract or scripts/templates, then run `make generate`.
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import errors
from ...models.application_creation_request import ApplicationCreationRequest
from ...models.application_creation_response import ApplicationCreationResponse
from ...types import UNSET, Response, Unset, read_body, to_status

if TYPE_CHECKING:
    import httpx

    from ...client import AuthenticatedClient, Client


def _get_kwargs(
    *,
    body: ApplicationCreationRequest,
    idempotency_key: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/applications",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | ApplicationCreationResponse | None:
    if response.status_code == 201:
        response_201 = ApplicationCreationResponse.from_dict(response.json())

        return response_201

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
) -> Response[Any | ApplicationCreationResponse]:
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
    body: ApplicationCreationRequest,
    idempotency_key: str | Unset = UNSET,
) -> Response[Any | ApplicationCreationResponse]:
    """Create an application

     Creates an application and answers with its id.

    Args:
        idempotency_key (str | Unset):
        body (ApplicationCreationRequest): An application to create.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ApplicationCreationResponse]
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
    body: ApplicationCreationRequest,
    idempotency_key: str | Unset = UNSET,
) -> Any | ApplicationCreationResponse | None:
    """Create an application

     Creates an application and answers with its id.

    Args:
        idempotency_key (str | Unset):
        body (ApplicationCreationRequest): An application to create.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ApplicationCreationResponse
    """

    return sync_detailed(
        client=client,
        body=body,
        idempotency_key=idempotency_key,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: ApplicationCreationRequest,
    idempotency_key: str | Unset = UNSET,
) -> Response[Any | ApplicationCreationResponse]:
    """Create an application

     Creates an application and answers with its id.

    Args:
        idempotency_key (str | Unset):
        body (ApplicationCreationRequest): An application to create.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | ApplicationCreationResponse]
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
    body: ApplicationCreationRequest,
    idempotency_key: str | Unset = UNSET,
) -> Any | ApplicationCreationResponse | None:
    """Create an application

     Creates an application and answers with its id.

    Args:
        idempotency_key (str | Unset):
        body (ApplicationCreationRequest): An application to create.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | ApplicationCreationResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            idempotency_key=idempotency_key,
        )
    ).parsed
