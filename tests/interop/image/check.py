"""Run the container image as a cluster would: `check.py IMAGE`.

No capabilities, no root, read-only, little memory; the AWS endpoint is found by a DNS name, which a static binary has
to resolve by itself.
"""

import contextlib
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

from interop import testbed
from interop.aws import read_organization
from interop.baton_cli import judge
from interop.processes import Failure, run

NAME = "aws.testbed.example"
RESOLVER = "127.0.0.54"
RESTRICTED = (
    "--read-only",
    "--user=65532:65532",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--memory=64m",
    "--pids-limit=50",
)


def main() -> None:
    """Print one line per thing that held, or the first that did not and exit code 1."""
    (image,) = sys.argv[1:]
    try:
        with tempfile.TemporaryDirectory(prefix="batond-image-") as directory:
            for line in _run_image(image, Path(directory)):
                print(line)
    except Failure as failure:
        sys.exit(f"image: {failure}")


def _run_image(image: str, directory: Path) -> Iterator[str]:
    # crun does not start on every kernel; runc does
    podman = (
        "podman",
        "--runtime=runc",
        "run",
        "--rm",
        "--pull=never",
        "--ulimit=nofile=4096:4096",
        "--ulimit=nproc=4096:4096",
    )
    version = run([*podman, *RESTRICTED, "--network=none", image, "--version"]).stdout.strip()
    yield f"--version without a network: {version}"

    (directory / "resolv.conf").write_text(f"nameserver {RESOLVER}\n")
    out = directory / "out"
    out.mkdir()
    out.chmod(0o777)
    with testbed.aws(directory) as aws, _resolver():
        port = aws.endpoint.rpartition(":")[2]
        settings = {**aws.settings(), "AWS_ENDPOINT_URL": f"http://{NAME}:{port}"}
        variables = [f"--env={name}={value}" for name, value in settings.items()]
        volumes = [f"--volume={directory}/resolv.conf:/etc/resolv.conf:ro", f"--volume={out}:/out"]
        run([*podman, *RESTRICTED, "--network=host", *variables, *volumes, image, "--file", "/out/sync.c1z"])
        yield f"sync of http://{NAME}, found by DNS"
        yield from judge(out / "sync.c1z", read_organization(aws.clients()).expected())


@contextlib.contextmanager
def _resolver() -> Iterator[None]:
    """A name server that knows one name, as an address on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((RESOLVER, 53))
        Thread(target=_answer, args=(server,), daemon=True).start()
        yield


def _answer(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            query, client = server.recvfrom(512)
            # after the header of 12 bytes: labels with their lengths, a zero, type and class
            end = query.index(b"\0", 12) + 5
            question = query[12:end]
            wants_ipv4 = question[-4:-2] == b"\0\1"
            # same id; an authoritative answer; one question, one answer or none
            header = query[:2] + b"\x85\x80" + b"\0\1" + (b"\0\1" if wants_ipv4 else b"\0\0") + b"\0\0\0\0"
            answer = b"\xc0\x0c" + b"\0\1\0\1" + b"\0\0\0\x0a" + b"\0\4" + socket.inet_aton("127.0.0.1")
            server.sendto(header + question + (answer if wants_ipv4 else b""), client)


if __name__ == "__main__":
    main()
