"""Credentials stay out of what is written down: addresses go into logs, files and MLflow as they are."""

from urllib.parse import urlsplit

from sweeps.mistakes import SweepError


def refuse_credentials(what: str, uri: str) -> None:
    """Refuse an address with a password in it.

    Args:
        what: What it is the address of, such as ``--tracking-uri``.
        uri: The address.

    Raises:
        SweepError: If it has a password, or what stands for one; the message does not repeat it.
    """
    split = urlsplit(uri)
    if "@" in split.netloc and ":" in split.netloc.rpartition("@")[0]:
        raise SweepError(
            f"{what} {split.scheme}://...@{split.netloc.rpartition('@')[2]}: must not have a password, which "
            "would be written to logs and to the sweep; give it by the environment: MLFLOW_TRACKING_USERNAME "
            "and MLFLOW_TRACKING_PASSWORD, PGPASSWORD, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
