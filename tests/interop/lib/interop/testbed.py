"""The testbed's AWS and its control plane, started for one check."""

import contextlib
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interop import batond, places
from interop.aws import Clients
from interop.processes import Background, Failure, background, wait_for


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


class ControlPlane:
    """A control plane that plays one scenario."""

    def __init__(self, directory: Path, server: Background) -> None:
        self._directory = directory
        self._server = server

    def settings(self) -> dict[str, str]:
        """What a connector needs to find and trust it."""
        env = self._directory / "env"
        wait_for("the testbed's control plane", env.exists, timeout=30, unless=self._server)
        assignments = (shlex.split(line)[0].split("=", 1) for line in env.read_text().splitlines())
        return dict((name, value) for name, value in assignments)

    def play(self, timeout: float) -> list[str]:
        """Wait for the end of the scenario and give a line per step; one that went wrong is a `Failure`."""
        code = self._server.wait(timeout)
        told = self._server.output()
        if code != 0:
            raise Failure(f"the scenario ended with {code}\n{told}")
        return [line for line in told.splitlines() if line.startswith("step ")]

    def upload(self) -> Path:
        """The one file that was uploaded."""
        files = sorted((self._directory / "uploads").iterdir())
        if len(files) != 1:
            raise Failure(f"one upload was expected, there are {files}")
        return files[0]


@contextlib.contextmanager
def control_plane(directory: Path, steps: list[Any]) -> Iterator[ControlPlane]:
    """A control plane on a free loopback port that plays `steps`; all that it leaves is put into `directory`."""
    directory.mkdir()
    scenario = directory / "scenario.yaml"
    # JSON is YAML
    scenario.write_text(json.dumps({"patience": "2m", "pace": {"next_poll": "1s"}, "steps": steps}))
    command = [places.testbed(), "control-plane", "--scenario", scenario, "--directory", directory]
    with background(command, log=directory / "testbed.log") as server:
        yield ControlPlane(directory, server)
