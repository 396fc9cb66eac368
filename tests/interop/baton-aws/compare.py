"""Compare the rows of two files, ours and that of `baton-aws`, field by field: `compare.py OURS THEIRS [of-august]`.

What may differ is in `MEANT` and nowhere else; each has its row in docs/compatibility.md. `OF_AUGUST` is what the
version of August 2026 lacks of what later ones have.
"""

import copy
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interop.baton_cli import BatonFile
from interop.processes import Failure

Row = dict[str, Any]
ANNOTATION = "type.googleapis.com/c1.connector.v2."


@dataclass(frozen=True)
class ExtraRow:
    """A row that one of both has and is meant to have alone: `is_meant` gets it and our resources by id."""

    reason: str
    whose: str
    is_meant: Callable[[Row, dict[str, Row]], bool]

    def excuses(self, whose: str, row: Row, resources: dict[str, Row]) -> bool:
        """Whether this row of this file is meant to be there alone."""
        return whose == self.whose and self.is_meant(row, resources)


@dataclass(frozen=True)
class Deviation:
    """A difference that is meant: `level` takes what differs out of a row of either file."""

    reason: str
    level: Callable[[Row], None]


@dataclass(frozen=True)
class Allowed:
    """What may differ."""

    deviations: tuple[Deviation, ...]
    extra_rows: tuple[ExtraRow, ...]

    def __or__(self, other: "Allowed") -> "Allowed":
        """Both."""
        return Allowed(self.deviations + other.deviations, self.extra_rows + other.extra_rows)

    def reasons(self) -> str:
        """Why, for people."""
        return "; ".join(each.reason for each in (*self.deviations, *self.extra_rows))


def main() -> None:
    """Print how many rows are equal, or the rows that differ and exit code 1."""
    ours, theirs, *version = sys.argv[1:]
    try:
        for line in compare(Path(ours), Path(theirs), MEANT | OF_AUGUST if version == ["of-august"] else MEANT):
            print(line)
    except Failure as failure:
        sys.exit(str(failure))


def compare(ours: Path, theirs: Path, allowed: Allowed, expanded: Path | None = None) -> Iterator[str]:
    """One line per kind of row; a `Failure` names rows that only one file has, and fields that differ.

    `theirs` is a file of the SQLite engine, whose rows are whole. Its expansion is wrong on cycles: where there is a
    file of the other engine, that one says which grants there are and where they come from.
    """
    our_rows, their_rows = _rows(BatonFile(ours)), _rows(BatonFile(theirs))
    if expanded:
        whole = their_rows["grants"]
        their_rows["grants"] = {
            grant: whole.get(grant, {}) | {"sources": row.get("sources")} if grant in whole else _bare(row)
            for grant, row in _rows(BatonFile(expanded))["grants"].items()
        }
        our_rows["grants"] = {grant: row if grant in whole else _bare(row) for grant, row in our_rows["grants"].items()}
    our_resources = our_rows["resources"]
    for kind, rows in our_rows.items():
        counterparts = their_rows[kind]
        alone = [
            f"{whose} has {row}"
            for whose, here, there in (("only batond", rows, counterparts), ("only baton-aws", counterparts, rows))
            for row in sorted(here.keys() - there.keys())
            if not any(each.excuses(whose, here[row], our_resources) for each in allowed.extra_rows)
        ]
        differing = [
            f"{row}{difference}"
            for row in sorted(rows.keys() & counterparts.keys())
            for difference in differences(_levelled(rows[row], allowed), _levelled(counterparts[row], allowed))
        ]
        if alone or differing:
            raise Failure("\n".join([f"{kind}: {len(alone) + len(differing)} differences", *alone, *differing][:60]))
        yield f"{kind}: {len(rows)} rows are equal"


def _bare(grant: Row) -> Row:
    """What both engines keep of a grant."""
    return {
        "id": grant["id"],
        "entitlement": grant["entitlement"]["id"],
        "principal": {"id": grant["principal"]["id"]},
        "sources": grant.get("sources"),
    }


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, as paths with both values."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(key), theirs.get(key), f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (our_item, their_item) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(our_item, their_item, f"{path}[{index}]")
    elif ours != theirs:
        yield f" {path}: batond {json.dumps(ours)}, baton-aws {json.dumps(theirs)}"


def _rows(file: BatonFile) -> dict[str, dict[str, Row]]:
    """All rows, by kind and id."""
    resource_types = [each["resourceType"] for each in file.json("resource-types").get("resourceTypes", [])]
    resources = [each["resource"] for each in file.json("resources").get("resources", [])]
    entitlements = [each["entitlement"] for each in file.json("entitlements").get("entitlements", [])]
    grants = [each["grant"] for each in file.json("grants").get("grants", [])]
    return {
        "resource types": {each["id"]: each for each in resource_types},
        "resources": {f"{each['id']['resourceType']}:{each['id']['resource']}": each for each in resources},
        "entitlements": {each["id"]: each for each in entitlements},
        "grants": {each["id"]: each for each in grants},
    }


