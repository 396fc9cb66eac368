"""The Baton service in Python's grpcio, with the server's default settings, and what it saw."""

import hashlib
import secrets
import string
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import grpc
from c1.connectorapi.baton.v1 import baton_pb2 as baton
from c1.connectorapi.baton.v1 import baton_pb2_grpc, task_pb2
from google.protobuf.duration_pb2 import Duration

from certificate import Certificate
from front import Front
from token_endpoint import Credential, TokenEndpoint


@dataclass
class Transcript:
    """Everything the connector said, in the order in which it came."""

    hellos: list[Any] = field(default_factory=list)
    polls: int = 0
    heartbeats: list[str] = field(default_factory=list)
    # task id -> the file, its checksum verified
    uploads: dict[str, Path] = field(default_factory=dict)
    # task id -> FinishTask
    finished: dict[str, Any] = field(default_factory=dict)
    # what a strict server would refuse; a run without fault leaves it empty
    faults: list[str] = field(default_factory=list)


class ControlPlane:
    """Token endpoint and gRPC behind one port; tasks are handed out in the order in which they were offered."""

    def __init__(self, directory: Path) -> None:
        self.certificate = Certificate(directory)
        self.credential = Credential()
        self.transcript = Transcript()
        self._tasks: Queue[Any] = Queue()
        self._token_endpoint = TokenEndpoint(self.certificate, self.credential)
        self._server = grpc.server(ThreadPoolExecutor(max_workers=16))
        servicer = _Servicer(self.transcript, self._tasks, self._token_endpoint, directory)
        baton_pb2_grpc.add_BatonServiceServicer_to_server(servicer, self._server)
        pair = (self.certificate.key.read_bytes(), self.certificate.chain.read_bytes())
        grpc_port = self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        self._server.start()
        self._front = Front(token_port=self._token_endpoint.port, grpc_port=grpc_port)

    def environment(self) -> dict[str, str]:
        """What a connector needs to find and trust this control plane."""
        return {
            "BATON_CLIENT_ID": self.credential.client_id,
            "BATON_CLIENT_SECRET": self.credential.client_secret,
            "BATON_C1_API_HOST": f"localhost:{self._front.port}",
            "SSL_CERT_FILE": str(self.certificate.authority),
        }

    def offer(self, **kind: Any) -> str:
        """Queue a task, for example `offer(hello=Task.HelloTask())`, and give its id."""
        task = task_pb2.Task(id="".join(secrets.choice(string.ascii_letters) for _ in range(27)), **kind)
        self._tasks.put(task)
        return task.id

    def channels(self) -> int:
        """Connections of gRPC channels so far: a GOAWAY would have cost one."""
        return self._front.channels

    def faults(self) -> list[str]:
        """What was wrong with calls and token requests."""
        return self.transcript.faults + [f"token request: {refusal}" for refusal in self._token_endpoint.refusals]

    def secrets(self) -> list[str]:
        """What no output may contain."""
        return [self.credential.private_part, self.credential.client_secret, *self._token_endpoint.tokens]

    def stop(self) -> None:
        """Close all ports."""
        self._front.stop()
        self._server.stop(grace=None).wait()
        self._token_endpoint.stop()


class _Servicer(baton_pb2_grpc.BatonServiceServicer):
    def __init__(
        self, transcript: Transcript, tasks: "Queue[Any]", token_endpoint: TokenEndpoint, directory: Path
    ) -> None:
        self._transcript = transcript
        self._tasks = tasks
        self._token_endpoint = token_endpoint
        self._directory = directory

    def Hello(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._admit(request.host_id, context)
        self._transcript.hellos.append(request)
        return baton.BatonServiceHelloResponse()

    def GetTask(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._admit(request.host_id, context)
        self._transcript.polls += 1
        response = baton.BatonServiceGetTaskResponse(next_poll=Duration(nanos=100_000_000))
        try:
            response.task.CopyFrom(self._tasks.get_nowait())
        except Empty:
            response.task.none.SetInParent()
        return response

    def Heartbeat(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._admit(request.host_id, context)
        self._transcript.heartbeats.append(request.task_id)
        return baton.BatonServiceHeartbeatResponse(next_heartbeat=Duration(seconds=1))

    def UploadAsset(self, messages: Iterator[Any], context: grpc.ServicerContext) -> Any:
        digest = hashlib.sha256()
        metadata = next(messages)
        self._must(metadata.WhichOneof("msg") == "metadata", "an upload begins with its metadata", context)
        self._admit(metadata.metadata.host_id, context)
        with tempfile.NamedTemporaryFile(dir=self._directory, suffix=".c1z", delete=False) as file:
            for message in messages:
                if message.WhichOneof("msg") == "eof":
                    break
                self._must(message.WhichOneof("msg") == "data", "between metadata and eof there is data", context)
                part = message.data.data
                self._must(1 <= len(part) <= 1 << 20, f"a data message of {len(part)} bytes", context)
                digest.update(part)
                file.write(part)
            else:
                self._must(False, "an upload ends with eof", context)
        self._must(next(messages, None) is None, "nothing follows eof", context)
        self._must(message.eof.sha256_checksum == digest.digest(), "the checksum is that of the data", context)
        self._transcript.uploads[metadata.metadata.task_id] = Path(file.name)
        return baton.BatonServiceUploadAssetResponse()

    def FinishTask(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._admit(request.host_id, context)
        self._must(request.WhichOneof("final_state") is not None, "a finished task has a final state", context)
        self._must(request.task_id not in self._transcript.finished, f"{request.task_id} finished once", context)
        self._transcript.finished[request.task_id] = request
        return baton.BatonServiceFinishTaskResponse()

    def _admit(self, host_id: str, context: grpc.ServicerContext) -> None:
        authorization = dict(context.invocation_metadata()).get("authorization", "")
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" or token not in self._token_endpoint.tokens:
            self._transcript.faults.append(f"authorization {scheme}")
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token of this control plane")
        self._must(1 <= len(host_id) <= 256, f"host id {host_id!r}", context)

    def _must(self, holds: bool, rule: str, context: grpc.ServicerContext) -> None:
        if not holds:
            self._transcript.faults.append(rule)
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, rule)
