"""The thread in which a blocking socket lives, and how other threads have something done there.

Each socket has one, from ``with`` to the end of the block. The socket's life is that thread's main task, so
neither can outlive the other, whatever an interrupt cuts short.
"""

import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Final, Literal, TypeVar

import anyio
import anyio.from_thread
import outcome
import trio

from trio_ohws.nursery.bare import bare_errors
from trio_ohws.sync.calls import Calls, one_or_group, sleep
from trio_ohws.sync.operation import LEFT, Bell, Operation
from trio_ohws.websocket import WebSocket

__all__ = ["CallbackThread", "SocketThread"]

T = TypeVar("T")

CallbackThread = Literal["caller", "worker"]

_NOT_ENTERED: Final = (
    "the socket is not entered: write 'with create_websocket() as ws:' and use it inside "
    "(only on, once, off and subscribe work before)"
)


class SocketThread:
    """The life of one socket, in a thread of its own.

    Args:
        ws: to be entered there.
        calls: the callbacks that are due.
        callbacks: who runs them: the thread that entered the block, when it waits, or a worker.
    """

    def __init__(self, ws: WebSocket, calls: Calls, callbacks: CallbackThread) -> None:
        self._ws = ws
        self._calls = calls
        self._by_worker = callbacks == "worker"
        self._bell: Bell = SimpleQueue() if self._by_worker else calls.bell  # of who enters and leaves
        self._thread: threading.Thread | None = None
        self._owner = 0
        self._worker = 0
        self._token: trio.lowlevel.TrioToken | None = None
        self._portal: anyio.from_thread.BlockingPortal | None = None
        self._scope = trio.CancelScope()
        self._leaving = trio.Event()
        self._given_up = False
        self.over: bool = False
        self._ended = False
        self._fault: BaseException | None = None  # what a callback raised in the worker
        self._error: BaseException | None = None  # how the socket's block ended

    # In that thread

    def _run(self) -> None:
        try:
            anyio.run(self._main, backend="trio")
        except BaseException as error:  # noqa: BLE001, ASYNC103  # Trio did not begin, or is broken
            self._error = error
        self.over = self._ended = True
        self._bell.put(None)

    async def _main(self) -> None:
        async with anyio.from_thread.BlockingPortal() as portal:
            try:
                await self._live(portal)
            except BaseException as error:  # noqa: BLE001, ASYNC103  # raised by `leave`
                self._error = error
            self.over = True
            await portal.stop(cancel_remaining=True)

    async def _live(self, portal: anyio.from_thread.BlockingPortal) -> None:
        """Enter the socket, and leave it when `leave` says so."""
        self._calls.open()
        self._token = trio.lowlevel.current_trio_token()
        if self._given_up:
            return
        with self._scope, bare_errors():
            async with trio.open_nursery(strict_exception_groups=True) as nursery:
                if self._by_worker:
                    nursery.start_soon(trio.to_thread.run_sync, self._serve)
                try:
                    async with self._ws:
                        self._portal = portal
                        self._bell.put(None)
                        await self._leaving.wait()
                finally:
                    self._calls.close()

    def _serve(self) -> None:
        """Run the callbacks, in the worker."""
        self._worker = threading.get_ident()
        self._calls.serve(self._faulted)

    def _faulted(self, fault: BaseException) -> None:
        self._fault = self._fault or fault
        self._soon(self._scope.cancel)

    # In other threads

    def enter(self) -> None:
        """Start the thread, and wait until the socket is entered.

        Raises:
            RuntimeError: it was entered before.
            BaseException: why it could not be entered.
        """
        if self._thread is not None:
            raise RuntimeError("a socket can be entered only once; create a new one")
        self._owner = threading.get_ident()
        # A daemon: who forgets to leave the block shall not be unable to end the program.
        self._thread = threading.Thread(target=self._run, name="trio_ohws.sync", daemon=True)
        try:
            self._thread.start()
            while self._portal is None and not self._ended:
                sleep(self._bell)
        except BaseException:
            self._given_up = True  # for a thread that has not come so far
            self._soon(self._scope.cancel)
            if self._thread.is_alive():
                self._thread.join()
            raise
        if self._error is not None:
            self._thread.join()
            raise self._error

    def leave(self, error: BaseException | None) -> None:
        """Close the socket, run the callbacks that are due, and wait for the end of the thread.

        Args:
            error: what the block raised, or None.

        Raises:
            BaseException: what callbacks raised, unless it is `error`; together with that, if there is one.
        """
        assert self._thread is not None
        self._owner = threading.get_ident()
        faults: list[BaseException] = []
        try:
            if error is None:
                self._soon(self._leaving.set)
            else:
                self._calls.skips_messages = True
                self._soon(self._scope.cancel)
            while not self._ended or (not self._by_worker and self._calls.pending(self._calls.count())):
                if self._by_worker or not self._run_next(faults):
                    sleep(self._bell)
            self._thread.join()
        except BaseException:
            self._soon(self._scope.cancel)  # no time for politeness: goodbye_timeout bounds it
            self._thread.join()
            raise
        if self._error is not None:
            faults.append(self._error)
        faults = [fault for fault in faults if fault is not error]
        if faults:
            raise one_or_group(faults if error is None else [error, *faults])

    def _run_next(self, faults: list[BaseException]) -> bool:
        try:
            return self._calls.run_next()
        except Exception as fault:  # noqa: BLE001  # raised at the end
            faults.append(fault)
            self._calls.skips_messages = True
            self._soon(self._scope.cancel)
            return True

    def run(
        self, function: Callable[[], Awaitable[T]], timeout: float | None = None, *, waits: bool = True
    ) -> T:
        """Have `function` done there, and wait for it.

        Args:
            function: what to do.
            timeout: seconds that it may take, or None.
            waits: whether callbacks may be run meanwhile, if that is this thread's part.

        Returns:
            What it returns.

        Raises:
            TimeoutError: it was cancelled after `timeout`.
            RuntimeError: the socket is not entered, or was left.
            BaseException: what it raises, or what a callback raised.

        If interrupted:
            It is cancelled.
        """
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be at least 0 seconds, or None, not {timeout}")
        if self._portal is None:
            raise RuntimeError(_NOT_ENTERED)
        here = threading.get_ident()
        runs_callbacks = not self._by_worker and here == self._owner
        bell: Bell = self._calls.bell if runs_callbacks else SimpleQueue()
        operation = Operation(function, timeout, bell, self._calls.count)
        try:
            self._start(self._portal, operation)
            self._wait(operation, bell, runs_callbacks and waits and not self._calls.running)
        except BaseException:
            self._give_up(operation, bell)
            raise
        if self._fault is not None and here != self._worker and isinstance(operation.result, outcome.Error):
            raise self._fault  # which is why
        return operation.result.unwrap()

    def call(self, function: Callable[[], T]) -> T:
        """Have a function called there, if the socket is entered; else here, for nobody else has it."""
        return function() if self._portal is None or self.over else self.run_now(function)

    def run_now(self, function: Callable[[], T]) -> T:
        """Have a function called there that does not wait; runs no callbacks meanwhile; see `run`."""

        async def called() -> T:  # noqa: ASYNC124  # an operation has to be async
            return function()

        return self.run(called, waits=False)

    def _start(self, portal: anyio.from_thread.BlockingPortal, operation: Operation[T]) -> None:
        try:
            portal.start_task_soon(operation.run)
            return
        except RuntimeError:
            if not self.over:
                raise  # AnyIO's word on a wrong thread
        # Not within `except`: what a callback raised keeps the cause and the context that it had.
        raise self._fault or RuntimeError(LEFT)

    def _wait(self, operation: Operation[T], bell: Bell, runs_callbacks: bool) -> None:
        """Sleep until it is done, or run callbacks: those, too, that became due before it was done."""
        calls = self._calls
        while True:
            if operation.done:
                if not (runs_callbacks and calls.pending(operation.due)):
                    return
                calls.run_next()
            elif not (runs_callbacks and calls.run_next()):
                sleep(bell)

    def _give_up(self, operation: Operation[T], bell: Bell) -> None:
        if not operation.done and self._soon(operation.abandon):
            while not operation.done:
                sleep(bell)

    def _soon(self, function: Callable[[], object]) -> bool:
        """Have a function called in the socket's thread, without waiting; False if that has ended."""
        if self._token is None:
            return False
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function)
            return True
        return False
