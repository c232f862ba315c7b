"""What instruments were told, as one list in the order of telling."""

from trio_ohws import CloseResult, ConnectionInfo, Established, Instrument

__all__ = ["Logbook"]


class Logbook(Instrument):
    """Writes down what it is told, but not of which connection: `connections` has them all, in order."""

    def __init__(self) -> None:
        self.entries: list[tuple[object, ...]] = []
        self.connections: list[ConnectionInfo] = []

    def names(self) -> list[object]:
        """Return what was told without the arguments."""
        return [entry[0] for entry in self.entries]

    def totals(self, name: str) -> tuple[int, int]:
        """Return the messages and bytes of "received" or "sent", summed up."""
        batches = [entry for entry in self.entries if entry[0] == name]
        return sum(int(str(entry[1])) for entry in batches), sum(int(str(entry[2])) for entry in batches)

    def _note(self, connection: ConnectionInfo, *entry: object) -> None:
        assert connection in self.connections
        self.entries.append(entry)

    def connecting(self, connection: ConnectionInfo) -> None:
        """Write it down."""
        self.connections.append(connection)
        self._note(connection, "connecting")

    def refused(self, connection: ConnectionInfo, error: Exception | None, seconds: float) -> None:
        """Write it down."""
        self._note(connection, "refused", error, seconds)

    def connected(self, connection: ConnectionInfo, established: Established) -> None:
        """Write it down."""
        self._note(connection, "connected", established)

    def received(self, connection: ConnectionInfo, messages: int, size: int) -> None:
        """Write it down."""
        self._note(connection, "received", messages, size)

    def sent(self, connection: ConnectionInfo, messages: int, size: int) -> None:
        """Write it down."""
        self._note(connection, "sent", messages, size)

    def control_received(self, connection: ConnectionInfo, frame: str) -> None:
        """Write it down."""
        self._note(connection, "control_received", frame)

    def control_sent(self, connection: ConnectionInfo, frame: str) -> None:
        """Write it down."""
        self._note(connection, "control_sent", frame)

    def round_trip(self, connection: ConnectionInfo, seconds: float) -> None:
        """Write it down."""
        self._note(connection, "round_trip", seconds)

    def parked(self, connection: ConnectionInfo) -> None:
        """Write it down."""
        self._note(connection, "parked")

    def unparked(self, connection: ConnectionInfo, seconds: float) -> None:
        """Write it down."""
        self._note(connection, "unparked", seconds)

    def closed(self, connection: ConnectionInfo, result: CloseResult, seconds: float) -> None:
        """Write it down."""
        self._note(connection, "closed", result, seconds)
