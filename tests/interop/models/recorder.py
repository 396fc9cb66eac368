"""A proxy in front of an AWS that judges every request and every answer by botocore's models."""

import json
import sys
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import botocore.session
from botocore.model import OperationModel, ServiceModel
from interop.services import SERVICES

from shapes import Wrong, from_form, from_xml, judge

# Codes that AWS documents for every operation, so that no model lists them.
COMMON = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "Throttling",
    "ThrottlingException",
    "UnrecognizedClientException",
    "ValidationError",
    "ValidationException",
}


# What AWS answers although its model says otherwise: an empty text where a permission set has no inline policy.
UNLIKE_ITS_MODEL = ("sso:GetInlinePolicyForPermissionSet, answer: InlinePolicy: ",)


@dataclass
class Record:
    """What went through."""

    # how often each operation was answered well
    answered: dict[str, int] = field(default_factory=dict)
    # error codes by operation
    refused: dict[str, set[str]] = field(default_factory=dict)
    # what the models say against it: each line once
    faults: dict[str, int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def take_faults(self) -> list[str]:
        """The faults since the last time, in the order in which they were seen."""
        with self.lock:
            taken = list(self.faults)
            self.faults.clear()
        return taken


class Recorder:
    """Listens on a free loopback port and forwards to an AWS endpoint."""

    def __init__(self, upstream: str) -> None:
        self.record = Record()
        models = Models()
        handler = type(
            "Handler", (_Handler,), {"upstream": urlsplit(upstream), "record": self.record, "models": models}
        )
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()


class Models:
    """The models of the services that batond calls."""

    def __init__(self) -> None:
        session = botocore.session.get_session()
        self._services = {
            prefix: ServiceModel(session.get_service_data(name), name) for prefix, name in SERVICES.items()
        }

    def operation(self, target: str, form: dict[str, str]) -> tuple[str, OperationModel] | None:
        """Action and model of a request, by its target or its form."""
        prefix, _, name = target.rpartition(".") if target else ("", "", form.get("Action", ""))
        # some SDKs write the whole package of a service before its name
        prefix = prefix.rpartition(".")[2]
        for service, model in self._services.items():
            metadata = model.metadata
            named = (
                metadata.get("targetPrefix", "").rpartition(".")[2] == prefix
                if target
                else metadata["apiVersion"] == form.get("Version")
            )
            if named and name in model.operation_names and metadata["protocol"] == ("json" if target else "query"):
                return f"{service}:{name}", model.operation_model(name)
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: Any
    record: Record
    models: Models

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        upstream = HTTPConnection(self.upstream.hostname, self.upstream.port, timeout=30)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            upstream.request("POST", self.path, body, kept)
            answer = upstream.getresponse()
            told = answer.read()
        finally:
            upstream.close()
        self._judge(body, answer.status, told)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def _judge(self, body: bytes, status: int, told: bytes) -> None:
        target = self.headers.get("X-Amz-Target", "")
        form = {} if target else dict(parse_qsl(body.decode(), keep_blank_values=True))
        found = self.models.operation(target, form)
        if found is None:
            self._note("", f"no model has the operation {target or form.get('Action')}")
            return
        action, operation = found
        wrong = Wrong()
        sent = json.loads(body or b"{}") if target else from_form(operation.input_shape, form, wrong)
        judge(operation.input_shape, sent, wrong)
        self._note(f"{action}, request", *wrong)
        try:
            wrong = Wrong()
            if status == 200:
                answer = json.loads(told or b"{}") if target else from_xml(operation, told, wrong)
                judge(operation.output_shape, answer, wrong)
            else:
                self._judge_error(action, operation, told, bool(target), wrong)
        except (ValueError, ElementTree.ParseError) as error:
            wrong.say("", f"cannot be read: {error}")
        self._note(f"{action}, answer", *wrong)
        if status == 200:
            with self.record.lock:
                self.record.answered[action] = self.record.answered.get(action, 0) + 1

    def _judge_error(self, action: str, operation: OperationModel, told: bytes, is_json: bool, wrong: Wrong) -> None:
        if is_json:
            members = json.loads(told)
            code = members.pop("__type", "")
        else:
            root = ElementTree.fromstring(told)
            parts = {child.tag.rsplit("}", 1)[-1]: child.text or "" for child in root[0]}
            code, members = parts.get("Code", ""), {"message": parts.get("Message")}
        with self.record.lock:
            self.record.refused.setdefault(action, set()).add(code)
        shapes = {shape.metadata.get("error", {}).get("code", shape.name): shape for shape in operation.error_shapes}
        shape = shapes.get(code) or shapes.get(f"{code}Exception")
        if shape is None:
            if code not in COMMON:
                wrong.say("", f"the error {code} is none of this operation")
            return
        # the message is written with either letter, whatever the model says
        members = {name: value for name, value in members.items() if name not in ("Message", "message")}
        known = Wrong()
        judge(shape, members, known)
        wrong += [line for line in known if "required member" not in line or "essage" not in line]

    def _note(self, where: str, *lines: str) -> None:
        with self.record.lock:
            for line in lines:
                text = f"{where}: {line}" if where else line
                if text.startswith(UNLIKE_ITS_MODEL):
                    continue
                self.record.faults[text] = self.record.faults.get(text, 0) + 1

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the check reports."""

    def handle_one_request(self) -> None:
        """A client that leaves before its answer is no news."""
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True
        except Exception as error:  # a fault of this program must not pass for a good answer
            print(f"recorder: {error!r}", file=sys.stderr)
            self._note("", f"the recorder failed: {error!r}")
            raise


_HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "keep-alive"}
