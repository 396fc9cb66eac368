"""batond as a daemon of a control plane that Python's grpcio serves: TLS, default settings, a whole working day."""

import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from interop import places, testbed
from interop.aws import Clients, read_organization
from interop.baton_cli import judge
from interop.content import Assignment
from interop.processes import Background, Failure, background, wait_for
from interop.rows import blob

from stubs import generate

TASK_SECONDS = 60
UPLOADS = 10
POLLS = 100
PASSWORD = 20


def main() -> None:
    """Print one line per thing that held, or the first that did not and exit code 1."""
    try:
        with tempfile.TemporaryDirectory(prefix="batond-grpcio-") as name:
            directory = Path(name)
            stubs = directory / "stubs"
            stubs.mkdir()
            generate(stubs)
            for line in _day(directory):
                print(line)
    except Failure as failure:
        sys.exit(f"grpcio: {failure}")


def _day(directory: Path) -> Iterator[str]:
    # the stubs of this run exist only now
    from control_plane import ControlPlane

    control_plane = ControlPlane(directory)
    try:
        with testbed.aws(directory) as aws:
            environment = {
                **aws.settings(),
                **control_plane.environment(),
                "BATON_PROVISIONING": "true",
                "BATON_HOST_ID": "interop-host",
            }
            with background(
                [places.batond()], log=directory / "batond.log", environment=environment, directory=directory
            ) as daemon:
                yield from _tasks(control_plane, aws.clients(), daemon)
                code = daemon.signal_and_wait(signal.SIGTERM, timeout=20)
                if code != 0:
                    raise Failure(f"SIGTERM: exit code {code}\n{daemon.output()[-8000:]}")
                yield "SIGTERM: a clean end"
                output = daemon.output()
                for secret in (*control_plane.secrets(), aws.secret_access_key):
                    if secret in output:
                        raise Failure("a secret is in the log")
                yield "log: no secret in it"
    finally:
        control_plane.stop()


def _tasks(control_plane: Any, clients: Clients, daemon: Background) -> Iterator[str]:
    from c1.connector.v2 import annotation_grant_pb2, entitlement_pb2, grant_pb2, resource_pb2
    from c1.connectorapi.baton.v1.task_pb2 import Task

    transcript = control_plane.transcript

    def finish(task: str) -> Any:
        done = wait_for(
            f"end of task {task}", lambda: transcript.finished.get(task), timeout=TASK_SECONDS, unless=daemon
        )
        if control_plane.faults():
            raise Failure(f"the connector broke the protocol: {control_plane.faults()}")
        return done

    def succeed(what: str, task: str, response: Any = None) -> Any:
        done = finish(task)
        if done.WhichOneof("final_state") != "success" or done.HasField("status"):
            raise Failure(f"{what}: {done}")
        if response is None:
            if done.success.HasField("response"):
                raise Failure(f"{what}: an answer was given where none belongs: {done}")
        elif not done.success.response.Is(response.DESCRIPTOR):
            raise Failure(
                f"{what}: answered {done.success.response.type_url}, expected {response.DESCRIPTOR.full_name}"
            )
        return done.success

    wait_for("hello", lambda: transcript.hellos, timeout=30, unless=daemon)
    _judge_hello(transcript.hellos[0], task_id="")
    yield "hello: complete"

    task = control_plane.offer(hello=Task.HelloTask())
    asked = wait_for("hello that was asked for", lambda: transcript.hellos[1:], timeout=30, unless=daemon)
    _judge_hello(asked[0], task_id=task)
    yield "hello task: answered by a hello with its id"

    organization = read_organization(clients)
    task = control_plane.offer(sync_full=Task.SyncFullTask())
    succeed("sync_full", task)
    if task not in transcript.heartbeats:
        raise Failure("sync_full: no heartbeat")
    file = transcript.uploads[task]
    yield f"sync_full: uploaded, {transcript.heartbeats.count(task)} heartbeats"
    yield from judge(file, organization.expected())

    granted = organization.free_assignment()
    entitlement = entitlement_pb2.Entitlement.FromString(
        blob(file, "entitlements", f"{granted.account}|{granted.permission_set}")
    )
    user = organization.principal_id("USER", granted.principal)
    principal = resource_pb2.Resource.FromString(blob(file, "resources", f"sso_user:{user}"))
    grant = Task.GrantTask(entitlement=entitlement, principal=principal)
    succeed("grant", control_plane.offer(grant=grant), grant_pb2.GrantManagerServiceGrantResponse)
    _held_once(clients, granted)
    yield "grant: AWS holds the assignment"

    done = succeed("grant again", control_plane.offer(grant=grant), grant_pb2.GrantManagerServiceGrantResponse)
    _annotated("grant again", done, annotation_grant_pb2.GrantAlreadyExists)
    _held_once(clients, granted)
    yield "the same grant again: already so, AWS holds it once"

    task = control_plane.offer(sync_full=Task.SyncFullTask())
    succeed("sync_full after the grant", task)
    organization.assignments.append(granted)
    judge(transcript.uploads[task], organization.expected())
    yield "sync_full after the grant: the grant is in it"

    grant_id = f"grant:sso_user:{user}:{granted.account}|{granted.permission_set}"
    held = grant_pb2.Grant.FromString(blob(transcript.uploads[task], "grants", grant_id))
    revoke = Task.RevokeTask(grant=held)
    succeed("revoke", control_plane.offer(revoke=revoke), grant_pb2.GrantManagerServiceRevokeResponse)
    if granted in clients.assignments(granted.account, granted.permission_set):
        raise Failure(f"revoke: AWS still holds {granted}")
    yield "revoke: the assignment is gone from AWS"

    done = succeed("revoke again", control_plane.offer(revoke=revoke), grant_pb2.GrantManagerServiceRevokeResponse)
    _annotated("revoke again", done, annotation_grant_pb2.GrantAlreadyRevoked)
    yield "the same revoke again: already so"

    yield from _credentials(control_plane, clients, succeed)

    # grpcio ends a channel (GOAWAY, too_many_pings) that pings more than it may, also while data flows or nothing does
    polls = transcript.polls
    for _ in range(UPLOADS):
        succeed("sync_full again", control_plane.offer(sync_full=Task.SyncFullTask()))
    wait_for("idle polls", lambda: transcript.polls > polls + POLLS, timeout=TASK_SECONDS, unless=daemon)
    if control_plane.channels() != 1:
        raise Failure(f"{control_plane.channels()} channels were opened: the server has ended one")
    yield f"{UPLOADS} uploads and {POLLS} polls more: all on the first channel, no GOAWAY"

    done = finish(control_plane.offer(event_feed=Task.EventFeedTask()))
    if done.status.code != 2 or "unsupported task type" not in done.status.message or done.error.non_retryable:
        raise Failure(f"unknown task: {done}")
    yield "a task of a kind that is not supported: said so"


