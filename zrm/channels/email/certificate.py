"""The door's certificate: the operator's, or a self-signed one that is kept and renewed in data_dir.

Mail servers encrypt without checking names in most cases (RFC 7435), so a self-signed certificate is better than none;
one from a certificate authority is better still.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from zrm.channels.email.config import EmailConfig
from zrm.kit.clock import now

_LASTS = timedelta(days=825)
_RENEW = timedelta(days=30)


def tls_context(config: EmailConfig, data_dir: Path) -> ssl.SSLContext:
    """The context for STARTTLS, built once per process. Errors: OSError, ssl.SSLError if the files cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if config.certificate:
        context.load_cert_chain(config.certificate, config.key or None)
    else:
        context.load_cert_chain(own_certificate(data_dir / "email" / "own-certificate.pem", config.hostname))
    return context


def own_certificate(path: Path, hostname: str) -> Path:
    """A self-signed certificate and key in one file, made anew when missing, unreadable or about to expire."""
    if not _still_good(path, hostname):
        _make(path, hostname)
    return path


def _still_good(path: Path, hostname: str) -> bool:
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    return found.not_valid_after_utc - now() > _RENEW and hostname in names.get_values_for_type(x509.DNSName)


def _make(path: Path, hostname: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    start = now() - timedelta(days=1)  # peers with slow clocks
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LASTS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    # One file, renamed into place: two doors starting at once never read a certificate with the other's key.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
