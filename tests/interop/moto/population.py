"""A small organization in moto: nested and empty units, users alone and in groups, assignments of every kind."""

from interop.aws import Clients
from interop.content import Assignment, Organization


def populate(clients: Clients) -> Organization:
    """Create it through boto3 and give what was created, by the ids that moto handed out."""
    clients.organizations.create_organization(FeatureSet="ALL")
    instance = clients.instance()
    organization = Organization(
        root=clients.organizations.list_roots()["Roots"][0]["Id"],
        identity_store=instance["IdentityStoreId"],
        region=clients.region,
    )
    _units_and_accounts(clients, organization)
    _directory(clients, organization)
    _permissions(clients, organization, instance["InstanceArn"])
    return organization


def _units_and_accounts(clients: Clients, organization: Organization) -> None:
    management = clients.organizations.list_accounts()["Accounts"][0]["Id"]
    organization.accounts[management] = organization.root

    def unit(name: str, parent: str) -> str:
        made = clients.organizations.create_organizational_unit(ParentId=parent, Name=name)["OrganizationalUnit"]["Id"]
        organization.units[made] = parent
        return made

    workloads = unit("workloads", organization.root)
    production = unit("production", workloads)
    payments = unit("payments", production)
    unit("empty", organization.root)
    for name, parent in (
        ("shared", organization.root),
        ("staging", workloads),
        ("ledger", payments),
        ("cards", payments),
    ):
        request = clients.organizations.create_account(AccountName=name, Email=f"{name}@example.com")
        account = request["CreateAccountStatus"]["AccountId"]
        if parent != organization.root:
            clients.organizations.move_account(
                AccountId=account, SourceParentId=organization.root, DestinationParentId=parent
            )
        organization.accounts[account] = parent


def _directory(clients: Clients, organization: Organization) -> None:
    store = organization.identity_store
    for name in ("ada", "ben", "chi", "dee", "eve", "fay"):
        user = clients.identity_store.create_user(
            IdentityStoreId=store,
            UserName=f"{name}@example.com",
            DisplayName=name.title(),
            Name={"GivenName": name.title(), "FamilyName": "Example"},
            Emails=[{"Value": f"{name}@example.com", "Type": "work", "Primary": True}],
        )
        organization.users.append(user["UserId"])
    for name in ("engineers", "auditors", "nobody"):
        group = clients.identity_store.create_group(IdentityStoreId=store, DisplayName=name, Description=f"all {name}")
        organization.groups.append(group["GroupId"])
    engineers, auditors, _ = organization.groups
    for group, members in ((engineers, organization.users[:4]), (auditors, organization.users[3:5])):
        for user in members:
            made = clients.identity_store.create_group_membership(
                IdentityStoreId=store, GroupId=group, MemberId={"UserId": user}
            )
            organization.memberships[made["MembershipId"]] = (group, user)


def _permissions(clients: Clients, organization: Organization, instance: str) -> None:
    for name in ("Administrator", "ReadOnly", "Unused"):
        # moto's own default for the duration is a number, where AWS has a text
        made = clients.sso_admin.create_permission_set(
            InstanceArn=instance, Name=name, Description=f"{name} access", SessionDuration="PT1H"
        )
        organization.permission_sets.append(made["PermissionSet"]["PermissionSetArn"])
    administrator, read_only, _ = organization.permission_sets
    engineers, auditors, _ = organization.groups
    accounts = list(organization.accounts)
    ada, *_, fay = organization.users
    organization.assignments = [
        Assignment(accounts[1], read_only, "GROUP", engineers),
        # ada has this one twice: by herself, and as a member of engineers
        Assignment(accounts[1], read_only, "USER", ada),
        # dee is in both groups
        Assignment(accounts[2], administrator, "GROUP", engineers),
        Assignment(accounts[2], administrator, "GROUP", auditors),
        Assignment(accounts[3], administrator, "USER", fay),
        Assignment(accounts[4], read_only, "GROUP", auditors),
    ]
    for each in organization.assignments:
        clients.sso_admin.create_account_assignment(
            InstanceArn=instance,
            TargetId=each.account,
            TargetType="AWS_ACCOUNT",
            PermissionSetArn=each.permission_set,
            PrincipalType=each.principal_type,
            PrincipalId=each.principal,
        )
