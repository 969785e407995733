"""TLS: the server's certificate, those of its clients, and the user that a certificate names."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from attrs import frozen

if TYPE_CHECKING:
    from os import PathLike

    LoginFrom: TypeAlias = Literal["common_name", "subject_alternative_name"]
    TLS: TypeAlias = "TLSFiles | ssl.SSLContext"

__all__ = ["TLSFiles", "user_of"]


@frozen
class TLSFiles:
    """PEM files, read again on `Server.reload_tls`.

    With `ca`, clients may show a certificate that one of its authorities signed, and log in by
    it (EXTERNAL); with `verify` they must. The common name of a certificate names the user, or
    its first alternative name where `login_from` says so (RabbitMQ's `ssl_cert_login_from`).
    """

    certificate: str | PathLike[str]
    key: str | PathLike[str] | None = None
    ca: str | PathLike[str] | None = None
    verify: bool = False
    login_from: LoginFrom = "common_name"

    def context(self) -> ssl.SSLContext:
        """Read the files.

        Raises:
            OSError: a file cannot be read, or does not hold what it should (`ssl.SSLError`).

        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if self.ca is not None:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED if self.verify else ssl.CERT_OPTIONAL
        return context


def user_of(certificate: Any, login_from: LoginFrom = "common_name") -> str | None:
    """Return the user that a certificate names, None where it names none.

    `certificate` is what `ssl.SSLSocket.getpeercert` returns.

    >>> user_of({"subject": ((("commonName", "svc"),),)})
    'svc'
    """
    if not certificate:
        return None
    if login_from == "subject_alternative_name":
        names = certificate.get("subjectAltName", ())
    else:
        names = [
            pair
            for part in certificate.get("subject", ())
            for pair in part
            if pair[0] == "commonName"
        ]
    return cast("str", names[0][1]) if names else None
