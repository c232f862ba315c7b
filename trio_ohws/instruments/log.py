"""What connections do, as records of `logging`."""

import logging
from typing import Final

from trio_ohws.events.model import CloseResult
from trio_ohws.instrument import ConnectionInfo, ControlFrame, Established, Instrument
from trio_ohws.instruments.error_type import type_of_end, type_of_refusal

__all__ = ["LoggingInstrument"]

_LOGGER: Final = logging.getLogger("trio_ohws.connections")


class LoggingInstrument(Instrument):
    """Logs what connections do: with words for people, and with fields for machines.

    Each record has the fields (``extra``) ``event``, the name of the method of `Instrument`;
    ``connection_id``, with which the text begins, too; ``url_scheme``, ``server_address`` and
    ``server_port``. Others have the names of that method's arguments, or are listed here:

    - DEBUG: ``connecting``; ``received`` and ``sent`` (``messages``, ``size``), ``control_received`` and
      ``control_sent`` (``frame``), ``round_trip`` (``seconds``), ``parked``, ``unparked`` (``seconds``).
    - INFO: ``connected`` (the attributes of `Established`); ``refused`` if the attempt was given up, and
      ``closed`` (``code``, ``reason``, ``clean``, ``by``, ``seconds``) if it was no error.
    - WARNING: ``refused`` (``error_type``, ``seconds``), and ``closed`` if it was an error, with
      ``error_type``.

    Nothing that a peer wrote can break a line. Paths, queries, headers and messages are not logged.

    Args:
        logger: where to; None for the logger ``trio_ohws.connections``.

    Source: beyond OHOS.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = _LOGGER if logger is None else logger

    def connecting(self, connection: ConnectionInfo) -> None:
        """Log at DEBUG."""
        self._log(logging.DEBUG, connection, "connecting", f"connecting to {_server(connection)}")

    def refused(self, connection: ConnectionInfo, error: Exception | None, seconds: float) -> None:
        """Log at WARNING, or at INFO if the attempt was given up."""
        server = _server(connection)
        if error is None:
            words = f"gave up connecting to {server} after {seconds:.3f} s"
            self._log(logging.INFO, connection, "refused", words, seconds=seconds)
        else:
            words = f"no connection to {server} after {seconds:.3f} s: {error}"
            kind = type_of_refusal(error)
            self._log(logging.WARNING, connection, "refused", words, seconds=seconds, error_type=kind)

    def connected(self, connection: ConnectionInfo, established: Established) -> None:
        """Log at INFO."""
        words = f"connected to {_server(connection)} in {established.seconds:.3f} s"
        self._log(
            logging.INFO,
            connection,
            "connected",
            words,
            seconds=established.seconds,
            local_address=established.local_address,
            remote_address=established.remote_address,
            tls_version=established.tls_version,
            subprotocol=established.subprotocol,
            extensions=established.extensions,
        )

    def received(self, connection: ConnectionInfo, messages: int, size: int) -> None:
        """Log at DEBUG."""
        words = f"received {messages} messages, {size} bytes"
        self._log(logging.DEBUG, connection, "received", words, messages=messages, size=size)

    def sent(self, connection: ConnectionInfo, messages: int, size: int) -> None:
        """Log at DEBUG."""
        words = f"sent {messages} messages, {size} bytes"
        self._log(logging.DEBUG, connection, "sent", words, messages=messages, size=size)

    def control_received(self, connection: ConnectionInfo, frame: ControlFrame) -> None:
        """Log at DEBUG."""
        self._log(logging.DEBUG, connection, "control_received", f"received {frame}", frame=frame)

    def control_sent(self, connection: ConnectionInfo, frame: ControlFrame) -> None:
        """Log at DEBUG."""
        self._log(logging.DEBUG, connection, "control_sent", f"sent {frame}", frame=frame)

    def round_trip(self, connection: ConnectionInfo, seconds: float) -> None:
        """Log at DEBUG."""
        words = f"round trip {seconds:.6f} s"
        self._log(logging.DEBUG, connection, "round_trip", words, seconds=seconds)

    def parked(self, connection: ConnectionInfo) -> None:
        """Log at DEBUG."""
        self._log(logging.DEBUG, connection, "parked", "waiting for a consumer")

    def unparked(self, connection: ConnectionInfo, seconds: float) -> None:
        """Log at DEBUG."""
        words = f"waited {seconds:.6f} s for a consumer"
        self._log(logging.DEBUG, connection, "unparked", words, seconds=seconds)

    def closed(self, connection: ConnectionInfo, result: CloseResult, seconds: float) -> None:
        """Log at INFO, or at WARNING if it was an error."""
        words = f"closed by {result.by} with {result.code} {result.reason!r} after {seconds:.3f} s"
        kind = type_of_end(result)
        fields = {} if kind is None else {"error_type": kind}
        self._log(
            logging.INFO if kind is None else logging.WARNING,
            connection,
            "closed",
            words if kind is None or kind == str(result.code) else f"{words}: {kind}",
            code=result.code,
            reason=result.reason,
            clean=result.clean,
            by=result.by,
            seconds=seconds,
            **fields,
        )

    def _log(self, level: int, connection: ConnectionInfo, event: str, words: str, **fields: object) -> None:
        if self._logger.isEnabledFor(level):
            named = {
                "event": event,
                "connection_id": connection.id,
                "url_scheme": connection.scheme,
                "server_address": connection.host,
                "server_port": connection.port,
            }
            self._logger.log(level, "connection %d: %s", connection.id, words, extra=named | fields)


def _server(connection: ConnectionInfo) -> str:
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    return f"{connection.scheme}://{host}:{connection.port}"
