"""Rows of another connector in our syncs, judged by the syncer of the public SDK on the same two files.

The program beside this file lists our plain file to the SDK's syncer, gives it the other connector's file too, and
compares every row of the outcome with ours.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from interop import batond, places, testbed
from interop.processes import Failure, run

JUDGE = places.CACHE / "bin" / "external"

# what is asked for, in the words of the judge and of batond
ASKED = {
    "users and groups": ([], []),
    "applications": (["-traits", "app"], ["--external-resource-traits=app"]),
    "all three": (["-traits", "user,group,app"], ["--external-resource-traits=user,group,app"]),
    "members of a team": (
        ["-entitlement", "team:outer:member"],
        ["--external-resource-entitlement-id-filter=team:outer:member"],
    ),
}


def main() -> None:
    """Print one line per case, or the rows that differ and exit code 1."""
    try:
        with tempfile.TemporaryDirectory(prefix="batond-external-") as directory:
            for line in _cases(Path(directory)):
                print(line)
    except Failure as failure:
        sys.exit(str(failure))


def _cases(directory: Path) -> Iterator[str]:
    other, elsewhere = directory / "other.c1z", directory / "elsewhere.c1z"
    run([JUDGE, "-write", other], timeout=120)
    with testbed.aws(directory, "--preset", "small") as aws:
        batond.once(aws.settings(), "--file", elsewhere)
    with testbed.aws(directory) as aws:
        plain = directory / "plain.c1z"
        batond.once(aws.settings(), "--file", plain)
        for name, (judge, ours) in ASKED.items():
            yield f"{name}: {_compared(aws, directory, plain, other, judge, ours)}"
        # its types are ours, too
        yield f"another organization: {_compared(aws, directory, plain, elsewhere, [], [])}"
        # each row of it is ours, too
        yield f"the same organization: {_compared(aws, directory, plain, plain, [], [])}"


def _compared(
    aws: testbed.Aws, directory: Path, plain: Path, other: Path, judge: list[str], arguments: list[str]
) -> str:
    ours = directory / "ours.c1z"
    batond.once(aws.settings(), "--file", ours, f"--external-resource-c1z={other}", *arguments)
    done = run([JUDGE, *judge, plain, other, ours], timeout=300)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