def _credentials(control_plane: Any, clients: Clients, succeed: Callable[..., Any]) -> Iterator[str]:
    from c1.connector.v2 import credential_pb2, resource_pb2
    from c1.connectorapi.baton.v1.task_pb2 import Task
    from recipients import read_all, recipients

    user = clients.iam.list_users()["Users"][0]
    keys = recipients()
    configs = [key.config for key in keys]
    identity = resource_pb2.ResourceId(resource_type="iam_user", resource=user["Arn"])
    rotation = Task.RotateCredentialsTask(resource_id=identity, encryption_configs=configs)
    rotation.credential_options.random_password.length = PASSWORD
    done = succeed("rotate", control_plane.offer(rotate_credentials=rotation), credential_pb2.RotateCredentialResponse)
    answer = credential_pb2.RotateCredentialResponse()
    done.response.Unpack(answer)
    passwords = read_all(keys, list(answer.encrypted_data))
    if len(set(passwords)) != 1 or len(passwords[0]) != PASSWORD:
        raise Failure("rotate: the keys do not read one and the same password")
    yield f"rotate: {len(keys)} keys of every kind read one password, by jwcrypto and age"


def _judge_hello(hello: Any, task_id: str) -> None:
    if hello.host_id != "interop-host" or hello.task_id != task_id:
        raise Failure(f"hello: host {hello.host_id!r}, task {hello.task_id!r}")
    for message in (hello.build_info, hello.os_info):
        for field in message.DESCRIPTOR.fields:
            if not getattr(message, field.name):
                raise Failure(f"hello: {field.full_name} is empty")
    metadata = hello.connector_metadata
    if not re.match("AWS", metadata.display_name):
        raise Failure(f"hello: display name {metadata.display_name!r}")
    types = {each.resource_type.id for each in metadata.capabilities.resource_type_capabilities}
    if not types >= {"sso_user", "sso_group", "account", "permission_set", "permission_set_assignment"}:
        raise Failure(f"hello: capabilities of {sorted(types)}")


def _held_once(clients: Clients, granted: Assignment) -> None:
    found = clients.assignments(granted.account, granted.permission_set).count(granted)
    if found != 1:
        raise Failure(f"grant: AWS holds {granted} {found} times")


def _annotated(what: str, done: Any, annotation: Any) -> None:
    if not any(each.Is(annotation.DESCRIPTOR) for each in done.annotations):
        raise Failure(f"{what}: no {annotation.DESCRIPTOR.name} among {[a.type_url for a in done.annotations]}")


if __name__ == "__main__":
    main()
