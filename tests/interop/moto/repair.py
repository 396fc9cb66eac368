"""A proxy in front of moto that answers right where moto is known to answer wrong.

Only what the connector meets is repaired:

- ListPermissionSetsProvisionedToAccount ignores the account, and ListAccountsForProvisionedPermissionSet knows the
  management account alone; AWS calls a permission set provisioned to an account as soon as it is assigned there;
- CreateAccountAssignment stores what is there already once more; AWS succeeds and changes nothing;
- ListAccountAssignmentsForPrincipal leaves out what a user has through groups;
- ListServiceSpecificCredentials does not exist; nobody has any;
- DescribeIdentityStore and DescribeInstance do not exist; there are no network rules, and permission sets;
- the ARN of a permission set begins with that of its instance.
"""

import json
import re
import sys
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

from interop.aws import Clients


class RepairingProxy:
    """Listens on a free loopback port and forwards to moto; `calls` counts requests by operation."""

    def __init__(self, moto_port: int, clients: Clients) -> None:
        self.calls: dict[str, int] = {}
        handler = type(
            "Handler", (_Handler,), {"moto_port": moto_port, "repairs": _Repairs(clients), "calls": self.calls}
        )
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()


class _Repairs:
    """The repaired operations, by their name on the wire."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any] | None:
        """The right answer, or nothing where moto's own is good."""
        repair = {
            "AWSIdentityStore.DescribeIdentityStore": self._store,
            "SWBExternalService.CreateAccountAssignment": self._assignment_again,
            "SWBExternalService.DescribeInstance": self._instance,
            "SWBExternalService.ListPermissionSetsProvisionedToAccount": self._sets_of_account,
            "SWBExternalService.ListAccountsForProvisionedPermissionSet": self._accounts_of_set,
            "SWBExternalService.ListAccountAssignmentsForPrincipal": self._assignments_of_principal,
        }.get(operation)
        return repair(request) if repair else None

    def _store(self, request: dict[str, Any]) -> dict[str, Any]:
        store = request["IdentityStoreId"]
        arn = f"arn:aws:identitystore::{self._clients.account()}:identitystore/{store}"
        return {"IdentityStoreId": store, "IdentityStoreArn": arn}

    def _instance(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"InstanceArn": request["InstanceArn"], "Status": "ACTIVE", "PermissionSetsEnabled": True}

    def _assignment_again(self, request: dict[str, Any]) -> dict[str, Any] | None:
        held = self._clients.assignments(request["TargetId"], request["PermissionSetArn"])
        wanted = (request["PrincipalType"], request["PrincipalId"])
        if wanted not in [(each.principal_type, each.principal) for each in held]:
            return None
        return {"AccountAssignmentCreationStatus": {"Status": "SUCCEEDED", "RequestId": str(uuid4())}}

    def _sets_of_account(self, request: dict[str, Any]) -> dict[str, Any]:
        account = request["AccountId"]
        return {"PermissionSets": [arn for arn in self._sets() if self._clients.assignments(account, arn)]}

    def _accounts_of_set(self, request: dict[str, Any]) -> dict[str, Any]:
        arn = request["PermissionSetArn"]
        return {"AccountIds": [account for account in self._accounts() if self._clients.assignments(account, arn)]}

    def _assignments_of_principal(self, request: dict[str, Any]) -> dict[str, Any]:
        wanted = {request["PrincipalId"]}
        if request["PrincipalType"] == "USER":
            memberships = self._clients.identity_store.get_paginator("list_group_memberships_for_member").paginate(
                IdentityStoreId=self._clients.instance()["IdentityStoreId"], MemberId={"UserId": request["PrincipalId"]}
            )
            wanted |= {each["GroupId"] for page in memberships for each in page["GroupMemberships"]}
        account = request.get("Filter", {}).get("AccountId")
        return {
            "AccountAssignments": [
                {
                    "AccountId": each.account,
                    "PermissionSetArn": each.permission_set,
                    "PrincipalId": each.principal,
                    "PrincipalType": each.principal_type,
                }
                for account in ([account] if account else self._accounts())
                for arn in self._sets()
                for each in self._clients.assignments(account, arn)
                if each.principal in wanted
            ]
        }

    def _sets(self) -> list[str]:
        pages = self._clients.sso_admin.get_paginator("list_permission_sets").paginate(
            InstanceArn=self._clients.instance()["InstanceArn"]
        )
        return [arn for page in pages for arn in page["PermissionSets"]]

    def _accounts(self) -> list[str]:
        pages = self._clients.organizations.get_paginator("list_accounts").paginate()
        return [account["Id"] for page in pages for account in page["Accounts"]]


_NO_SERVICE_CREDENTIALS = b"""<ListServiceSpecificCredentialsResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
<ListServiceSpecificCredentialsResult><ServiceSpecificCredentials/></ListServiceSpecificCredentialsResult>
<ResponseMetadata><RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata>
</ListServiceSpecificCredentialsResponse>"""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves before its answer is no news; everything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    moto_port: int
    repairs: _Repairs
    calls: dict[str, int]

    def do_POST(self) -> None:
        body = _arns_as_in_moto(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        operation = self.headers.get("X-Amz-Target", "")
        self.calls[operation] = self.calls.get(operation, 0) + 1
        repaired = self.repairs.answer(operation, json.loads(body or b"{}")) if operation else None
        if repaired is not None:
            self._reply(200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(repaired).encode())
            return
        if b"Action=ListServiceSpecificCredentials" in body:
            self._reply(200, {"Content-Type": "text/xml"}, _NO_SERVICE_CREDENTIALS)
            return
        upstream = HTTPConnection("127.0.0.1", self.moto_port, timeout=30)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            upstream.request("POST", self.path, body, kept)
            answer = upstream.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
            self._reply(answer.status, kept, answer.read())
        finally:
            upstream.close()

    def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        body = _arns_as_in_aws(body)
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the checks report."""


def _arns_as_in_aws(body: bytes) -> bytes:
    return re.sub(rb":sso:::instance/(ssoins-\w+/ps-)", rb":sso:::permissionSet/\1", body)


def _arns_as_in_moto(body: bytes) -> bytes:
    return re.sub(rb":sso:::permissionSet/(ssoins-\w+/ps-)", rb":sso:::instance/\1", body)


_HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "keep-alive"}
