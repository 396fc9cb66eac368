"""Judge a `.c1z` with the public `baton` CLI: `check.py FILE EXPECTED.json`.

EXPECTED.json has the form of `interop.content.Content`: resources by type with their parents, entitlements with their
resource, grants with entitlement, principal and sources.
"""

import sys
from pathlib import Path

from interop.baton_cli import judge
from interop.content import Content
from interop.processes import Failure


def main() -> None:
    """Print one line per verb, or the first verb that disagrees and exit code 1."""
    file, expected = map(Path, sys.argv[1:])
    try:
        for line in judge(file, Content.load(expected)):
            print(line)
    except Failure as failure:
        sys.exit(f"{file}: {failure}")


if __name__ == "__main__":
    main()
