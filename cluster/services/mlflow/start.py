"""Start ``mlflow server``, with this program's arguments and the passwords in the folder ``SECRETS``."""

import json
import os
import sys
from pathlib import Path
from urllib.parse import urlparse

import boto3


def read_secrets(folder: Path) -> dict[str, str]:
    """Return the passwords of PostgreSQL and S3 as the environment variables that libpq and boto3 read."""
    postgres = (folder / "postgres_password").read_text().strip()
    keys = json.loads((folder / "s3.json").read_text())["identities"][0]["credentials"][0]
    variables = {
        "PGPASSWORD": postgres,
        "AWS_ACCESS_KEY_ID": keys["accessKey"],
        "AWS_SECRET_ACCESS_KEY": keys["secretKey"],
    }
    if not all(variables.values()):
        raise SystemExit(f"{folder}: a secret is empty; delete its file and run make-secrets")
    return variables


def make_bucket(artifacts: str) -> None:
    """Create the bucket of ``s3://BUCKET/...`` if there is none; MLflow does not."""
    s3 = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
    bucket = urlparse(artifacts).netloc
    if bucket not in [existing["Name"] for existing in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=bucket)


if __name__ == "__main__":
    options = sys.argv[1:]
    os.environ.update(read_secrets(Path(os.environ["SECRETS"])))
    make_bucket(options[options.index("--artifacts-destination") + 1])
    os.execvp(sys.executable, [sys.executable, "-m", "mlflow", "server", *options])
