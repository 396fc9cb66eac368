"""One call at least of every operation that the testbed serves, through boto3."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError
from interop.processes import Failure

# a user of IAM that has one of everything; see `fixture`
FULL_USER = "with-everything"
TOKEN = "a-token-of-irsa"
WEB_ROLE = "Irsa"
PASSWORD = "Correct-horse-7-battery"
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
NOTHING = {"Version": "2012-10-17", "Statement": []}


def prepare(fixture: dict[str, Any], names: set[str]) -> None:
    """Add to a fixture what no operation of the testbed can make, in the account that has one of these names."""
    for account in fixture["organization"].get("accounts", []):
        account["tags"] = {"Owner": "Team a", "empty": ""}
    fixture.setdefault("iam", [])
    places = [each for each in fixture["iam"] if each["account"] in names]
    place = places[0] if places else {"account": min(names)}
    if not places:
        fixture["iam"].append(place)
    place.setdefault("groups", []).append({"name": "sweep", "inline": {"own": NOTHING}})
    place.setdefault("policies", []).append({"name": "sweep", "document": NOTHING, "description": "for the sweep"})
    place.setdefault("roles", []).append(
        {"name": "sweep", "trust": TRUST, "inline": {"own": NOTHING}, "tags": {"team": "a"}}
    )
    place.setdefault("users", []).append(
        {
            "name": FULL_USER,
            "groups": ["sweep"],
            "tags": {"team": "a"},
            "inline": {"own": NOTHING},
            "attached": ["ReadOnlyAccess"],
            "password_last_used": "2025-01-02T03:04:05Z",
            "keys": [{"last_used": "2025-01-02T03:04:05Z"}],
            "certificates": ["ABCDEFGHIJKLMNOPQRSTUVWX"],
            "ssh_keys": ["APKAABCDEFGHIJKLMNOP"],
            "service_credentials": ["ACCAABCDEFGHIJKLMNOP"],
            "mfa_devices": [{"virtual": "phone"}, {"hardware": "GAHT12345678"}],
        }
    )
    fixture["principals"]["roles"].append({"name": WEB_ROLE, "web_identity_tokens": [TOKEN]})


class Sweep:
    """Calls that follow from what earlier ones told."""

    def __init__(self, endpoint: str, region: str, access_key_id: str, secret_access_key: str) -> None:
        session = boto3.Session(access_key_id, secret_access_key, region_name=region)
        self._clients = {
            name: session.client(name, endpoint_url=endpoint)
            for name in ("sts", "iam", "organizations", "identitystore", "sso-admin", "cloudtrail")
        }
        self._access_key_id = access_key_id
        self.sts = self._clients["sts"]
        self.iam = self._clients["iam"]
        self.organizations = self._clients["organizations"]
        self.store = self._clients["identitystore"]
        self.sso = self._clients["sso-admin"]

    def run(self) -> None:
        """Everything, reads first."""
        self._organizations()
        self._identity_center()
        self._sts()
        self._iam_reads()
        self._iam_changes()
        self._clients["cloudtrail"].lookup_events()

    def _rows(self, client: Any, operation: str, member: str, **arguments: Any) -> list[Any]:
        pages = client.get_paginator(operation).paginate(**arguments)
        return [row for page in pages for row in page.get(member, [])]

    def _organizations(self) -> None:
        self.organizations.describe_organization()
        (root,) = self._rows(self.organizations, "list_roots", "Roots")
        for account in self._rows(self.organizations, "list_accounts", "Accounts"):
            self.organizations.describe_account(AccountId=account["Id"])
            self._rows(self.organizations, "list_tags_for_resource", "Tags", ResourceId=account["Id"])
        self.organizations.list_parents(ChildId=account["Id"])
        self._rows(self.organizations, "list_delegated_administrators", "DelegatedAdministrators")
        for unit in self._units(root["Id"]):
            self._rows(self.organizations, "list_accounts_for_parent", "Accounts", ParentId=unit)
        with _Refused("TargetNotFoundException"):
            self.organizations.list_tags_for_resource(ResourceId="999999999999")
        with _Refused("AccountNotFoundException"):
            self.organizations.describe_account(AccountId="999999999999")
        with _Refused("ParentNotFoundException"):
            self.organizations.list_accounts_for_parent(ParentId="r-zzzz")
        with _Refused("ChildNotFoundException"):
            self.organizations.list_parents(ChildId="999999999999")

    def _units(self, parent: str) -> Iterator[str]:
        yield parent
        below = self._rows(
            self.organizations, "list_organizational_units_for_parent", "OrganizationalUnits", ParentId=parent
        )
        for unit in below:
            yield from self._units(unit["Id"])

    def _identity_center(self) -> None:
        (instance,) = self.sso.list_instances()["Instances"]
        of = {"InstanceArn": instance["InstanceArn"]}
        self.sso.describe_instance(**of)
        self._directory(instance["IdentityStoreId"])
        sets = self._rows(self.sso, "list_permission_sets", "PermissionSets", **of)
        accounts: set[str] = set()
        for arn in sets:
            one = of | {"PermissionSetArn": arn}
            self.sso.describe_permission_set(**one)
            self.sso.get_inline_policy_for_permission_set(**one)
            self._rows(self.sso, "list_managed_policies_in_permission_set", "AttachedManagedPolicies", **one)
            self._rows(
                self.sso,
                "list_customer_managed_policy_references_in_permission_set",
                "CustomerManagedPolicyReferences",
                **one,
            )
            for account in self._rows(self.sso, "list_accounts_for_provisioned_permission_set", "AccountIds", **one):
                accounts.add(account)
                held = self._rows(self.sso, "list_account_assignments", "AccountAssignments", **one, AccountId=account)
        for account in accounts:
            self._rows(
                self.sso, "list_permission_sets_provisioned_to_account", "PermissionSets", **of, AccountId=account
            )
        principal = {"PrincipalType": held[0]["PrincipalType"], "PrincipalId": held[0]["PrincipalId"]}
        self._rows(self.sso, "list_account_assignments_for_principal", "AccountAssignments", **of, **principal)
        change = (
            of
            | principal
            | {
                "TargetId": held[0]["AccountId"],
                "TargetType": "AWS_ACCOUNT",
                "PermissionSetArn": held[0]["PermissionSetArn"],
            }
        )
        for word, call in (
            ("deletion", self.sso.delete_account_assignment),
            ("creation", self.sso.create_account_assignment),
        ):
            self._settled(word, of, call(**change)[f"AccountAssignment{word.title()}Status"]["RequestId"])
            self._rows(
                self.sso,
                f"list_account_assignment_{word}_status",
                f"AccountAssignments{word.title()}Status",
                **of,
            )
        with _Refused("ResourceNotFoundException"):
            self.sso.describe_permission_set(**of, PermissionSetArn=f"{sets[0][:-16]}{'0' * 16}")

    def _settled(self, word: str, of: dict[str, str], request: str) -> None:
        ask = getattr(self.sso, f"describe_account_assignment_{word}_status")
        for _ in range(1000):
            told = ask(**of, **{f"AccountAssignment{word.title()}RequestId": request})
            if told[f"AccountAssignment{word.title()}Status"]["Status"] == "SUCCEEDED":
                return
        raise Failure(f"a {word} never ends: {told}")

    def _directory(self, store: str) -> None:
        of = {"IdentityStoreId": store}
        self.store.describe_identity_store(**of)
        for user in self._rows(self.store, "list_users", "Users", **of):
            self.store.describe_user(**of, UserId=user["UserId"])
        groups = self._rows(self.store, "list_groups", "Groups", **of)
        for group in groups:
            self.store.describe_group(**of, GroupId=group["GroupId"])
            self._rows(self.store, "list_group_memberships", "GroupMemberships", **of, GroupId=group["GroupId"])
        name = {"GivenName": "Sweep", "FamilyName": "Through"}
        made = self.store.create_user(
            **of,
            UserName="sweep@example.com",
            DisplayName="Sweep",
            Name=name,
            Emails=[{"Value": "sweep@example.com", "Type": "work", "Primary": True}],
        )
        member = {"UserId": made["UserId"]}
        unique = {"AttributePath": "userName", "AttributeValue": "sweep@example.com"}
        self.store.get_user_id(**of, AlternateIdentifier={"UniqueAttribute": unique})
        with _Refused("ResourceNotFoundException"):
            unknown = unique | {"AttributeValue": "nobody@example.com"}
            self.store.get_user_id(**of, AlternateIdentifier={"UniqueAttribute": unknown})
        with _Refused("ConflictException"):
            self.store.create_user(**of, UserName="sweep@example.com", DisplayName="Sweep", Name=name)
        pair = of | {"GroupId": groups[0]["GroupId"], "MemberId": member}
        with _Refused("ResourceNotFoundException"):
            self.store.get_group_membership_id(**pair)
        membership = self.store.create_group_membership(**pair)["MembershipId"]
        self.store.get_group_membership_id(**pair)
        self.store.describe_group_membership(**of, MembershipId=membership)
        self.store.is_member_in_groups(**of, MemberId=member, GroupIds=[groups[0]["GroupId"]])
        self._rows(self.store, "list_group_memberships_for_member", "GroupMemberships", **of, MemberId=member)
        self.store.delete_group_membership(**of, MembershipId=membership)
        self.store.delete_user(**of, UserId=made["UserId"])
        with _Refused("ResourceNotFoundException"):
            self.store.describe_user(**of, UserId=made["UserId"])

    def _sts(self) -> None:
        account = self.sts.get_caller_identity()["Account"]
        self.sts.get_access_key_info(AccessKeyId=self._access_key_id)
        members = [each["Id"] for each in self._rows(self.organizations, "list_accounts", "Accounts")]
        member = next(
            each["Id"]
            for each in (self.organizations.describe_account(AccountId=one)["Account"] for one in members)
            if each["Id"] != account and each["State"] == "ACTIVE"
        )
        self.sts.assume_role(
            RoleArn=f"arn:aws:iam::{member}:role/OrganizationAccountAccessRole", RoleSessionName="sweep"
        )
        self.sts.assume_role_with_web_identity(
            RoleArn=f"arn:aws:iam::{account}:role/{WEB_ROLE}", RoleSessionName="sweep", WebIdentityToken=TOKEN
        )
        with _Refused("InvalidIdentityToken"):
            self.sts.assume_role_with_web_identity(
                RoleArn=f"arn:aws:iam::{account}:role/{WEB_ROLE}", RoleSessionName="sweep", WebIdentityToken="another"
            )

        self.sts.get_federation_token(
            Name="sweep",
            Policy=json.dumps(NOTHING),
            PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
            DurationSeconds=900,
            Tags=[{"Key": "team", "Value": "a"}],
            MinimumSessionTokenSize=4096,
        )

    def _iam_reads(self) -> None:
        for operation, member in (
            ("get_account_authorization_details", "UserDetailList"),
            ("list_users", "Users"),
            ("list_groups", "Groups"),
            ("list_roles", "Roles"),
            ("list_account_aliases", "AccountAliases"),
        ):
            self._rows(self.iam, operation, member)
        policy = self._rows(self.iam, "list_policies", "Policies", Scope="Local")[0]
        self._rows(self.iam, "list_policies", "Policies", OnlyAttached=True)
        of = {"PolicyArn": policy["Arn"]}
        self.iam.get_policy(**of)
        self.iam.get_policy_version(**of, VersionId=policy["DefaultVersionId"])
        self._rows(self.iam, "list_policy_versions", "Versions", **of)
        for kind, name in (("user", FULL_USER), ("group", "sweep"), ("role", "sweep")):
            named = {f"{kind.title()}Name": name}
            getattr(self.iam, f"get_{kind}")(**named)
            self._rows(self.iam, f"list_attached_{kind}_policies", "AttachedPolicies", **named)
            self._rows(self.iam, f"list_{kind}_policies", "PolicyNames", **named)
            getattr(self.iam, f"get_{kind}_policy")(**named, PolicyName="own")
            with _Refused("NoSuchEntityException"):
                getattr(self.iam, f"get_{kind}")(**{f"{kind.title()}Name": "nobody"})
        self._rows(self.iam, "list_user_tags", "Tags", UserName=FULL_USER)
        self._rows(self.iam, "list_role_tags", "Tags", RoleName="sweep")
        self._rows(self.iam, "list_groups_for_user", "Groups", UserName=FULL_USER)
        for key in self._rows(self.iam, "list_access_keys", "AccessKeyMetadata", UserName=FULL_USER):
            self.iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
        account = self.sts.get_caller_identity()["Arn"]
        self._rows(
            self.iam,
            "simulate_principal_policy",
            "EvaluationResults",
            PolicySourceArn=account,
            ActionNames=["iam:ListUsers"],
        )
        self.iam.generate_credential_report()
        self.iam.get_credential_report()

    def _iam_changes(self) -> None:
        user = {"UserName": FULL_USER}
        for operation, member, one in (
            ("signing_certificate", "Certificates", "CertificateId"),
            ("ssh_public_key", "SSHPublicKeys", "SSHPublicKeyId"),
        ):
            (held,) = self._rows(self.iam, f"list_{operation}s", member, **user)
            getattr(self.iam, f"delete_{operation}")(**user, **{one: held[one]})
        (held,) = self.iam.list_service_specific_credentials(**user)["ServiceSpecificCredentials"]
        self.iam.delete_service_specific_credential(
            **user, ServiceSpecificCredentialId=held["ServiceSpecificCredentialId"]
        )
        for device in self._rows(self.iam, "list_mfa_devices", "MFADevices", **user):
            serial = {"SerialNumber": device["SerialNumber"]}
            if serial["SerialNumber"].startswith("arn:"):
                with _Refused("DeleteConflictException"):
                    self.iam.delete_virtual_mfa_device(**serial)
            self.iam.deactivate_mfa_device(**user, **serial)
            if serial["SerialNumber"].startswith("arn:"):
                self.iam.delete_virtual_mfa_device(**serial)

        made = {"UserName": "sweep-made"}
        self.iam.create_user(**made, Tags=[{"Key": "team", "Value": "a"}])
        with _Refused("EntityAlreadyExistsException"):
            self.iam.create_user(**made)
        with _Refused("NoSuchEntityException"):
            self.iam.get_login_profile(**made)
        self.iam.create_login_profile(**made, Password=PASSWORD, PasswordResetRequired=True)
        self.iam.get_login_profile(**made)
        self.iam.update_login_profile(**made, Password=f"{PASSWORD}8")
        with _Refused("PasswordPolicyViolationException"):
            self.iam.update_login_profile(**made, Password="short")
        key = {"AccessKeyId": self.iam.create_access_key(**made)["AccessKey"]["AccessKeyId"]}
        self.iam.create_access_key(**made)
        with _Refused("LimitExceededException"):
            self.iam.create_access_key(**made)
        self.iam.update_access_key(**made, **key, Status="Inactive")
        self.iam.delete_access_key(**made, **key)
        self.iam.add_user_to_group(**made, GroupName="sweep")
        self.iam.remove_user_from_group(**made, GroupName="sweep")
        policy = self._rows(self.iam, "list_policies", "Policies", Scope="Local")[0]["Arn"]
        for kind, name in (("user", FULL_USER), ("group", "sweep"), ("role", "sweep")):
            named = {f"{kind.title()}Name": name}
            getattr(self.iam, f"attach_{kind}_policy")(**named, PolicyArn=policy)
            getattr(self.iam, f"detach_{kind}_policy")(**named, PolicyArn=policy)
            getattr(self.iam, f"delete_{kind}_policy")(**named, PolicyName="own")
        with _Refused("DeleteConflictException"):
            self.iam.delete_user(**made)
        for key in self._rows(self.iam, "list_access_keys", "AccessKeyMetadata", **made):
            self.iam.delete_access_key(**made, AccessKeyId=key["AccessKeyId"])
        self.iam.delete_login_profile(**made)
        self.iam.delete_user(**made)


class _Refused:
    """The block must end with this error of AWS."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if error is None:
            raise Failure(f"{self._code} was expected, and nothing was refused")
        told = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        return bool(told) and self._code in (told, f"{told}Exception")
