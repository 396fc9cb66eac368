"""A sync of the testbed's organizations, judged with the public `baton` CLI.

What the file should hold is read from the testbed through boto3, not asked of the connector.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from interop import batond, testbed
from interop.aws import read_organization
from interop.baton_cli import judge
from interop.processes import Failure

# the example has the odd corners, the generated one has numbers
ORGANIZATIONS = {"example": [], "small": ["--preset", "small"]}


def main() -> None:
    """Print one line per verb, or the first verb that disagrees and exit code 1."""
    for name, arguments in ORGANIZATIONS.items():
        try:
            with tempfile.TemporaryDirectory(prefix="batond-baton-cli-") as directory:
                for line in _sync(Path(directory), arguments):
                    print(f"{name}: {line}")
        except Failure as failure:
            sys.exit(f"{name}: {failure}")


def _sync(directory: Path, arguments: list[str]) -> Iterator[str]:
    with testbed.aws(directory, *arguments) as aws:
        file = directory / "sync.c1z"
        batond.once(aws.settings(), "--file", file)
        yield from judge(file, read_organization(aws.clients()).expected())


if __name__ == "__main__":
    main()
