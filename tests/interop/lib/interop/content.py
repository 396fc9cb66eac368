"""The expected content of a sync, derived from an organization by the published id grammar.

This is a second derivation on purpose: it knows nothing of the connector's code, only what an organization looks like
and which ids a reader of the file may expect.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

# principal types of Identity Center and the resource types they become
PRINCIPALS = {"USER": "sso_user", "GROUP": "sso_group"}


@dataclass(frozen=True)
class Assignment:
    """One account assignment of Identity Center."""

    account: str
    permission_set: str
    principal_type: str
    principal: str


@dataclass
class Organization:
    """What AWS holds: ids as AWS gives them, `accounts` and `units` mapped to their parents."""

    root: str
    identity_store: str
    region: str
    accounts: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    users: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    # membership id -> (group, user)
    memberships: dict[str, tuple[str, str]] = field(default_factory=dict)
    permission_sets: list[str] = field(default_factory=list)
    # (account, permission set), assigned to anybody or not
    provisioned: set[tuple[str, str]] = field(default_factory=set)
    assignments: list[Assignment] = field(default_factory=list)

    def principal_id(self, principal_type: str, principal: str) -> str:
        """The resource id of a user or a group."""
        kind = {"USER": "user", "GROUP": "group"}[principal_type]
        return f"arn:aws:identitystore:{self.region}::{self.identity_store}/{kind}/{principal}"

    def held(self) -> list[Assignment]:
        """The assignments of principals that the directory has. AWS keeps the others, which give nobody access."""
        existing = {"USER": set(self.users), "GROUP": set(self.groups)}
        return [each for each in self.assignments if each.principal in existing[each.principal_type]]

    def free_assignment(self) -> Assignment:
        """A user, an account and a permission set that have nothing to do with each other yet, also not by a group."""
        held = {(each.account, each.permission_set) for each in self.assignments}
        for account in self.accounts:
            for permission_set in self.permission_sets:
                if (account, permission_set) not in held:
                    return Assignment(account, permission_set, "USER", self.users[0])
        raise LookupError("every permission set is held on every account")

    def expected(self) -> "Content":
        """The rows that a full sync of the seven Identity Center and Organizations types holds."""
        content = Content()
        content.resources = {
            "organization": {self.root: None},
            "organizational_unit": {unit: self._node(parent) for unit, parent in self.units.items()},
            "account": {account: self._node(parent) for account, parent in self.accounts.items()},
            "permission_set": {arn: None for arn in self.permission_sets},
            "permission_set_assignment": {
                f"{arn}-{account}": f"account:{account}" for account, arn in self._provisioned()
            },
            "sso_user": {self.principal_id("USER", user): None for user in self.users},
            "sso_group": {self.principal_id("GROUP", group): None for group in self.groups},
        }
        content.entitlements = {
            f"sso_group:{group}:member": f"sso_group:{group}" for group in content.resources["sso_group"]
        }
        content.entitlements |= {
            f"{account}|{arn}": f"account:{account}" for account in self.accounts for arn in self.permission_sets
        }
        content.entitlements |= {
            f"permission_set_assignment:{pair}:assigned": f"permission_set_assignment:{pair}"
            for pair in content.resources["permission_set_assignment"]
        }
        content.grants = self._direct_grants()
        self._expand(content.grants)
        return content

    def _provisioned(self) -> set[tuple[str, str]]:
        """What AWS lists as provisioned, and what an assignment made since then provisions."""
        return self.provisioned | {(each.account, each.permission_set) for each in self.assignments}

    def _node(self, parent: str) -> str:
        return f"{'organization' if parent == self.root else 'organizational_unit'}:{parent}"

    def _direct_grants(self) -> "dict[str, Grant]":
        grants = {}
        for membership, (group, user) in self.memberships.items():
            entitlement = f"sso_group:{self.principal_id('GROUP', group)}:member"
            grants[membership] = Grant(entitlement, f"sso_user:{self.principal_id('USER', user)}")
        for each in self.held():
            principal = f"{PRINCIPALS[each.principal_type]}:{self.principal_id(each.principal_type, each.principal)}"
            for entitlement in (
                f"{each.account}|{each.permission_set}",
                f"permission_set_assignment:{each.permission_set}-{each.account}:assigned",
            ):
                grants[f"grant:{principal}:{entitlement}"] = Grant(entitlement, principal)
        return grants

    def _expand(self, grants: "dict[str, Grant]") -> None:
        """Give the members of each assigned group what the group has, naming the group as the source."""
        held = {(grant.entitlement, grant.principal): grant for grant in grants.values()}
        for each in self.held():
            if each.principal_type != "GROUP":
                continue
            source = f"sso_group:{self.principal_id('GROUP', each.principal)}:member"
            members = [user for group, user in self.memberships.values() if group == each.principal]
            for entitlement in (
                f"{each.account}|{each.permission_set}",
                f"permission_set_assignment:{each.permission_set}-{each.account}:assigned",
            ):
                for user in members:
                    principal = f"sso_user:{self.principal_id('USER', user)}"
                    grant = held.get((entitlement, principal))
                    if grant is None:
                        grant = held[entitlement, principal] = Grant(entitlement, principal)
                        grants[f"{entitlement}:{principal}"] = grant
                    elif not grant.sources:
                        grant.sources[entitlement] = True
                    grant.sources[source] = True


@dataclass
class Grant:
    """A grant row: entitlement id, principal as `type:id`, and what expansion left as its sources."""

    entitlement: str
    principal: str
    # source entitlement id -> held directly there
    sources: dict[str, bool] = field(default_factory=dict)


@dataclass
class Content:
    """The rows of one sync: what identifies them and what they refer to."""

    # resource type -> resource id -> parent as `type:id`, or nothing
    resources: dict[str, dict[str, str | None]] = field(default_factory=dict)
    # entitlement id -> its resource as `type:id`
    entitlements: dict[str, str] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write as JSON, the form that `baton-cli/check.py` reads."""
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True))

    @classmethod
    def load(cls, path: Path) -> "Content":
        """Read what `save` wrote."""
        raw = json.loads(path.read_text())
        grants = {grant_id: Grant(**grant) for grant_id, grant in raw["grants"].items()}
        return cls(raw["resources"], raw["entitlements"], grants)
