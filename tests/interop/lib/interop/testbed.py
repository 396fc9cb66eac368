"""The testbed's AWS, started for one check."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from interop import batond, places
from interop.aws import Clients
from interop.processes import background, wait_for


@dataclass(frozen=True)
class Aws:
    """Where the testbed listens, and the keys that it gives to its caller."""

    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str

    def clients(self) -> Clients:
        """boto3 clients with the caller's keys."""
        return Clients(self.endpoint, self.region, self.access_key_id, self.secret_access_key)

    def settings(self) -> dict[str, str]:
        """The environment of a connector that works with these keys."""
        return batond.settings(self.endpoint, self.region, self.access_key_id, self.secret_access_key)


@contextlib.contextmanager
def aws(directory: Path, *arguments: str) -> Iterator[Aws]:
    """An AWS organization on a free loopback port, by default the example; its log is put into `directory`."""
    command = [places.testbed(), "aws", "--listen", "127.0.0.1:0", *arguments]
    with background(command, log=directory / "testbed-aws.log") as server:

        def exported() -> dict[str, str] | None:
            # one `export NAME=value NAME=value` a line; the last name says that all have been printed
            found = dict(re.findall(r"(AWS_[A-Z_]+)=(\S+)", server.output()))
            return found if "AWS_SECRET_ACCESS_KEY" in found else None

        found = wait_for("the testbed's AWS", exported, timeout=30, unless=server)
        yield Aws(
            endpoint=found["AWS_ENDPOINT_URL"],
            region=found["AWS_REGION"],
            access_key_id=found["AWS_ACCESS_KEY_ID"],
            secret_access_key=found["AWS_SECRET_ACCESS_KEY"],
        )
