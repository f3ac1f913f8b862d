"""How errors of other libraries are told."""


def reason_of(error: BaseException) -> str:
    """The type of a library's error and at most 200 characters of its text, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
