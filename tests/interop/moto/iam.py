"""IAM of two accounts in moto, and what a sync should hold of it, read by the plainest walk there is."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from subprocess import CompletedProcess
from typing import Any

import boto3
import pyrage
from interop.aws import Clients
from interop.content import Content
from interop.processes import Failure

ROLE = "OrganizationAccountAccessRole"
KINDS = ("iam_user", "group", "role", "iam_policy", "inline_policy", "account_iam")
ALLOW = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::a+b/*"}]}
)


@dataclass
class Expected:
    """Resource ids by type with their parents, and the ids of the grants that AWS knows itself."""

    resources: dict[str, dict[str, str | None]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    grants: set[str] = field(default_factory=set)


def populate(clients: Clients, member: str) -> None:
    """Create users, groups, roles and policies in the own account and in a member."""
    for account in (None, member):
        iam = _iam(clients, account)
        policy = iam.create_policy(PolicyName="Deploy", Path="/team/", PolicyDocument=ALLOW)["Policy"]["Arn"]
        iam.create_group(GroupName="devs", Path="/people/")
        iam.attach_group_policy(GroupName="devs", PolicyArn=policy)
        iam.put_group_policy(GroupName="devs", PolicyName="own+rules", PolicyDocument=ALLOW)
        for name in ("ada@example.com", "ben", "chi"):
            user = iam.create_user(UserName=name, Path="/people/")["User"]["Arn"]
            iam.create_access_key(UserName=name)
        iam.add_user_to_group(GroupName="devs", UserName="ben")
        iam.attach_user_policy(UserName="chi", PolicyArn=policy)
        iam.put_user_policy(UserName="chi", PolicyName="extra", PolicyDocument=ALLOW)
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": user}}
        trust = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.create_role(RoleName="deploy", Path="/ci/", AssumeRolePolicyDocument=trust, Description="Deploys")
        iam.attach_role_policy(RoleName="deploy", PolicyArn=policy)
        iam.put_role_policy(RoleName="deploy", PolicyName="inline", PolicyDocument=ALLOW)


def read(clients: Clients, accounts: list[str]) -> Expected:
    """What a sync with IAM of the members should hold."""
    expected = Expected()
    own = clients.account()
    for account in accounts:
        expected.resources["account_iam"][account] = None
        iam = _iam(clients, None if account == own else account)
        _account(expected, iam, None if account == own else f"account_iam:{account}")
    return expected


def judge(expected: Expected, found: Content) -> Iterator[str]:
    """One line per resource type, and one for the grants; a `Failure` names what differs."""
    for kind, resources in expected.resources.items():
        there = found.resources.get(kind, {})
        if there != resources:
            raise Failure(f"{kind}: found {there}, expected {resources}")
        yield f"{kind}: {len(resources)} resources"
    if missing := expected.grants - found.grants.keys():
        raise Failure(f"grants are missing: {sorted(missing)}")
    of_iam = [
        (grant_id, grant)
        for grant_id, grant in found.grants.items()
        if grant.entitlement.split(":", 1)[0] in ("group", "role", "iam_policy", "inline_policy")
    ]
    # what AWS does not know itself came through a group or a role
    if unexpected := [each for each, grant in of_iam if each not in expected.grants and not grant.sources]:
        raise Failure(f"nobody has {unexpected}")
    yield f"grants of IAM: {len(expected.grants)} of AWS, {len(of_iam) - len(expected.grants)} through groups and roles"


def change(clients: Clients, member: str | None, run: Callable[..., None]) -> Iterator[str]:
    """Grant and revoke one of each kind in the own account or in a member, as `run` does it; one line per change."""
    iam = _iam(clients, member)
    account = member or clients.account()
    user = f"arn:aws:iam::{account}:user/people/"
    policy = f"arn:aws:iam::{account}:policy/team/Deploy"
    inline = f"{user}chi::inline::extra"

    def grant(entitlement: str, principal: str) -> None:
        kind = ("--grant-principal-type", "iam_user")
        run("--grant-entitlement", entitlement, "--grant-principal", principal, *kind)

    def names() -> set[str]:
        return {each["UserName"] for each in iam.get_group(GroupName="devs")["Users"]}

    def attached(name: str) -> list[str]:
        return [each["PolicyArn"] for each in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]]

    for _ in range(2):
        grant(f"group:arn:aws:iam::{account}:group/people/devs:member", f"{user}ada@example.com")
        grant(f"iam_policy:{policy}:attached", f"{user}ben")
        if names() != {"ada@example.com", "ben"} or attached("ben") != [policy]:
            raise Failure(f"account {account}: members {names()}, policies of ben {attached('ben')}")
    yield f"account {account}: granted twice, a membership and a policy are there once"
    for _ in range(2):
        run("--revoke-grant", f"group:arn:aws:iam::{account}:group/people/devs:member:iam_user:{user}ben")
        run("--revoke-grant", f"iam_policy:{policy}:attached:iam_user:{user}chi")
        run("--revoke-grant", f"inline_policy:{inline}:attached:iam_user:{user}chi")
        left = iam.list_user_policies(UserName="chi")["PolicyNames"]
        if "ben" in names() or attached("chi") or left:
            raise Failure(f"account {account}: members {names()}, policies of chi {attached('chi')} {left}")
    yield f"account {account}: revoked twice, a membership, a policy and an inline policy are gone"


def accounts(clients: Clients, member: str, run: Callable[..., None]) -> Iterator[str]:
    """Create a user, and delete one in a member with all that moto lets it have; one line each."""
    create = ("--create-account-login", "newcomer", "--create-account-email", "new@example.com")
    run(*create)
    run(*create)
    tags = _iam(clients, None).list_user_tags(UserName="newcomer")["Tags"]
    if tags != [{"Key": "email", "Value": "new@example.com"}]:
        raise Failure(f"the tags of the new user are {tags}")
    yield "created twice, a user is there once, with its address"

    iam = _iam(clients, member)
    iam.create_login_profile(UserName="chi", Password="Correct-horse-1")
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]["SerialNumber"]
    codes = {"AuthenticationCode1": "123456", "AuthenticationCode2": "654321"}
    iam.enable_mfa_device(UserName="chi", SerialNumber=device, **codes)
    iam.add_user_to_group(GroupName="devs", UserName="chi")
    iam.put_user_policy(UserName="chi", PolicyName="extra", PolicyDocument=ALLOW)
    delete = ("--delete-resource", f"arn:aws:iam::{member}:user/people/chi", "--delete-resource-type", "iam_user")
    run(*delete)
    run(*delete)
    left = [each["UserName"] for each in iam.list_users()["Users"]]
    devices = iam.list_virtual_mfa_devices()["VirtualMFADevices"]
    if "chi" in left or devices:
        raise Failure(f"users {left}, virtual devices {devices} are left")
    yield f"account {member}: deleted twice, a user is gone with all that it had"


def credentials(clients: Clients, member: str, run: Callable[..., CompletedProcess[str]]) -> Iterator[str]:
    """Rotate a password in a member and a key in the own account, and read both with the recipient's key."""
    identity = pyrage.x25519.Identity.generate()

    def rotate(kind: str, resource: str) -> tuple[dict[str, str], str]:
        order = ("--rotate-credentials", resource, "--rotate-credentials-type", kind)
        answer = json.loads(run(*order, "--credential-recipients", str(identity.to_public())).stdout)
        sealed = {each["name"]: base64.b64decode(each["encryptedBytes"]) for each in answer["encryptedData"]}
        opened = {name: pyrage.decrypt(data, [identity]).decode() for name, data in sealed.items()}
        return opened, answer["resourceId"]["resource"]

    iam = _iam(clients, member)
    first, second = (rotate("iam_user", f"arn:aws:iam::{member}:user/people/ben")[0]["password"] for _ in range(2))
    # moto forgets PasswordResetRequired of the first, which makes the profile
    profile = iam.get_login_profile(UserName="ben")["LoginProfile"]
    if not profile["PasswordResetRequired"] or first == second or {len(first), len(second)} != {32}:
        raise Failure(f"account {member}: {profile}, and passwords of {len(first)} and {len(second)} letters")
    yield f"account {member}: rotated twice, a user has a password, whose recipient can read it"

    iam = _iam(clients, None)
    (old,) = iam.list_access_keys(UserName="ben")["AccessKeyMetadata"]
    opened, new = rotate("access-key", old["AccessKeyId"])
    states = {each["AccessKeyId"]: each["Status"] for each in iam.list_access_keys(UserName="ben")["AccessKeyMetadata"]}
    if states != {old["AccessKeyId"]: "Inactive", new: "Active"} or opened["access_key_id"] != new:
        raise Failure(f"the keys of ben are {states}, and the new one is {new}")
    keys = {"aws_access_key_id": new, "aws_secret_access_key": opened["secret_access_key"]}
    sts = boto3.client("sts", endpoint_url=clients.endpoint, region_name=clients.region, **keys)
    if not sts.get_caller_identity()["Arn"].endswith(":user/people/ben"):
        raise Failure(f"the new key is that of {sts.get_caller_identity()['Arn']}")
    yield "rotated, a key is inactive and not gone, and the new one is its user's"


