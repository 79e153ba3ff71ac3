"""A certificate for 127.0.0.1 that only its own file vouches for."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

from tests.support.system import require


def make(folder: Path) -> Path:
    """``cert.pem`` in ``folder``, its key beside it."""
    require("openssl")
    key = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout key.pem -out cert.pem"
    name = "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*key.split(), *name.split()], cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem"


def served(certificate: Path) -> ssl.SSLContext:
    """What a server with this certificate needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context
