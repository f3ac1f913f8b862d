"""The process that delivers a sweep to MLflow: ``Delivery`` starts it and talks to it.

It ends with its driver, however that ends, and with nothing else: Ctrl-C and SIGTERM are the driver's.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from ray import cloudpickle

from sweeps.mistakes import SweepError, in_a_line
from sweeps.store import open_store
from sweeps.tracking import Publisher
from trainables import registry

_NICENESS = 5  # trials first


def main(descriptor: int) -> None:
    """Open the store, then the sweep, then deliver until the driver says that it is over.

    Args:
        descriptor: Of the connection to the driver.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    driver: Connection[Any, Any] = Connection(descriptor)
    messages: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_listen, args=(driver, messages), daemon=True).start()
    import_module("mlflow.store.tracking.sqlalchemy_store")  # else the first use of a file does
    uri, study = messages.get()
    store = _answer(driver, lambda: open_store(uri, study))
    folder, trainable, safe = messages.get()
    registry.register(cloudpickle.loads(trainable))

    def say(text: str) -> None:
        driver.send(("say", text))

    publisher = _answer(driver, lambda: Publisher(folder.spec(), folder, store, say), lambda it: it.parent)
    publisher.limit = safe
    publisher.start()
    os.nice(_NICENESS)
    import_module("torch._dynamo")  # for the model at the end, while there is time
    while (safe := messages.get()) is not None:
        publisher.limit = safe
    publisher.close()
    driver.send(("closed", publisher.undelivered))


def _listen(driver: "Connection[Any, Any]", messages: "SimpleQueue[Any]") -> None:
    while True:
        try:
            messages.put(driver.recv())
        except (EOFError, OSError):  # the driver is gone, and the next one takes over
            os._exit(1)


def _answer(
    driver: "Connection[Any, Any]", attempt: Callable[[], Any], told: Callable[[Any], str] = lambda _: ""
) -> Any:
    try:
        outcome = attempt()
    except Exception as error:  # each kind of store raises its own
        known = isinstance(error, SweepError)
        driver.send(("refused", str(error) if known else in_a_line(error), known))
        sys.exit(1)
    driver.send(("opened", told(outcome)))
    return outcome


if __name__ == "__main__":
    main(int(sys.argv[1]))