def _levelled(row: Row, allowed: Allowed) -> Row:
    """The row without what is meant to differ, also in the messages that it embeds."""
    row = copy.deepcopy(row)
    for message in _messages(row):
        for deviation in allowed.deviations:
            deviation.level(message)
    return row


def _messages(value: Any) -> Iterator[Row]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _messages(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _messages(inner)


def _without_trait_status_of_disabled(message: Row) -> None:
    if message.get("status") != {"status": "RESOURCE_STATUS_DISABLED"}:
        return
    for annotation in message.get("annotations", []):
        if annotation.get("@type") == f"{ANNOTATION}UserTrait":
            annotation.pop("status", None)


def _with_each_address_once(message: Row) -> None:
    if message.get("@type") != f"{ANNOTATION}UserTrait":
        return
    seen: set[str] = set()
    addresses = []
    for email in message.get("emails", []):
        if email["address"].casefold() not in seen:
            seen.add(email["address"].casefold())
            addresses.append(email)
    if addresses:
        message["emails"] = addresses


def _without_permissions_of_credentials(message: Row) -> None:
    _without_permissions(
        message,
        "iam:GetUser",
        "iam:CreateAccessKey",
        "iam:UpdateAccessKey",
        "iam:DeleteAccessKey",
        "sts:GetAccessKeyInfo",
        "iam:CreateLoginProfile",
        "iam:UpdateLoginProfile",
    )


def _without_permissions_of_tags(message: Row) -> None:
    _without_permissions(message, "organizations:ListTagsForResource", "iam:ListUserTags", "iam:ListRoleTags")


def _without_permissions(message: Row, *names: str) -> None:
    if message.get("@type") == f"{ANNOTATION}CapabilityPermissions":
        declared = message.get("permissions", [])
        message["permissions"] = [each for each in declared if each["permission"] not in names]


def _without_account_and_use_of_user(message: Row) -> None:
    profile = message.get("profile", {})
    if profile.get("aws_user_type") != "iam":
        return
    message["displayName"] = profile["aws_arn"].rpartition("/")[2]
    for name in ("aws_account_id", "aws_account_name", "password_last_used"):
        profile.pop(name, None)
    for name in ("access_key_activity_status", "access_key_last_used"):
        profile.pop(name, None)
    for annotation in message.get("annotations", []):
        if annotation.get("@type") == f"{ANNOTATION}UserTrait":
            annotation.pop("lastLogin", None)
            annotation.pop("login", None)


def _without_state_and_owner_of_key(message: Row) -> None:
    if _kind(message) == "access-key":
        for name in ("status", "profile", "parentResourceId"):
            message.pop(name, None)
    if message.get("@type") == f"{ANNOTATION}SecretTrait":
        message.pop("identityId", None)
        message.pop("createdById", None)


def _without_keys_below_account(message: Row) -> None:
    if _kind(message) == "account_iam":
        below = {"@type": f"{ANNOTATION}ChildResourceType", "resourceTypeId": "access-key"}
        message["annotations"] = [each for each in message.get("annotations", []) if each != below]


def _kind(message: Row) -> str | None:
    identity = message.get("id")
    return identity.get("resourceType") if isinstance(identity, dict) else None


def _without_cross_account_of_role(message: Row) -> None:
    if message.get("nhiDetail") == "aws.role.cross_account":
        message["nhiDetail"] = "aws.role"


def _without_plus_signs(message: Row) -> None:
    document = message.get("policy_document")
    if isinstance(document, str):
        message["policy_document"] = document.replace("+", " ")


def _is_of_gone_principal(row: Row, resources: dict[str, Row]) -> bool:
    principal = row.get("principal", {}).get("id", {})
    kind = principal.get("resourceType")
    return kind in ("sso_user", "sso_group") and f"{kind}:{principal['resource']}" not in resources


def _is_key_of_member(row: Row, resources: dict[str, Row]) -> bool:
    if not isinstance(row["id"], dict) or row["id"]["resourceType"] != "access-key":
        return False
    (owner,) = (each["id"] for each in row["annotations"] if each["@type"] == f"{ANNOTATION}V1Identifier")
    return "parentResourceId" in resources[f"iam_user:{owner}"]


MEANT = Allowed(
    (
        Deviation("a plus in a policy document stays a plus", _without_plus_signs),
        Deviation("a disabled user is disabled in the trait too", _without_trait_status_of_disabled),
        Deviation("an e-mail address appears once per user, compared without case", _with_each_address_once),
        Deviation("a pattern of actions tells who may assume a role", _without_cross_account_of_role),
        Deviation("what credentials of IAM users need is declared", _without_permissions_of_credentials),
    ),
    (ExtraRow("assignments of principals that are gone are left out", "only baton-aws", _is_of_gone_principal),),
)

OF_AUGUST = Allowed(
    (
        Deviation("an IAM user tells its account, its login and its last uses", _without_account_and_use_of_user),
        Deviation("an access key tells its status, last use, account and owner", _without_state_and_owner_of_key),
        Deviation("an account has access keys below it", _without_keys_below_account),
        Deviation("what tags need is declared", _without_permissions_of_tags),
    ),
    (ExtraRow("access keys of member accounts are synced", "only batond", _is_key_of_member),),
)


if __name__ == "__main__":
    main()
