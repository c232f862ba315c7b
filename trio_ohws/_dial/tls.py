"""Whom we trust, who we are, and what a failed TLS handshake means.

Certificates are verified, host name included, against the system's store or the program's ``ca_path``. All
that reads files is blocking code for a worker thread: the system's store alone takes some 70 ms to parse.
"""

import functools
import os
import pathlib
import ssl
import stat
import sys
from typing import Final

import trio
import truststore

from trio_ohws._dial.tls_stream import tls_stream
from trio_ohws.errors import CERTIFICATE_MISSING, UNKNOWN_ERROR, BusinessError, failure
from trio_ohws.options import ClientCert, TlsProtocol, WebSocketRequestOptions

__all__ = ["check_files", "client_context", "explain", "start_tls", "tls_trouble"]

_CA_PATH: Final = "'ca_path' ('caPath')"
_CERT_PATH: Final = "'cert_path' ('certPath')"
_KEY_PATH: Final = "'key_path' ('keyPath')"

# OpenSSL's names for what a peer's alert or its bytes mean, in words for somebody who has to mend it.
_NO_TLS: Final = "the server does not speak TLS on this port"
_OLD_TLS: Final = "the server speaks no TLS version that is accepted here (1.2 at least)"
_HANGING_UP: Final = "under TLS 1.3 that may mean that it refused our client certificate, or the lack of one"
_MEANINGS: Final = {
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD_TLS,
    "UNSUPPORTED_PROTOCOL": _OLD_TLS,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the server broke off; it may require a client certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server requires a client certificate",
    "TLSV1_UNRECOGNIZED_NAME": "the server does not know this host name",
    "UNEXPECTED_EOF_WHILE_READING": "the server closed the connection",
}
_CERTIFICATE_ALERTS: Final = frozenset(
    {
        "ACCESS_DENIED",
        "BAD_CERTIFICATE",
        "CERTIFICATE_EXPIRED",
        "CERTIFICATE_REVOKED",
        "CERTIFICATE_UNKNOWN",
        "UNKNOWN_CA",
        "UNSUPPORTED_CERTIFICATE",
    }
)


def check_files(options: WebSocketRequestOptions) -> None:
    """Make sure that the certificate files exist; blocking, but no more than a ``stat`` each.

    Args:
        options: Checked options. ``ws://`` connections are no exception.

    Raises:
        BusinessError: 2302002, and the message names the option and the path.

    Source: the API document's error table.
    """
    files = [(_CA_PATH, options.ca_path)]
    if options.client_cert is not None:
        files += [(_CERT_PATH, options.client_cert.cert_path), (_KEY_PATH, options.client_cert.key_path)]
    for called, path in files:
        # Not Path.exists, which raises for a file in a directory that we may not enter.
        if path is not None and not os.path.exists(path):  # noqa: PTH110
            raise failure(CERTIFICATE_MISSING, f"{called} is {os.fspath(path)!r}")


def client_context(options: WebSocketRequestOptions) -> ssl.SSLContext:
    """Build what the options say about trust and identity; blocking, for a worker thread.

    Connections without options of their own share one context, since each one holds a parsed copy of the
    system's store: about 1 MB.

    Args:
        options: Checked options.

    Returns:
        A context that verifies certificates and host names, unless ``skip_server_cert_verification`` turns
        that off, speaks TLS 1.2 or later, and offers ``http/1.1``.

    Raises:
        BusinessError: 2302002, a file has vanished; 2302999, a file cannot be read, is no certificate or no
            key, the password is wrong, or certificate and key do not belong together.
    """
    oldest = ssl.TLSVersion.TLSv1_2
    if options.min_support_tls_protocol is TlsProtocol.TLS_V_1_3:
        oldest = ssl.TLSVersion.TLSv1_3
    skips = options.skip_server_cert_verification
    if options.ca_path is None and options.client_cert is None and not skips:
        # These two are how OpenSSL is told where the system's store is.
        return _shared_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"), oldest)
    if options.ca_path is not None:
        context = _own_context(pathlib.Path(options.ca_path), oldest)
    elif skips:
        context = _demanding(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), oldest)
    else:
        context = _system_context(oldest)
    if skips:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.client_cert is not None:
        _load_client_cert(context, options.client_cert)
    return context


async def start_tls(
    transport: trio.abc.Stream, host: str, context: ssl.SSLContext
) -> trio.SSLStream[trio.abc.Stream]:
    """Shake hands over an open stream, which is closed if that fails.

    Args:
        transport: A stream on which nothing was sent yet.
        host: The name or address that the certificate must be for, without brackets or a final dot.
        context: What ``client_context`` made.

    Returns:
        The stream to speak HTTP on. It neither sends nor awaits ``close_notify``, as is usual for HTTP.

    Raises:
        BusinessError: 2302999, the handshake failed, and the message says why.

    If cancelled:
        The transport is closed.
    """
    try:
        stream = tls_stream(transport, host, context)
        await stream.do_handshake()
    except BaseException as error:
        # The deadline is in the past: this closes at once, and waits for nothing.
        with trio.move_on_after(0, shield=True):
            await transport.aclose()
        if isinstance(error, trio.BrokenResourceError):
            trouble = tls_trouble(error) or "the connection broke during the handshake"
            raise failure(UNKNOWN_ERROR, f"TLS: {trouble}", "0") from error  # noqa: ASYNC104  # no Cancelled
        raise
    return stream


def explain(error: BaseException) -> str | None:
    """Say what ended a TLS connection after the handshake, and before the server answered.

    Args:
        error: Its cause is what the stream raised, or ``EOFError``; without one the server did answer.

    Returns:
        Words for a message, or None if they would be the error's own.
    """
    trouble = tls_trouble(error)
    if trouble is not None:
        return f"TLS: {trouble}"
    # asyncio's servers and Node's send no alert: they hang up.
    return None if error.__cause__ is None else f"{error}; {_HANGING_UP}"


