"""batond beside `baton-aws`, the connector that it replaces, on the same organizations.

Needs a binary of it, named by BATON_AWS_BIN.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from interop import batond, places, testbed
from interop.processes import Failure, run

from compare import DEVIATIONS, TYPES, compare

ORGANIZATIONS = {"example": [], "small": ["--preset", "small"], "medium": ["--preset", "medium"]}


def main() -> None:
    """Print one line per kind of row that is equal, or the rows that differ and exit code 1."""
    print("may differ: " + "; ".join(deviation.reason for deviation in DEVIATIONS))
    for name, arguments in ORGANIZATIONS.items():
        try:
            with tempfile.TemporaryDirectory(prefix="batond-incumbent-") as directory:
                for line in _side_by_side(Path(directory), arguments):
                    print(f"{name}: {line}")
        except Failure as failure:
            sys.exit(f"{name}: {failure}")


def _side_by_side(directory: Path, arguments: list[str]) -> Iterator[str]:
    ours, theirs = directory / "batond.c1z", directory / "baton-aws.c1z"
    with testbed.aws(directory, *arguments) as aws:
        # the seven types, and both in the container that holds rows as they are
        settings = {
            **aws.settings(),
            "BATON_SYNC_RESOURCE_TYPES": ",".join(TYPES),
            "BATON_STORAGE_ENGINE": "sqlite",
        }
        batond.once(settings, "--file", ours)
        run([places.incumbent(), "--file", theirs], environment=settings, timeout=600)
    yield from compare(ours, theirs)


if __name__ == "__main__":
    main()
