"""Looking at an AWS endpoint through boto3, as a second pair of eyes beside the connector."""

from typing import Any

import boto3

from interop.content import Assignment, Organization


class Clients:
    """boto3 clients of the services of an organization with Identity Center."""

    def __init__(
        self, endpoint: str, region: str, access_key_id: str = "AKIAIOSFODNN7EXAMPLE", secret_access_key: str = "none"
    ) -> None:
        session = boto3.Session(
            aws_access_key_id=access_key_id, aws_secret_access_key=secret_access_key, region_name=region
        )
        self.region = region
        self.endpoint = endpoint
        self.iam = session.client("iam", endpoint_url=endpoint)
        self.sts = session.client("sts", endpoint_url=endpoint)
        self.organizations = session.client("organizations", endpoint_url=endpoint)
        self.sso_admin = session.client("sso-admin", endpoint_url=endpoint)
        self.identity_store = session.client("identitystore", endpoint_url=endpoint)

    def account(self) -> str:
        """The account of the keys."""
        return self.sts.get_caller_identity()["Account"]

    def instance(self) -> dict[str, Any]:
        """The one Identity Center instance."""
        (instance,) = self.sso_admin.list_instances()["Instances"]
        return instance

    def assignments(self, account: str, permission_set: str) -> list[Assignment]:
        """Who holds a permission set on an account."""
        pages = self.sso_admin.get_paginator("list_account_assignments").paginate(
            InstanceArn=self.instance()["InstanceArn"], AccountId=account, PermissionSetArn=permission_set
        )
        return [
            Assignment(account, permission_set, each["PrincipalType"], each["PrincipalId"])
            for page in pages
            for each in page["AccountAssignments"]
        ]


def read_organization(clients: Clients) -> Organization:
    """Everything a sync should find, read by the plainest walk there is."""
    instance = clients.instance()
    store = instance["IdentityStoreId"]
    (root,) = clients.organizations.list_roots()["Roots"]
    organization = Organization(root=root["Id"], identity_store=store, region=clients.region)
    _read_tree(clients, organization, root["Id"])

    users = clients.identity_store.get_paginator("list_users").paginate(IdentityStoreId=store)
    organization.users = [user["UserId"] for page in users for user in page["Users"]]
    groups = clients.identity_store.get_paginator("list_groups").paginate(IdentityStoreId=store)
    organization.groups = [group["GroupId"] for page in groups for group in page["Groups"]]
    for group in organization.groups:
        pages = clients.identity_store.get_paginator("list_group_memberships").paginate(
            IdentityStoreId=store, GroupId=group
        )
        for membership in (each for page in pages for each in page["GroupMemberships"]):
            organization.memberships[membership["MembershipId"]] = (group, membership["MemberId"]["UserId"])

    sets = clients.sso_admin.get_paginator("list_permission_sets").paginate(InstanceArn=instance["InstanceArn"])
    organization.permission_sets = [arn for page in sets for arn in page["PermissionSets"]]
    for account in organization.accounts:
        provisioned = clients.sso_admin.get_paginator("list_permission_sets_provisioned_to_account").paginate(
            InstanceArn=instance["InstanceArn"], AccountId=account
        )
        for arn in (arn for page in provisioned for arn in page.get("PermissionSets", [])):
            organization.provisioned.add((account, arn))
            organization.assignments += clients.assignments(account, arn)
    return organization


def _read_tree(clients: Clients, organization: Organization, parent: str) -> None:
    accounts = clients.organizations.get_paginator("list_accounts_for_parent").paginate(ParentId=parent)
    for account in (account for page in accounts for account in page["Accounts"]):
        if (account.get("State") or account["Status"]) == "ACTIVE":
            organization.accounts[account["Id"]] = parent
    units = clients.organizations.get_paginator("list_organizational_units_for_parent").paginate(ParentId=parent)
    for unit in (unit for page in units for unit in page["OrganizationalUnits"]):
        organization.units[unit["Id"]] = parent
        _read_tree(clients, organization, unit["Id"])
