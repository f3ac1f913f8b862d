"""Finds the Ray instance that a sweep joins, and asks whether it answers."""

import os

import grpc
from ray.exceptions import AuthenticationError

from sweeps.engine import ray_private
from sweeps.errors import SweepError, in_a_line, refuse_credentials

ALONE = "export RAY_ADDRESS=local to use this machine alone"
_VARIABLE = "RAY_ADDRESS"
_SECONDS = 5.0
_TOKEN = "export RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN unless the token is in ~/.ray/auth_token"


def address_to_join() -> str | None:
    """Return the address of the Ray instance to join, HOST:PORT; None if a sweep starts one on this machine.

    Raises:
        SweepError: If nothing answers there within seconds; ``ray.init`` would wait for minutes, or forever.
    """
    given = os.environ.get(_VARIABLE, "")
    refuse_credentials(_VARIABLE, given)
    if "://" in given:
        raise SweepError(f"{_VARIABLE}={given}: {_other_use(given)}, or {ALONE}")
    try:
        address = ray_private.running_address()
    # Ray raises each of them for an address that it does not understand or does not find.
    except (ValueError, OSError) as error:
        reason = in_a_line(error).partition(". ")[0]
        raise SweepError(f"{_VARIABLE}={given}: {reason}; give HOST:PORT of the head, or {ALONE}") from None
    if address and (problem := _problem(address)):
        is_named = given not in ("", "auto")
        named = f"{_VARIABLE}={given}" if is_named else f"{address}, recorded by `ray start`"
        raise SweepError(f"{named}: {problem}, or {ALONE}")
    return address


def _other_use(given: str) -> str:
    """Say what to do with an address that Ray uses for something else."""
    if given.startswith("ray://"):
        return "a sweep cannot use Ray's client; run it on a node of the cluster, with RAY_ADDRESS=auto"
    return "is not the HOST:PORT of a head; put a dashboard's address into RAY_API_SERVER_ADDRESS"


def _problem(address: str) -> str:
    """Return why Ray's head cannot be used, and what to do; empty if it can."""
    try:
        ray_private.ask_head(address, _SECONDS)
    except AuthenticationError:
        return f"requires a token; {_TOKEN}"
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            return f"requires a token, or another one; {_TOKEN}"
        return "no Ray cluster answers there; start it"
    return ""
