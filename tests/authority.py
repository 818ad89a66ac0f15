"""An authority that signs certificates for 127.0.0.1."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates, and writes them with their keys into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        self.path = self._write("authority", self._signed(self._name, self._key, is_authority=True), self._key)

    def issue(self, name: str, ends: datetime.timedelta = DAY, host: str | None = None) -> Path:
        """Give the file of a new certificate and its key, for 127.0.0.1 unless there is another host."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._write(name, self._signed(subject, key, ends=ends, host=host), key)

    def _signed(
        self,
        subject: x509.Name,
        key: Any,
        *,
        is_authority: bool = False,
        ends: datetime.timedelta = DAY,
        host: str | None = None,
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(NOW - 30 * DAY).not_valid_after(NOW + ends)
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        name = x509.IPAddress(ip_address("127.0.0.1")) if host is None else x509.DNSName(host)
        names = x509.SubjectAlternativeName([name])
        return builder.add_extension(names, critical=False).sign(self._key, hashes.SHA256())

    def _write(self, name: str, certificate: x509.Certificate, key: Any) -> Path:
        path = self._folder / f"{name}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        return path
