"""Work done ahead in another thread, never further than a queue is long."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):  # no error: the other side needs nothing more
    """The other end of the channel is gone."""


class Channel(Generic[T]):
    """A bounded queue between two threads that both ends can close.

    The standard library's queue cannot wake a thread that waits for room when nobody will make any.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None

    def put(self, item: T) -> None:
        """Hand an item over, waiting for room.

        Raises:
            Closed: the receiver is gone.
            BaseException: the error that it left with.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            if self._error is not None:
                raise self._error
            if self._closed:
                raise Closed
            self._items.append(item)
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Say that no more items come; `error` is raised in the receiver after the last."""
        with self._changed:
            self._ended = True
            self._error = self._error or error
            self._changed.notify_all()

    def close(self, error: BaseException | None = None) -> None:
        """Say that no more items are wanted, and drop those that wait; `error` is raised in the sender."""
        with self._changed:
            self._closed = True
            self._error = self._error or error
            self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        """The items, until the sender ends.

        Raises:
            Closed: the channel was closed from outside.
            BaseException: the error that the sender ended with.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._ended or self._items)
                if self._closed:
                    raise Closed
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item


def ahead(make: Callable[[], Generator[T, None, None]], queue: int) -> Generator[T, None, None]:
    """The items of a generator that runs in a thread of its own, at most `queue` items ahead.

    Closing this iterator stops the thread and closes the generator there, before `close` returns. An error in the
    generator is raised here, after the items that came before it.
    """
    channel: Channel[T] = Channel(queue)

    def produce() -> None:
        try:
            with contextlib.closing(make()) as items:
                for item in items:
                    channel.put(item)
        except Closed:
            pass
        except BaseException as error:  # whatever it is, it belongs to whoever waits for the items
            channel.end(error)
        else:
            channel.end()

    thread = threading.Thread(target=produce, name="ml4a-ahead", daemon=True)
    thread.start()
    try:
        yield from channel
    finally:
        channel.close()
        thread.join()


class Behind(Generic[T]):
    """A function that works through items in a thread of its own, at most `queue` items behind.

    Used with `with`: leaving the block by an error makes the function's iterator raise `Closed`, so that it can undo
    what it did; `finish` waits until it has worked through everything.
    """

    def __init__(self, consume: Callable[[Iterator[T]], None], queue: int) -> None:
        self._channel: Channel[T] = Channel(queue)
        self._consume = consume
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ml4a-behind", daemon=True)

    def put(self, item: T) -> None:
        """Hand an item over, waiting for room; an error of the function is raised here."""
        self._channel.put(item)

    def finish(self) -> None:
        """Wait for the function to end; an error of the function is raised here."""
        self._channel.end()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Behind[T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._consume(iter(self._channel))
        except Closed:
            pass
        except BaseException as error:  # it belongs to whoever hands the items over
            self._error = error
            self._channel.close(error)
