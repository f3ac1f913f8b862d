"""Datasets as tensors: made once per machine into a memory-mapped cache that trials share."""


class DataError(Exception):
    """A dataset that cannot be read, or cannot give what is asked of it.

    Attributes:
        message: Which, and what to do.
        hyperparameter: The hyperparameter that is to be changed; None if it is none.
    """

    def __init__(self, message: str, hyperparameter: str | None = None) -> None:
        super().__init__(f"{hyperparameter}: {message}" if hyperparameter else message)
        self.message = message
        self.hyperparameter = hyperparameter


def reason_of(error: Exception) -> str:
    """Shorten what a library raised.

    Args:
        error: What it raised.

    Returns:
        Its kind and at most 200 characters, on one line.
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
