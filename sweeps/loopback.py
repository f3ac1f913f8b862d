"""Ray on this machine alone listens on loopback; by itself it takes all addresses, and asks for no token."""

from collections.abc import Iterator
from contextlib import contextmanager

from ray._private import ray_constants, services


@contextmanager
def on_loopback() -> Iterator[None]:
    """Let the Ray that ``ray.init`` starts be reached from this machine alone.

    One that is there already, which ``RAY_ADDRESS`` names or ``ray start`` began here, is joined as it is.

    Yields:
        While Ray starts.
    """
    clusters = ray_constants.ENABLE_RAY_CLUSTER
    if services.canonicalize_bootstrap_address(None) is None:
        ray_constants.ENABLE_RAY_CLUSTER = False  # as Ray does where it has no clusters: macOS, Windows
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = clusters
