"""Running the connector one-shot against an AWS endpoint."""

import subprocess
from pathlib import Path

from interop import places
from interop.processes import Failure, run

# the types of Identity Center and Organizations, which `content` derives; those of IAM have a check of their own
CENTER_TYPES = (
    "sso_user",
    "sso_group",
    "account",
    "permission_set",
    "permission_set_assignment",
    "organization",
    "organizational_unit",
)

# a canary: no output may contain it
SECRET_ACCESS_KEY = "canary-secret-access-key-9f2c"


def settings(
    endpoint: str,
    region: str,
    access_key_id: str = "AKIAIOSFODNN7EXAMPLE",
    secret_access_key: str = SECRET_ACCESS_KEY,
) -> dict[str, str]:
    """The environment of a connector with static keys, Organizations and Identity Center on, in the vendor's names."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "BATON_SYNC_RESOURCE_TYPES": ",".join(CENTER_TYPES),
        "BATON_GLOBAL_AWS_ORGS_ENABLED": "true",
        "BATON_GLOBAL_AWS_SSO_ENABLED": "true",
        "BATON_GLOBAL_AWS_SSO_REGION": region,
        "BATON_GLOBAL_REGION": region,
        "BATON_GLOBAL_ACCESS_KEY_ID": access_key_id,
        "BATON_GLOBAL_SECRET_ACCESS_KEY": secret_access_key,
    }


def once(environment: dict[str, str], *arguments: str | Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """One run to its end, with no secret in what it printed."""
    done = run([places.batond(), *arguments], environment=environment, timeout=180, expect=expect)
    if environment["BATON_GLOBAL_SECRET_ACCESS_KEY"] in done.stdout + done.stderr:
        raise Failure("the secret access key was printed")
    return done
