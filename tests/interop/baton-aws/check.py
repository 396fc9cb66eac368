"""batond beside `baton-aws`, the connector that it replaces, on the same organizations, one-shot and in service mode.

Needs a binary of it, named by BATON_AWS_BIN.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import moto_organization as moto
from interop import batond, places, testbed
from interop.aws import Clients
from interop.processes import Failure, run

from compare import MEANT, OF_AUGUST, Allowed, compare
from service import serve

Check = Callable[[Path], Iterator[str]]

ORGANIZATIONS = {
    "example": [],
    "small": ["--preset", "small", "--iam", "small", "--iam-per-member", "member"],
    "medium": ["--preset", "medium-members"],
}

# the engine that baton-aws prefers: it expands cycles right, but takes apart what rows embed
PEBBLE = {"BATON_STORAGE_ENGINE": "pebble"}

# the columns of settings under which baton-aws registers its types, each with access keys, and a type filter
COLUMNS = {
    "own account": {"BATON_GLOBAL_AWS_ORGS_ENABLED": "false", "BATON_GLOBAL_AWS_SSO_ENABLED": "false"},
    "organization": {"BATON_GLOBAL_AWS_SSO_ENABLED": "false"},
    "Identity Center": {},
    "Identity Center and IAM of members": {"BATON_GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED": "true"},
    "seven types": {"BATON_SYNC_RESOURCE_TYPES": ",".join(batond.CENTER_TYPES)},
}


def main() -> None:
    """Print one line per thing that held, or what differs and exit code 1."""
    allowed = _allowed()
    print(f"may differ: {allowed.reasons()}")
    for name, arguments in ORGANIZATIONS.items():
        for column, settings in COLUMNS.items():
            _report(f"{name}, {column}", partial(_one_shot, allowed, arguments, settings))
    for column, settings in COLUMNS.items():
        _report(f"moto, {column}", partial(_on_moto, allowed, settings))
    _report("service mode", partial(_service_mode, allowed))


def _allowed() -> Allowed:
    """What may differ from this version: one that does not know the latest settings lacks what came with them."""
    schema = json.loads(run([places.incumbent(), "config"]).stdout)
    is_of_august = "sync-resource-tags" not in {entry["name"] for entry in schema["fields"]}
    return MEANT | OF_AUGUST if is_of_august else MEANT


def _report(name: str, check: Check) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix="batond-incumbent-") as directory:
            for line in check(Path(directory)):
                print(f"{name}: {line}", flush=True)
    except Failure as failure:
        sys.exit(f"{name}: {failure}")


def _one_shot(allowed: Allowed, arguments: list[str], column: dict[str, str], directory: Path) -> Iterator[str]:
    with testbed.aws(directory, *arguments) as aws:
        settings = _settings(aws.settings(), aws.clients())
        yield from _side_by_side(allowed, settings | {"BATON_SYNC_SECRETS": "true"} | column, directory)


def _on_moto(allowed: Allowed, column: dict[str, str], directory: Path) -> Iterator[str]:
    with moto.aws() as clients:
        settings = _settings(batond.settings(clients.endpoint, clients.region), clients)
        yield from _side_by_side(allowed, settings | {"BATON_SYNC_SECRETS": "true"} | column, directory)


def _side_by_side(allowed: Allowed, settings: dict[str, str], directory: Path) -> Iterator[str]:
    ours, theirs, expanded = (directory / name for name in ("batond.c1z", "baton-aws.c1z", "pebble.c1z"))
    batond.once(settings, "--file", ours)
    run([places.incumbent(), "--file", theirs], environment=settings, timeout=600)
    run([places.incumbent(), "--file", expanded], environment=settings | PEBBLE, timeout=600)
    yield from compare(ours, theirs, allowed, expanded)


def _service_mode(allowed: Allowed, directory: Path) -> Iterator[str]:
    files = {}
    for name, program in (("baton-aws", places.incumbent()), ("batond", places.batond())):
        # each has an organization of its own, since a grant changes it
        with testbed.aws(directory) as aws:
            files[name] = directory / f"{name}.c1z"
            settings = _settings(aws.settings(), aws.clients())
            yield from serve(name, program, files[name], settings, aws.clients())
    for line in compare(files["batond"], files["baton-aws"], allowed):
        yield f"uploads: {line}"


def _settings(given: dict[str, str], clients: Clients) -> dict[str, str]:
    """All types, the container that holds rows as they are, and the connector's own account.

    baton-aws takes that from the role, also where it does not assume it; without one it reads entities of members in
    its own account.
    """
    account = clients.account()
    settings = {
        **given,
        "BATON_ROLE_ARN": f"arn:aws:iam::{account}:role/BatonConnector",
        "BATON_USE_ASSUME": "false",
        "BATON_STORAGE_ENGINE": "sqlite",
    }
    del settings["BATON_SYNC_RESOURCE_TYPES"]
    return settings


if __name__ == "__main__":
    main()
