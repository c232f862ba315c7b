"""Listeners that outlive connections, and messages that wait longer than the connection that brought them."""

from collections.abc import Callable

from trio_ohws.events.emitter import Emitter, nothing
from trio_ohws.events.model import Listener, Message
from trio_ohws.events.queue import BoundedQueue

__all__ = ["LastingEmitter"]


class LastingEmitter(Emitter):
    """An emitter whose streams of messages do not end with a connection.

    Args:
        fragment_size: as in `Emitter`.
        on_overflow: as in `Emitter`.
        receive_buffer: the limits of what one connection may leave unread, or None if nothing is.
        on_push: called when messages go to a callback from now on.
    """

    __slots__ = ("_on_push", "lasting", "unread")

    def __init__(
        self,
        fragment_size: int | None,
        on_overflow: Callable[[], object],
        receive_buffer: tuple[int, int] | None,
        on_push: Callable[[], object],
    ) -> None:
        super().__init__(fragment_size, on_overflow)
        items, size = receive_buffer or (1, 1)
        # Twice, because there is room again at half of it: what one connection left must not delay the next.
        self.unread: BoundedQueue[Message] = BoundedQueue(2 * items, 2 * size)
        self._on_push = on_push
        self.lasting: bool = True

    def on(self, name: str, function: Listener, *, once: bool = False) -> None:
        """As `Emitter.on`; a `message` callback gets what was kept, too."""
        super().on(name, function, once=once)
        if name == "message":
            if self.unread and self._inbox is not None and self._spawn is not None and not self._finished:
                self._inbox.restore(self.unread.take_all())
                self._plan()
                self._spawn(self.drain)
            self._on_push()

    def forget(self) -> None:
        """As `Emitter.forget`."""
        super().forget()
        self._on_push = nothing

    def begin(self, inbox: BoundedQueue[Message] | None) -> None:
        """As `Emitter.begin`; what is left of the last connection's messages is kept."""
        rest = self._inbox.take_all() if self._inbox else []
        super().begin(inbox)
        if self.pushing and rest and inbox is not None:  # a callback came, and nothing has run since
            inbox.restore(rest)
            self._plan()
        else:
            self._keep(rest)

    def end_messages(self) -> None:
        """End the streams of messages, unless another connection may come."""
        if not self.lasting:
            super().end_messages()

    def keep_unread(self) -> None:
        """The connection has ended: keep what nobody read. What callbacks have not got yet, they get."""
        if self._inbox and not self.pushing:
            self._keep(self._inbox.take_all())

    def _keep(self, messages: list[Message]) -> None:
        for message in messages:
            self.unread.put(message)
