"""Both faces as one, so that one test holds them to one meaning."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

import pytest

import leveret
import leveret.aio

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

#: Generous: what is waited for comes at once, but on a machine that is busy.
SOON_S = 60


class Plain:
    """Something of the asyncio face, whose coroutines are awaited for a caller that has no loop."""

    def __init__(self, thing: Any, loop: Loop) -> None:
        self._thing = thing
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        return self._loop.wrapped(found) if callable(found) else found

    def __iter__(self) -> Iterator[Any]:
        stream = aiter(self._thing)
        try:
            while True:
                try:
                    yield self._loop.wrap(self._loop.wait(anext(stream)))
                except StopAsyncIteration:
                    return
        finally:
            self._loop.wait(stream.aclose())

    def __enter__(self) -> Any:
        return self._loop.wrap(self._loop.wait(self._thing.__aenter__()))

    def __exit__(self, *error: object) -> None:
        self._loop.wait(self._thing.__aexit__(*error))


class Loop:
    """An event loop in a thread, for a test that speaks to it from outside."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Return what a coroutine returns."""

        async def run() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(SOON_S)

    def wrap(self, thing: Any) -> Any:
        """Make something of the asyncio face plain; leave all else alone."""
        own = type(thing).__module__.startswith("leveret.aio")
        return Plain(thing, self) if own else thing

    def wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Have a method called in the loop, and awaited where it is a coroutine."""

        def called(*args: Any, **kwargs: Any) -> Any:
            async def run() -> Any:
                result = call(*args, **kwargs)
                return await result if inspect.isawaitable(result) else result

            return self.wrap(self.wait(run()))

        return called

    def close(self) -> None:
        """End the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture(params=["threads", "asyncio"])
def open_service(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Open a service of one of the faces; what comes back is used alike."""
    if request.param == "threads":
        opened: list[Any] = []

        def open_one(*args: Any, **kwargs: Any) -> Any:
            opened.append(leveret.open(*args, **kwargs))
            return opened[-1]

        yield open_one
        for service in opened:
            service.close()
        return
    loop = Loop()

    def open_in_loop(*args: Any, **kwargs: Any) -> Any:
        opened.append(loop.wrap(loop.wait(leveret.aio.open(*args, **kwargs).start())))
        return opened[-1]

    opened = []
    try:
        yield open_in_loop
        for service in opened:
            service.close()
    finally:
        loop.close()
