"""The client credentials grant (RFC 6749, section 4.4): from what proves the client to a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

from ._answers import Failure, judge
from ._origins import without_login
from ._secrets import Secret
from .exceptions import LayerRequestError

if TYPE_CHECKING:
    from ._client_auth import ClientAuth
    from ._discovery import Directory, Place
    from ._exchange import Exchange, Proof
    from ._tokens import Granted

GRANT_TYPE = "client_credentials"


class ClientCredentialsGrant:
    """Asks for tokens, and once more where that is of use: with an exchanged secret, or at an endpoint that moved.

    Args:
        exchange: Sends the requests.
        directory: Knows the token endpoint.
        client: Proves who asks.
        parameters: What else to send: scope, audience and the like.
    """

    def __init__(
        self, exchange: Exchange, directory: Directory, client: ClientAuth, parameters: Mapping[str, str]
    ) -> None:
        self._exchange = exchange
        self._directory = directory
        self._client = client
        self._form = Secret({**parameters, "grant_type": GRANT_TYPE})

    def fetch(self) -> Granted:
        """Fetch a token.

        Raises:
            LayerAuthError: If the provider refuses, or its answer holds no token.
            LayerRequestError: If the provider cannot be reached, or cannot answer now.
        """
        place = self._directory.find()
        proof = self._client.prove(place.audience)
        found = self._ask(place, proof)
        if isinstance(found, Failure) and found.is_place and self._directory.look_again():
            place = self._directory.find()
            proof = self._client.prove(place.audience)
            found = self._ask(place, proof)
        if isinstance(found, Failure) and found.is_client:
            again = self._client.prove(place.audience)
            found = self._ask(place, again) if again.credential != proof.credential else found
        if isinstance(found, Failure):
            raise found.error
        return found

    def _ask(self, place: Place, proof: Proof) -> Granted | Failure:
        try:
            answer = self._exchange.post(place.url, "the token endpoint", self._form, proof)
        except LayerRequestError as error:
            return Failure(error, is_place=True)
        return judge(answer, without_login(place.url.reveal()), proof.secrets)
