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


class ContentError(Exception):
    """What a split contains cannot be used; the reader of the split adds where it lies.

    Attributes:
        message: What is wrong and what to do.
        row: The first row that is wrong, counted from 1; None if it is no single row.
        file: The row's own file, if it has one.
    """

    def __init__(self, message: str, row: int | None = None, file: str | None = None) -> None:
        place = "" if row is None else f"row {row}{f' ({file})' if file else ''}: "
        super().__init__(place + message)
        self.message = message
        self.row = row
        self.file = file
