"""docs/keycloak.md, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keycloak.keycloak_provider import KeycloakProvider, keycloak_server
from layer_sdk import Layer, LayerAuthError, OIDCClientCredentials
from layer_sdk.devserver import Server, Settings

if TYPE_CHECKING:
    from typing import Mapping

pytestmark = pytest.mark.keycloak

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "keycloak.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def run(script: str, environ: Mapping[str, str], state: Path) -> dict[str, str]:
    """Run a script that goes on where the last one ended; the variables it leaves."""
    before = f'. "{state}"\n' if state.exists() else ""
    whole = f'set -aeu -o pipefail\n{before}{script}\nexport -p > "{state}"\nenv -0 > "{state}.env"'
    done = subprocess.run(["bash", "-c", whole], env=environ, capture_output=True, text=True, timeout=120, check=False)  # noqa: S607
    assert 0 == done.returncode, done.stderr
    pairs = (entry.partition("=") for entry in Path(f"{state}.env").read_text("utf-8").split("\0"))
    return {name: value for name, _, value in pairs if name.startswith("LAYER_")}


def test_page_leads_to_a_token(real: KeycloakProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who follows the page has an application that the API lets in, before and after the secret is rotated."""
    name, password = keycloak_server.ADMINISTRATOR
    environ = {
        **os.environ,
        "PATH": f"{keycloak_server.folder() / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KC_OPTS": f"-Duser.home={tmp_path}",  # Java does not ask HOME
        "KEYCLOAK_URL": real.url,
        "KEYCLOAK_ADMIN": name,
        "KEYCLOAK_ADMIN_PASSWORD": password,
    }
    *setup, rotation = BLOCK.findall(PAGE.read_text("utf-8"))
    for variable, value in run("".join(setup), environ, tmp_path / "state").items():
        monkeypatch.setenv(variable, value)
    file = Path(os.environ["LAYER_OIDC_CLIENT_SECRET_FILE"])
    assert (tmp_path / "layer-client-secret", 0o600) == (file, file.stat().st_mode & 0o777)
    old = file.read_text()
    with Server(Settings(oidc_issuer=f"{real.url}/realms/acme", oidc_audience="layer")) as server:
        provider = OIDCClientCredentials()
        mine = Layer()
        mine.init(base_url=server.url, application_id="of-the-page", auth_provider=provider)
        assert mine.create_session()
        run(rotation, environ, tmp_path / "state")
        assert old != file.read_text()
        provider.invalidate()
        assert mine.create_session()
        mine.shutdown(5)
        with pytest.raises(LayerAuthError):
            OIDCClientCredentials(client_secret=old.strip()).get_headers()
