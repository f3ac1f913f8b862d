"""The precision of rates that simulations estimate."""

import math


def standard_error(rate, draws):
    """Return the standard error of a rate that is estimated from independent draws."""
    return math.sqrt(rate * (1 - rate) / draws)
