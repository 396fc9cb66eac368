"""Every answer of the testbed, and every request of batond, judged by the models of AWS that botocore ships.

batond syncs and changes, and boto3 calls each operation that the testbed serves; all of it goes through a proxy that
compares requests and answers with the models. A testbed that is wrong on purpose shows first that the judge sees it.
"""

import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from interop import batond, places, testbed
from interop.processes import Failure, run

from recorder import Recorder
from sweep import Sweep, prepare

# The testbed made wrong by a fault, and what the judge must say of it.
PLANTED: list[tuple[str, dict[str, Any], str]] = [
    ("a required member left out", {"drop": "UserArn"}, "lacks the required member UserArn"),
    ("a type that is another", {"wrong_type": "UserName"}, "a string is expected"),
    ("a value that no enumeration has", {"unknown_value": "UserStatus"}, "is none of ENABLED, DISABLED"),
    ("a text beyond its pattern", {"replace": {"member": "Revision", "value": "v1"}}, "does not match [0-9]+"),
    ("a list beyond its bounds", {"replace": {"member": "Emails", "value": []}}, "0 items are not within 1 and 1"),
    ("a member that no model knows", {"replace": {"member": "Name", "value": {"Nick": "n"}}}, "does not know"),
    ("an error of another operation", {"error": {"code": "OddException"}}, "is none of this operation"),
]
LIST_USERS = "identitystore:ListUsers"


def main() -> None:
    """Print one line per thing that held, or what did not and exit code 1."""
    try:
        with tempfile.TemporaryDirectory(prefix="batond-models-") as directory:
            for line in _check(Path(directory)):
                print(line)
    except Failure as failure:
        sys.exit(f"models: {failure}")


def _check(directory: Path) -> Iterator[str]:
    fixture = directory / "fixture.yaml"
    # YAML's dates are texts in a fixture
    fixture.write_text(json.dumps(_organization(), default=lambda date: date.isoformat()))
    with testbed.aws(directory, "--fixture", str(fixture)) as aws:
        recorder = Recorder(aws.endpoint)
        try:
            yield _planted(aws, recorder)
            started = time.monotonic()
            # example signs in, so that there are events
            _post(aws.endpoint, "sign-ins", {"user": _get(aws.endpoint, "state")["memberships"][0]["user"]})
            Sweep(recorder.endpoint, aws.region, aws.access_key_id, aws.secret_access_key).run()
            served = {each["action"] for each in _get(aws.endpoint, "operations")}
            missing = served - set(recorder.record.answered)
            if missing:
                raise Failure(f"never answered, so never judged: {', '.join(sorted(missing))}")
            yield _held("boto3", recorder, started)
            started = time.monotonic()
            _connector(aws, recorder.endpoint, directory)
            yield _held("batond", recorder, started)
        finally:
            recorder.stop()


def _organization() -> dict[str, Any]:
    """A generated organization with what no operation can make."""
    sizes = ("--preset", "medium-members", "--accounts", "6", "--users", "40", "--groups", "12", "--memberships", "80")
    more = ("--permission-sets", "8", "--assignments", "40", "--pairs", "16", "--organizational-units", "4")
    printed = run([places.testbed(), "aws", *sizes, *more, "--print-fixture"]).stdout
    fixture = yaml.safe_load(printed)
    manages = fixture["organization"].get("management_account")
    prepare(fixture, {manages} if manages else _first_account(fixture["organization"]))
    return fixture


def _first_account(place: dict[str, Any]) -> set[str]:
    """Id and name of the account that manages where none is named."""
    for account in place.get("accounts", []):
        return {account[key] for key in ("id", "name") if account.get(key)}
    return next(_first_account(unit) for unit in place["organizational_units"])


def _planted(aws: testbed.Aws, recorder: Recorder) -> str:
    """The judge finds what is wrong on purpose, and nothing where nothing is."""
    store = testbed.Aws(recorder.endpoint, aws.region, aws.access_key_id, aws.secret_access_key).clients()
    listing = {"IdentityStoreId": store.instance()["IdentityStoreId"]}
    store.identity_store.list_users(**listing)
    if faults := recorder.record.take_faults():
        raise Failure("\n".join(["a plain listing of users:", *faults]))
    for what, effect, expected in PLANTED:
        _post(aws.endpoint, "faults", {"action": LIST_USERS, "times": 1, "effect": effect})
        try:
            store.identity_store.list_users(**listing)
        except Exception as error:  # boto3 itself may refuse what is wrong
            told = f" (boto3: {error})"
        else:
            told = ""
        faults = recorder.record.take_faults()
        if not any(expected in fault for fault in faults):
            raise Failure(f"{what} was not seen: {faults}{told}")
    return f"the judge sees what is wrong on purpose: {len(PLANTED)} kinds"


def _connector(aws: testbed.Aws, endpoint: str, directory: Path) -> None:
    """Syncs in three ways, and changes of each service."""
    everything = testbed.Aws(endpoint, aws.region, aws.access_key_id, aws.secret_access_key).settings()
    del everything["BATON_SYNC_RESOURCE_TYPES"]
    everything |= {
        "BATON_GLOBAL_AWS_CROSS_ACCOUNT_IAM_ENABLED": "true",
        "BATON_SYNC_SECRETS": "true",
        "BATON_SYNC_RESOURCE_TAGS": "true",
        "BATON_SYNC_IAM_USER_CONSOLE_ACCESS": "true",
        "BATON_PROVISIONING": "true",
    }
    file = directory / "sync.c1z"
    batond.once(everything, "--file", file)
    batond.once(everything | {"BATON_SYNC_IAM_TAGS": "true"}, "--file", directory / "tags.c1z")
    batond.once(everything, "doctor")
    clients = aws.clients()
    held = next(each for each in _get(aws.endpoint, "state")["assignments"] if each["principal_type"] == "USER")
    store = clients.instance()["IdentityStoreId"]
    principal = f"arn:aws:identitystore:{aws.region}::{store}/user/{held['principal_id']}"
    entitlement = f"{held['account']}|{held['permission_set']}"
    batond.once(everything, "--file", file, "--revoke-grant", f"grant:sso_user:{principal}:{entitlement}")
    grant = ("--grant-principal", principal, "--grant-principal-type", "sso_user")
    batond.once(everything, "--file", file, "--grant-entitlement", entitlement, *grant)


def _held(who: str, recorder: Recorder, started: float) -> str:
    if faults := recorder.record.take_faults():
        shown = [*faults[:60], *([f"and {len(faults) - 60} more"] if len(faults) > 60 else [])]
        raise Failure("\n".join([f"{who}: {len(faults)} lines against the models:", *shown]))
    answered = recorder.record.answered
    errors = sum(len(codes) for codes in recorder.record.refused.values())
    line = (
        f"{who}: {sum(answered.values())} answers of {len(answered)} operations and {errors} kinds of errors fit the "
        f"models ({time.monotonic() - started:.1f} s)"
    )
    answered.clear()
    recorder.record.refused.clear()
    return line


def _get(endpoint: str, path: str) -> Any:
    with urllib.request.urlopen(f"{endpoint}/_testbed/{path}", timeout=10) as answer:
        return json.load(answer)


def _post(endpoint: str, path: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{endpoint}/_testbed/{path}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()


if __name__ == "__main__":
    main()
