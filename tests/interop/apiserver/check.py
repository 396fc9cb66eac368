"""A real Kubernetes API server takes what `deploy/` makes: strict about fields, with Pod Security `restricted`.

It runs with etcd on loopback and without a scheduler or a kubelet: nothing is started from what it takes. Each object
is a dry run, that of the namespace apart.
"""

import json
import re
import shutil
import socket
import ssl
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interop import deploy
from interop.deploy import Object
from interop.places import CACHE, INTEROP
from interop.processes import Failure, background, run, wait_for

PINS = INTEROP / "apiserver" / "go.mod"
TOKEN = "check"
NAMESPACE = deploy.RELEASE
# Where objects of a kind are posted.
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
}
# of the Prometheus operator, which the server has never heard of
FOREIGN = {"ServiceMonitor"}


def main() -> None:
    """Print one line per thing that held, or the first that did not and exit code 1."""
    try:
        with tempfile.TemporaryDirectory(prefix="batond-apiserver-") as directory, _server(Path(directory)) as server:
            for line in _judge(server):
                print(line)
    except Failure as failure:
        sys.exit(f"apiserver: {failure}")


class Server:
    """A running API server, asked over its own certificate."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._base = f"https://127.0.0.1:{port}"
        self._certificate = certificate

    def ready(self) -> bool:
        """Whether it serves, its first objects included."""
        try:
            return self._ask("/readyz").strip() == "ok" and bool(self._ask("/api/v1/namespaces/default"))
        except (urllib.error.URLError, OSError):
            return False

    def create(self, one: Object, *, dry_run: bool = True) -> str | None:
        """Why the server refuses the object; nothing if it takes it."""
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        try:
            self._ask(PATHS[one["kind"]].format(NAMESPACE) + query, one)
        except urllib.error.HTTPError as refusal:
            return str(json.load(refusal)["message"])
        return None

    def _ask(self, path: str, body: Any = None) -> str:
        request = urllib.request.Request(
            self._base + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        )
        trust = ssl.create_default_context(cafile=str(self._certificate))
        with urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        ).open(request, timeout=20) as answer:
            return answer.read().decode()


@contextmanager
def _server(directory: Path) -> Iterator[Server]:
    etcd = shutil.which("etcd")
    if etcd is None:
        raise Failure("etcd is missing: apt-get install etcd-server")
    etcd_port, peer_port, port = _free_ports(3)
    client, peer = f"http://127.0.0.1:{etcd_port}", f"http://127.0.0.1:{peer_port}"
    key = directory / "service-accounts.key"
    run(["openssl", "genrsa", "-out", key, "2048"])
    (directory / "tokens.csv").write_text(f"{TOKEN},check,check,system:masters\n")
    etcd_command = [
        etcd,
        f"--data-dir={directory}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]
    command = [
        CACHE / "bin" / "kube-apiserver",
        f"--etcd-servers={client}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={directory}/certificates",
        f"--token-auth-file={directory}/tokens.csv",
        "--authorization-mode=RBAC",
        # what a controller gives a namespace: there is none here
        "--disable-admission-plugins=ServiceAccount",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.0.0.0/24",
    ]
    with (
        background(etcd_command, log=directory / "etcd.log"),
        background(command, log=directory / "apiserver.log") as process,
    ):
        server = Server(port, directory / "certificates" / "apiserver.crt")
        wait_for("API server", server.ready, timeout=120, unless=process)
        yield server


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _judge(server: Server) -> Iterator[str]:
    yield f"kube-apiserver {_version()}"
    sources = {"deploy/manifests": deploy.plain(), "chart, no values": deploy.chart()}
    sources |= {f"chart, {values.name}": deploy.chart(values) for values in deploy.values_files()}
    namespace = deploy.objects(sources["deploy/manifests"])[f"Namespace/{NAMESPACE}"]
    _takes(server, "deploy/manifests", namespace, dry_run=False)
    for source, text in sources.items():
        objects = [one for one in deploy.objects(text).values() if one["kind"] not in {"Namespace", *FOREIGN}]
        pods = [_pod(one) for one in objects if one["kind"] == "Deployment"]
        for one in [*objects, *pods]:
            _takes(server, source, one)
        yield f"{source}: {len(objects)} objects and the pod of the Deployment are taken, strictly"
    yield from _refuses(server, deploy.objects(sources["deploy/manifests"])["Deployment/batond"])


def _version() -> str:
    """The release that is pinned: a server that is built from its module alone does not know its own."""
    pin = re.search(r"^\s+k8s\.io/kubernetes (v\S+)", PINS.read_text(), re.MULTILINE)
    if pin is None:
        raise Failure(f"{PINS} does not pin k8s.io/kubernetes")
    return pin[1]


def _takes(server: Server, source: str, one: Object, *, dry_run: bool = True) -> None:
    if refusal := server.create(one, dry_run=dry_run):
        raise Failure(f"{source}: {one['kind']}/{one['metadata']['name']} is refused: {refusal}")


def _pod(deployment: Object) -> Object:
    """The pod that a controller would make: Pod Security judges pods alone."""
    template = deployment["spec"]["template"]
    metadata = {**template["metadata"], "name": "check", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def _refuses(server: Server, deployment: Object) -> Iterator[str]:
    """The server judges: an unknown field, a word that is none, and a pod that is not restricted."""
    unknown = json.loads(json.dumps(deployment))
    unknown["spec"]["stratagem"] = {}
    word = json.loads(json.dumps(deployment))
    word["spec"]["strategy"]["type"] = "Sometimes"
    root = _pod(json.loads(json.dumps(deployment)))
    root["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    for what, one, reason in (
        ("an unknown field", unknown, "stratagem"),
        ("an unknown strategy", word, "Sometimes"),
        ("a pod that may escalate its privileges", root, "PodSecurity"),
    ):
        if reason not in (server.create(one) or ""):
            raise Failure(f"the server takes {what}")
        yield f"{what} is refused"


if __name__ == "__main__":
    main()
