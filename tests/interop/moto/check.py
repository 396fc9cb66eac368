"""A sync and a grant against moto: an AWS that nobody of this project wrote."""

import json
import logging
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import iam
from interop import batond
from interop.aws import Clients
from interop.baton_cli import BatonFile, judge
from interop.content import Assignment, Organization
from interop.processes import Failure
from moto.server import ThreadedMotoServer

from population import populate
from repair import RepairingProxy

REGION = "us-east-1"


def main() -> None:
    """Print one line per thing that held, or the first that did not and exit code 1."""
    # a line per request otherwise
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    _, port = moto.get_host_and_port()
    proxy = RepairingProxy(port, Clients(f"http://127.0.0.1:{port}", REGION))
    clients = Clients(proxy.endpoint, REGION)
    organization = populate(clients)
    try:
        with tempfile.TemporaryDirectory(prefix="batond-moto-") as directory:
            for line in _sync_and_grant(clients, organization, proxy, Path(directory)):
                print(line)
            for line in _iam(clients, organization, proxy, Path(directory)):
                print(f"IAM: {line}")
    except Failure as failure:
        sys.exit(f"moto: {failure}")
    finally:
        proxy.stop()
        moto.stop()


def _sync_and_grant(
    clients: Clients, organization: Organization, proxy: RepairingProxy, directory: Path
) -> Iterator[str]:
    file = directory / "sync.c1z"
    environment = batond.settings(proxy.endpoint, REGION)

    proxy.calls.clear()
    batond.once(environment, "--file", file)
    yield f"sync: {sum(proxy.calls.values())} calls"
    yield from judge(file, organization.expected())

    # eve is an auditor and has nothing by herself; the pair of account and set is a new one
    granted = Assignment(
        account=list(organization.accounts)[1],
        permission_set=organization.permission_sets[0],
        principal_type="USER",
        principal=organization.users[4],
    )
    grant = (
        "--grant-entitlement",
        f"{granted.account}|{granted.permission_set}",
        "--grant-principal",
        organization.principal_id("USER", granted.principal),
        "--grant-principal-type",
        "sso_user",
    )
    batond.once(environment, "--file", file, *grant)
    _assigned_once(clients, granted)
    yield "grant: moto holds the account assignment"

    batond.once(environment, "--file", file, *grant)
    _assigned_once(clients, granted)
    yield "the same grant again: succeeds, and moto still holds it once"

    after = directory / "after.c1z"
    batond.once(environment, "--file", after)
    organization.assignments.append(granted)
    for line in judge(after, organization.expected()):
        yield f"after the grant: {line}"

    user = organization.principal_id("USER", granted.principal)
    revoked = f"grant:sso_user:{user}:{granted.account}|{granted.permission_set}"
    batond.once(environment, "--file", after, "--revoke-grant", revoked)
    if granted in clients.assignments(granted.account, granted.permission_set):
        raise Failure(f"revoke: moto still holds {granted}")
    yield "revoke: the account assignment is gone from moto"


def _iam(clients: Clients, organization: Organization, proxy: RepairingProxy, directory: Path) -> Iterator[str]:
    yield _doctor(batond.settings(proxy.endpoint, REGION))
    file = directory / "iam.c1z"
    iam.populate(clients, list(organization.accounts)[1])
    environment = batond.settings(proxy.endpoint, REGION) | {"BATON_GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED": "true"}
    del environment["BATON_SYNC_RESOURCE_TYPES"]
    batond.once(environment, "--file", file)
    yield from iam.judge(iam.read(clients, list(organization.accounts)), BatonFile(file).content())
    for member in (None, list(organization.accounts)[1]):
        yield from iam.change(clients, member, partial(batond.once, environment, "--file", file))
    yield from iam.accounts(clients, list(organization.accounts)[1], partial(batond.once, environment))
    secrets = environment | {"BATON_SYNC_SECRETS": "true"}
    yield from iam.credentials(clients, list(organization.accounts)[1], partial(batond.once, secrets))


def _doctor(environment: dict[str, str]) -> str:
    """What batond doctor says of an AWS that allows everything, and has no operation to ask for writes with."""
    enabled = {"BATON_GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED": "true", "BATON_PROVISIONING": "true"}
    told = json.loads(batond.once(environment | enabled, "doctor", "--output", "json").stdout)
    severities = {each["severity"] for each in told["findings"]}
    if told["worst"] != "unchecked" or not severities <= {"ok", "note", "unchecked"}:
        raise Failure(f"doctor: {told}")
    unchecked = [each["what"] for each in told["findings"] if each["what"].startswith("not checked: ")]
    if not any("iam:CreateUser" in each for each in unchecked):
        raise Failure(f"doctor: no write is unchecked: {unchecked}")
    (tried,) = (each["what"] for each in told["findings"] if each["what"].startswith("user/moto may do"))
    return f"doctor: {tried}; {len(unchecked)} findings say which writes are unchecked"


def _assigned_once(clients: Clients, granted: Assignment) -> None:
    found = clients.assignments(granted.account, granted.permission_set).count(granted)
    if found != 1:
        raise Failure(f"grant: moto holds {granted} {found} times")


if __name__ == "__main__":
    main()
