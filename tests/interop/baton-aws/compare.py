"""Compare the rows of two files, ours and that of `baton-aws`, field by field: `compare.py OURS THEIRS`.

What may differ is in `DEVIATIONS` and nowhere else; each has its row in docs/compatibility.md.
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

TYPES = (
    "sso_user",
    "sso_group",
    "account",
    "permission_set",
    "permission_set_assignment",
    "organization",
    "organizational_unit",
)

Row = dict[str, Any]
ANNOTATION = "type.googleapis.com/c1.connector.v2."


@dataclass(frozen=True)
class Deviation:
    """A difference that is meant: `level` takes what differs out of a row of either file."""

    reason: str
    level: Callable[[Row], None]


def main() -> None:
    """Print how many rows are equal, or the rows that differ and exit code 1."""
    ours, theirs = map(Path, sys.argv[1:])
    try:
        for line in compare(ours, theirs):
            print(line)
    except Failure as failure:
        sys.exit(str(failure))


def compare(ours: Path, theirs: Path) -> Iterator[str]:
    """One line per kind of row; a `Failure` names rows that only one file has, and fields that differ."""
    our_rows, their_rows = _rows(BatonFile(ours)), _rows(BatonFile(theirs))
    for kind, rows in our_rows.items():
        counterparts = their_rows[kind]
        alone = [f"only batond has {row}" for row in sorted(rows.keys() - counterparts.keys())]
        alone += [f"only baton-aws has {row}" for row in sorted(counterparts.keys() - rows.keys())]
        differing = [
            f"{row}{difference}"
            for row in sorted(rows.keys() & counterparts.keys())
            for difference in differences(_levelled(rows[row]), _levelled(counterparts[row]))
        ]
        if alone or differing:
            raise Failure("\n".join([f"{kind}: {len(alone) + len(differing)} differences", *alone, *differing][:60]))
        yield f"{kind}: {len(rows)} rows are equal"


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
    """All rows of the seven types, by kind and id."""
    resource_types = [each["resourceType"] for each in file.json("resource-types").get("resourceTypes", [])]
    resources = [each["resource"] for each in file.json("resources").get("resources", [])]
    entitlements = [each["entitlement"] for each in file.json("entitlements").get("entitlements", [])]
    grants = [each["grant"] for each in file.json("grants").get("grants", [])]
    return {
        "resource types": {each["id"]: each for each in resource_types if each["id"] in TYPES},
        "resources": {
            f"{each['id']['resourceType']}:{each['id']['resource']}": each
            for each in resources
            if each["id"]["resourceType"] in TYPES
        },
        "entitlements": {each["id"]: each for each in entitlements if _type_of(each["resource"]) in TYPES},
        "grants": {
            each["id"]: each
            for each in grants
            if _type_of(each["entitlement"]["resource"]) in TYPES and _type_of(each["principal"]) in TYPES
        },
    }


def _type_of(resource: Row) -> str:
    return resource["id"]["resourceType"]


def _levelled(row: Row) -> Row:
    """The row without what is meant to differ, also in the messages that it embeds."""
    row = copy.deepcopy(row)
    for message in _messages(row):
        for deviation in DEVIATIONS:
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


def _without_the_filter_s_mark(message: Row) -> None:
    if message.get("id") == "permission_set":
        mark = f"{ANNOTATION}SkipEntitlementsAndGrants"
        message["annotations"] = [each for each in message["annotations"] if each.get("@type") != mark]


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


DEVIATIONS = (
    Deviation("the type permission_set says nothing of a filter that lacks iam_policy", _without_the_filter_s_mark),
    Deviation("a disabled user is disabled in the trait too", _without_trait_status_of_disabled),
    Deviation("an e-mail address appears once per user, compared without case", _with_each_address_once),
)


if __name__ == "__main__":
    main()
