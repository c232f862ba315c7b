"""Listeners that outlive connections, and messages that wait longer than the connection that brought them."""

from collections.abc import Callable

from trio_ohws.events.emitter import Emitter
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

    def begin(self, inbox: BoundedQueue[Message] | None) -> None:
        """As `Emitter.begin`; what `once` has left of the last connection's messages is kept."""
        self._set_aside()
        super().begin(inbox)

    def end_messages(self) -> None:
        """End the streams of messages, unless another connection may come."""
        if not self.lasting:
            super().end_messages()

    async def keep_unread(self) -> None:
        """The connection has ended: what nobody read is kept, what callbacks have not got yet, they get.

        If cancelled:
            Call it again.
        """
        if self.pushing:
            await self.drain()
        self._set_aside()

    def _set_aside(self) -> None:
        if self._inbox:
            for message in self._inbox.take_all():
                self.unread.put(message)