def tls_trouble(error: BaseException) -> str | None:
    """Say what an error of a TLS stream means.

    Under TLS 1.3 a server judges our certificate, or the lack of one, after the handshake is done, so that
    the first read may be what tells.

    Args:
        error: What a stream raised; its causes are looked through.

    Returns:
        A few words, or None if TLS has nothing to do with it.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    if cause is None:
        return None
    if isinstance(cause, ssl.SSLCertVerificationError):
        message = cause.verify_message.rstrip(".")
        if not message.startswith("IP "):
            message = message[:1].lower() + message[1:]
        return f"certificate verify failed: {message}"
    reason: str = getattr(cause, "reason", None) or ""
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):  # without a reason, by some OpenSSLs
        reason = "UNEXPECTED_EOF_WHILE_READING"
    if reason in _MEANINGS:
        return _MEANINGS[reason]
    alert = reason.partition("_ALERT_")[2]
    words = (alert or reason).replace("_", " ").lower() or str(cause)
    if alert in _CERTIFICATE_ALERTS:
        return f"the server refused our client certificate, or the lack of one ({words})"
    return f"the server broke off ({words})" if alert else words


@functools.lru_cache(maxsize=4)
def _shared_context(cert_file: str | None, cert_dir: str | None, oldest: ssl.TLSVersion) -> ssl.SSLContext:
    del cert_file, cert_dir  # a part of the cache's key
    return _system_context(oldest)


def _system_context(oldest: ssl.TLSVersion) -> ssl.SSLContext:
    context = _demanding(truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT), oldest)
    if sys.platform in {"win32", "darwin"}:
        return context
    # Elsewhere truststore finds the store's files and leaves verification to OpenSSL, but it parses them
    # anew for every connection. The context of a connection that never begins has parsed them once.
    return context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost").context


def _own_context(ca_path: pathlib.Path, oldest: ssl.TLSVersion) -> ssl.SSLContext:
    context = _demanding(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), oldest)
    # Whatever the program lists is an anchor, an intermediate too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    loaded = [file for file in _ca_files(ca_path) if _load_ca_file(context, file)]
    if not loaded:
        raise _unusable(_CA_PATH, ca_path, "holds no certificate in PEM")
    return context


def _demanding(context: ssl.SSLContext, oldest: ssl.TLSVersion) -> ssl.SSLContext:
    """PROTOCOL_TLS_CLIENT has asked for verification with the host name already."""
    context.minimum_version = oldest
    context.set_alpn_protocols(["http/1.1"])
    return context


def _ca_files(ca_path: pathlib.Path) -> list[pathlib.Path]:
    try:
        if not ca_path.is_dir():
            return [ca_path]
        # OpenSSL itself would look for files named by hash only, and such names are links to the others.
        return sorted({file.resolve() for file in ca_path.iterdir() if file.is_file()})
    except OSError as error:
        raise _unreadable(_CA_PATH, ca_path, error) from error


def _load_ca_file(context: ssl.SSLContext, file: pathlib.Path) -> bool:
    _refuse_unreadable(_CA_PATH, file)
    try:
        context.load_verify_locations(cafile=file)
    except ssl.SSLError:
        return False
    return True


def _load_client_cert(context: ssl.SSLContext, client_cert: ClientCert) -> None:
    cert, key = pathlib.Path(client_cert.cert_path), pathlib.Path(client_cert.key_path)
    _refuse_unreadable(_CERT_PATH, cert)
    _refuse_unreadable(_KEY_PATH, key)
    asked = False

    def password() -> str:
        # OpenSSL asks for encrypted keys only; without this it would ask at the terminal.
        nonlocal asked
        asked = True
        return client_cert.key_password or ""

    try:
        context.load_cert_chain(cert, key, password)
    except (ssl.SSLError, ValueError) as error:
        raise _client_cert_trouble(client_cert, error, encrypted=asked) from error


def _client_cert_trouble(client_cert: ClientCert, error: Exception, *, encrypted: bool) -> BusinessError:
    """Find out which of the two files is at fault: OpenSSL says "PEM lib" to nearly everything."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=client_cert.cert_path)
    except ssl.SSLError:
        return _unusable(_CERT_PATH, client_cert.cert_path, "holds no certificate in PEM")
    reason = getattr(error, "reason", None)
    if reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}:
        return _unusable(_KEY_PATH, client_cert.key_path, "is not the key of the certificate")
    if encrypted and client_cert.key_password is None:
        return _unusable(_KEY_PATH, client_cert.key_path, "is encrypted, and there is no password for it")
    if encrypted:
        return _unusable(_KEY_PATH, client_cert.key_path, "does not open with this password")
    if reason:
        return _unusable(_CERT_PATH, client_cert.cert_path, f"is refused by OpenSSL ({reason})")
    return _unusable(_KEY_PATH, client_cert.key_path, "holds no private key in PEM")


def _refuse_unreadable(called: str, path: pathlib.Path) -> None:
    try:
        # Opening a pipe would wait for its writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise _unusable(called, path, "is not a file")
        path.open("rb").close()
    except OSError as error:
        raise _unreadable(called, path, error) from error


def _unreadable(called: str, path: pathlib.Path, error: OSError) -> BusinessError:
    if isinstance(error, FileNotFoundError):
        return failure(CERTIFICATE_MISSING, f"{called} is {str(path)!r}")
    return _unusable(called, path, f"cannot be read ({error.strerror})")


def _unusable(called: str, path: str | os.PathLike[str], why: str) -> BusinessError:
    return failure(UNKNOWN_ERROR, f"TLS: {called} {os.fspath(path)!r} {why}", "0")
