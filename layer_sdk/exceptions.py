"""Every error that the SDK raises, in one tree.

::

    LayerSDKException
    ├── LayerMissingRequiredConfigurationError   an option that is needed was not given
    ├── LayerInvalidConfigurationError           an option's value is not usable (also a ValueError)
    ├── LayerAlreadyInitializedError             a second `init` without a `shutdown` between
    ├── LayerSchemaValidationError               an argument is not what the contract asks for
    ├── LayerRequestPreparationError             the data cannot be put into JSON
    ├── LayerRequestError                        the request got no answer
    │   └── LayerFirewallRequestError            ... from the firewall (also a LayerFirewallException)
    ├── LayerHTTPError                           the answer was not a success
    │   ├── LayerAuthHTTPError                   ... but 401 or 403 (also a LayerAuthError)
    │   └── LayerFirewallHTTPError               ... and came from the firewall (also a LayerFirewallException)
    ├── LayerAuthError                           no credentials, or refused ones
    ├── LayerFirewallException                   anything about the firewall
    └── LayerFirewallSessionBlocked              the firewall says that the session is to be stopped

An error raised because of another one has that one as its `__cause__`. None holds a token or a secret.
"""

from __future__ import annotations


class LayerSDKException(Exception):  # noqa: N818  (the name that the published SDK gave it)
    """The base of every error that the SDK raises."""


class LayerMissingRequiredConfigurationError(LayerSDKException):
    """An option that is needed was given neither as an argument nor in the environment."""


class LayerInvalidConfigurationError(LayerSDKException, ValueError):
    """An option has a value that cannot be used; the text names it, where it came from and what is wanted."""


class LayerAlreadyInitializedError(LayerSDKException):
    """`init` was called a second time without a `shutdown` between."""


class LayerSchemaValidationError(LayerSDKException):
    """An argument is not what the contract asks for, such as a session id that is no version 5 UUID."""


class LayerRequestPreparationError(LayerSDKException):
    """The data cannot be put into JSON; the text names the place inside it, such as `data.messages[0].content`."""


class LayerRequestError(LayerSDKException):
    """The request got no answer: the network, a proxy, TLS or a timeout; the cause is attached."""


class LayerHTTPError(LayerSDKException):
    """The server's answer was not a success.

    Args:
        message: What failed and the server's words, shortened to a line.
        status_code: The HTTP status, an `http.HTTPStatus` where it is one of those, else the number (such as 520).
        response_data: The body of the answer, whole, as text.
        request_id: The server's id of the request, from `X-Request-Id` or its like, if it gave one.

    Attributes:
        retry_after: Seconds that the server asks to wait before another try, if it does.

    Example:
        >>> try:
        ...     raise LayerHTTPError("create session: no such application", 404, '{"detail": "..."}')
        ... except LayerHTTPError as error:
        ...     error.status_code, error.message
        (404, 'create session: no such application')
    """

    retry_after: float | None = None

    def __init__(self, message: str, status_code: int, response_data: str, request_id: str | None = None) -> None:
        # All four go to the base class: that is what makes the error survive pickling between processes.
        super().__init__(message, status_code, response_data, request_id)
        self.message = message
        self.status_code = status_code
        self.response_data = response_data
        self.request_id = request_id

    def __str__(self) -> str:
        suffix = f" (request id {self.request_id})" if self.request_id else ""
        return f"HTTP {int(self.status_code)}: {self.message}{suffix}"


class LayerAuthError(LayerSDKException):
    """No credentials could be had, or the server refused them."""


class LayerAuthHTTPError(LayerAuthError, LayerHTTPError):
    """The server answered 401 or 403."""


class LayerFirewallException(LayerSDKException):
    """Anything that goes wrong with the firewall."""


class LayerFirewallRequestError(LayerFirewallException, LayerRequestError):
    """The request to the firewall got no answer."""


class LayerFirewallHTTPError(LayerHTTPError, LayerFirewallException):
    """The firewall's answer was not a success."""


class LayerFirewallSessionBlocked(LayerSDKException):
    """The firewall says that the session is to be stopped."""
