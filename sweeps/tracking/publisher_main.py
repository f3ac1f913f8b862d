"""The program of the publisher process, which uploads one sweep, or its report, for its driver.

It ignores Ctrl-C, SIGTERM and SIGHUP, which the driver handles, and exits when the driver does. It imports
almost nothing at the top: the driver starts it before its own large imports, so that both import at once.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from sweeps.errors import SweepError
from sweeps.tracking.protocol import Closed, Failed, FollowSweep, Opened, OpenStore, SafeUpTo, Say, SendReport

if TYPE_CHECKING:
    from sweeps.tracking.publisher import Publisher

_NICENESS = 5


def main(descriptor: int) -> None:
    """Upload one sweep, or its report, for the driver at the other end of a connection."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    driver: Connection[Any, Any] = Connection(descriptor)
    messages: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_receive, args=(driver, messages), daemon=True).start()
    from sweeps.tracking.store import mlflow_settings

    with mlflow_settings():
        # Import what requests need before the first one comes; MLflow imports its store at the first use.
        for module in ("sweeps.tracking.publisher", "mlflow.store.tracking.sqlalchemy_store"):
            import_module(module)
        request = messages.get()
        if isinstance(request, SendReport):
            _send_report(driver, request)
            return
        publisher = _open(driver, request, messages)
        publisher.start()
        # Leave the processors to the trials.
        os.nice(_NICENESS)
        while isinstance(message := messages.get(), SafeUpTo):
            publisher.limit = message.offset
        publisher.close()
    driver.send(Closed(publisher.undelivered))


def _receive(driver: "Connection[Any, Any]", messages: "SimpleQueue[Any]") -> None:
    """Queue the driver's messages; exit when the driver has exited, since the next one starts another."""
    while True:
        try:
            messages.put(driver.recv())
        except (EOFError, OSError):
            os._exit(1)


def _send_report(driver: "Connection[Any, Any]", request: SendReport) -> None:
    from sweeps.tracking.publisher import send_report

    with _failure_sent(driver):
        send_report(request.folder, request.uri, request.parent)
    driver.send(Opened())


def _open(
    driver: "Connection[Any, Any]", store_request: OpenStore, messages: "SimpleQueue[Any]"
) -> "Publisher":
    import cloudpickle

    from sweeps.tracking.publisher import Publisher
    from sweeps.tracking.store import open_store
    from trainables import registry

    with _failure_sent(driver):
        store = open_store(store_request.uri, store_request.study)
    driver.send(Opened())
    request: FollowSweep = messages.get()
    for registered in cloudpickle.loads(request.registered):
        registry.register(registered)
    with _failure_sent(driver):
        publisher = Publisher(request.folder, store, lambda text: driver.send(Say(text)))
    driver.send(Opened(publisher.parent))
    publisher.limit = request.safe_offset
    return publisher


@contextmanager
def _failure_sent(driver: "Connection[Any, Any]") -> Iterator[None]:
    try:
        yield
    # Each kind of store raises exceptions of its own.
    except Exception as error:
        from sweeps.tracking.reasons import reason_of

        is_sweep_error = isinstance(error, SweepError)
        driver.send(Failed(str(error) if is_sweep_error else reason_of(error), is_sweep_error))
        sys.exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
