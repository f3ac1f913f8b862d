"""Datasets as tensors, built once per machine in a memory-mapped cache that trials share."""


class DataError(Exception):
    """A dataset cannot be read, or does not suffice for the hyperparameters.

    Attributes:
        message: What failed and what to do.
        hyperparameter: The hyperparameter to change; None if there is none.
    """

    def __init__(self, message: str, hyperparameter: str | None = None) -> None:
        super().__init__(f"{hyperparameter}: {message}" if hyperparameter else message)
        self.message = message
        self.hyperparameter = hyperparameter