def _iam(clients: Clients, member: str | None) -> Any:
    if member is None:
        return clients.iam
    role = f"arn:aws:iam::{member}:role/{ROLE}"
    session = clients.sts.assume_role(RoleArn=role, RoleSessionName="moto")["Credentials"]
    return boto3.client(
        "iam",
        endpoint_url=clients.endpoint,
        region_name=clients.region,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )


def _account(expected: Expected, iam: Any, parent: str | None) -> None:
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        expected.resources["iam_policy"][policy["Arn"]] = parent
    for user in iam.list_users()["Users"]:
        _entity(expected, iam, "iam_user", "user", user["Arn"], user["UserName"], parent)
    for group in iam.list_groups()["Groups"]:
        _entity(expected, iam, "group", "group", group["Arn"], group["GroupName"], parent)
        for member in iam.get_group(GroupName=group["GroupName"])["Users"]:
            expected.grants.add(f"group:{group['Arn']}:member:iam_user:{member['Arn']}")
    for role in iam.list_roles()["Roles"]:
        _entity(expected, iam, "role", "role", role["Arn"], role["RoleName"], parent)
        for statement in _listed(role["AssumeRolePolicyDocument"]["Statement"]):
            for principal in _listed(statement.get("Principal", {}).get("AWS", [])):
                kind = {"user": "iam_user", "role": "role"}.get(principal.split(":")[-1].split("/")[0])
                if kind and "sts:AssumeRole" in _listed(statement["Action"]):
                    expected.grants.add(f"role:{role['Arn']}:assignment:{kind}:{principal}")


def _entity(expected: Expected, iam: Any, kind: str, word: str, arn: str, name: str, parent: str | None) -> None:
    expected.resources[kind][arn] = parent
    of_it = {f"{word.title()}Name": name}
    for policy in getattr(iam, f"list_attached_{word}_policies")(**of_it)["AttachedPolicies"]:
        expected.grants.add(f"iam_policy:{policy['PolicyArn']}:attached:{kind}:{arn}")
    for policy in getattr(iam, f"list_{word}_policies")(**of_it)["PolicyNames"]:
        expected.resources["inline_policy"][f"{arn}::inline::{policy}"] = f"{kind}:{arn}"
        expected.grants.add(f"inline_policy:{arn}::inline::{policy}:attached:{kind}:{arn}")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
