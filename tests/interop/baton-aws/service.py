"""A connector in service mode between both halves of the testbed: hello, sync, upload and a grant."""

from collections.abc import Iterator
from pathlib import Path

from interop import testbed
from interop.aws import Clients, read_organization
from interop.content import Assignment, Organization
from interop.processes import Failure, background

SECONDS = 300


def serve(name: str, program: Path, file: Path, settings: dict[str, str], clients: Clients) -> Iterator[str]:
    """Run `program` until the scenario is over, and leave what it uploaded as `file`; one line per step."""
    organization = read_organization(clients)
    granted = organization.free_assignment()
    directory = file.with_suffix("")
    with testbed.control_plane(directory, _steps(organization, granted)) as control_plane:
        environment = {**settings, **control_plane.settings(), "BATON_PROVISIONING": "true"}
        with background([program], log=directory / "connector.log", environment=environment, directory=directory):
            for line in control_plane.play(SECONDS):
                yield f"{name}: {line}"
        control_plane.upload().rename(file)
    found = clients.assignments(granted.account, granted.permission_set).count(granted)
    if found != 1:
        raise Failure(f"{name}: AWS holds {granted} {found} times")
    yield f"{name}: AWS holds what was granted"


def _steps(organization: Organization, granted: Assignment) -> list[object]:
    entitlement = {
        "id": f"{granted.account}|{granted.permission_set}",
        "resource_type": "account",
        "resource": granted.account,
        "slug": "member",
    }
    principal = {"resource_type": "sso_user", "resource": organization.principal_id("USER", granted.principal)}
    return ["hello", {"sync_full": {}}, {"grant": {"entitlement": entitlement, "principal": principal}}]
