"""Fetch Keycloak once, start it on this machine with the realm of tests/keycloak/realm.json, and stop it.

`python scripts/keycloak_server.py` runs it until Ctrl-C; `make test-keycloak` runs the tests against one of their own.
It lives in a cache folder outside of the tree, together with its database, its log and the key pair of the client
that authenticates by signed JWT: so no private key is in the tree.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

VERSION = "26.7.3"
SHA256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
REALM = Path(__file__).resolve().parent.parent / "tests" / "keycloak" / "realm.json"
KEY_ID = "of-layer-jwt"
PORT = 8180
JAVA = 17
# A server for a few clients on a small machine: little memory, and no time spent on optimizing what runs for minutes.
JAVA_OPTIONS = {"JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m", "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1"}
ADMINISTRATOR = ("admin", "not-a-secret-on-loopback")
PATIENCE = 240.0


class UnavailableError(Exception):
    """Keycloak can not be had here; the message says what is missing."""


class StartError(Exception):
    """Keycloak is there and does not start; the message says what it said."""


def folder() -> Path:
    """Say where Keycloak is, or will be."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "layer-sdk" / f"keycloak-{VERSION}"


def fetch() -> Path:
    """Fetch and unpack Keycloak, unless it is there.

    Raises:
        UnavailableError: If Java or Maven are missing, or Maven can not get it.
    """
    home = folder()
    if _java_version() < JAVA:
        raise UnavailableError(f"Keycloak needs Java {JAVA} or newer as `java`: install a JRE (openjdk-{JAVA}-jre)")
    if (home / "bin" / "kc.sh").exists():
        return home
    maven = shutil.which("mvn")
    if maven is None:
        raise UnavailableError(f"Fetching Keycloak needs Maven as `mvn`: install it, or unpack {ARTIFACT} as {home}")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as temporary:
        _unpack(_download(maven, Path(temporary)), Path(temporary))
        (Path(temporary) / home.name).replace(home)
    return home


def _java_version() -> int:
    java = shutil.which("java")
    if java is None:
        return 0
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found.group(1)) if found else 0


def _download(maven: str, target: Path) -> Path:
    command = [maven, "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={target}"]
    done = subprocess.run(command, cwd=target, capture_output=True, text=True, check=False)
    archive = next(target.glob("*.zip"), None)
    if done.returncode or archive is None:
        raise UnavailableError(f"Maven can not get {ARTIFACT}: {(done.stdout + done.stderr)[:500]}")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        raise UnavailableError(f"Maven got another {ARTIFACT} than the one that was tested: SHA-256 {digest}")
    return archive


def _unpack(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(target)
    for script in target.glob("*/bin/*.sh"):
        script.chmod(0o755)


def private_key() -> str:
    """Give the private key of the client `layer-jwt` as PEM, made when it is first asked for."""
    path = folder().parent / "layer-jwt.pem"
    if not path.exists():
        pair = rsa.generate_private_key(65537, 2048)
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        path.touch(mode=0o600)
        path.write_bytes(pair.private_bytes(serialization.Encoding.PEM, form, plain))
    return path.read_text("ascii")


def realm() -> dict[str, Any]:
    """Give the realm as Keycloak imports it: the file, with the public key of `layer-jwt` in its place."""
    public = serialization.load_pem_private_key(private_key().encode(), None).public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    entry = {**jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True), "kid": KEY_ID, "use": "sig", "alg": "RS256"}
    document: dict[str, Any] = json.loads(REALM.read_text("utf-8"))
    for client in document["clients"]:
        if client["clientAuthenticatorType"] == "client-jwt":
            client["attributes"]["jwks.string"] = json.dumps({"keys": [entry]})
    return document


def start(port: int, *, is_fresh: bool = True) -> subprocess.Popen[bytes]:
    """Start Keycloak on loopback; it answers when this returns.

    Args:
        port: The port to listen on.
        is_fresh: Whether it forgets all that it knew, and has the realm as the file says.

    Raises:
        UnavailableError: If it can not be had here.
        StartError: If another one runs, or it does not start.
    """
    home = fetch()
    lock = _locked(home)
    if is_fresh:
        shutil.rmtree(home / "data", ignore_errors=True)
        (home / "data" / "import").mkdir(parents=True)
        (home / "data" / "import" / "realm.json").write_text(json.dumps(realm()), "utf-8")
    address = ["--http-host", "127.0.0.1", "--http-port", str(port)]
    name, password = ADMINISTRATOR
    bootstrap = {"KC_BOOTSTRAP_ADMIN_USERNAME": name, "KC_BOOTSTRAP_ADMIN_PASSWORD": password}
    with (home / "keycloak.log").open("wb") as log, os.fdopen(lock, "w"):
        process = subprocess.Popen(
            [str(home / "bin" / "kc.sh"), "start-dev", *address, "--import-realm"],
            env={**os.environ, **JAVA_OPTIONS, **bootstrap},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock],  # so it is held for as long as Keycloak lives
            start_new_session=True,
        )
    try:
        _wait_for(process, issuer(port), home / "keycloak.log")
    except BaseException:
        stop(process)
        raise
    return process


def issuer(port: int) -> str:
    """The issuer's URL of the realm."""
    return f"http://127.0.0.1:{port}/realms/layer"


def _locked(home: Path) -> int:
    lock = os.open(home / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StartError(f"Keycloak runs already out of {home}: stop that one first") from None
    return lock


def _wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    ends = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < ends:
        try:
            with urlopen(f"{url}/.well-known/openid-configuration", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise StartError(f"Keycloak does not answer at {url}. The end of {log}:\n{log.read_text('utf-8')[-2000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a Keycloak that `start` started, and wait for its end."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main() -> int:
    """Run Keycloak until Ctrl-C; the exit status."""
    parser = argparse.ArgumentParser(description="Run Keycloak with the realm of the tests until Ctrl-C.")
    parser.add_argument("--port", type=int, default=PORT, help="port to listen on (default: %(default)s)")
    port = parser.parse_args().port
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(port)
    except (UnavailableError, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _run(port: int) -> None:
    process = start(port)
    try:
        print(f"Issuer: {issuer(port)}")
        print(
            f"Administrator: {' / '.join(ADMINISTRATOR)} at http://127.0.0.1:{port}/admin. Ctrl-C ends it.", flush=True
        )
        process.wait()
    finally:
        stop(process)


if __name__ == "__main__":
    raise SystemExit(main())
