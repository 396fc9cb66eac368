"""batond beside `baton-aws`, the connector that it replaces, on the same organizations, one-shot and in service mode.

Needs a binary of it, named by BATON_AWS_BIN.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from interop import batond, places, testbed
from interop.processes import Failure, run

from compare import DEVIATIONS, TYPES, compare
from service import serve

Check = Callable[[Path, list[str]], Iterator[str]]

ORGANIZATIONS = {"example": [], "small": ["--preset", "small"], "medium": ["--preset", "medium"]}


def main() -> None:
    """Print one line per thing that held, or what differs and exit code 1."""
    print("may differ: " + "; ".join(deviation.reason for deviation in DEVIATIONS))
    for name, arguments in ORGANIZATIONS.items():
        _report(name, _one_shot, arguments)
    _report("service mode", _service_mode, [])


def _report(name: str, check: Check, arguments: list[str]) -> None:
    try:
        with tempfile.TemporaryDirectory(prefix="batond-incumbent-") as directory:
            for line in check(Path(directory), arguments):
                print(f"{name}: {line}", flush=True)
    except Failure as failure:
        sys.exit(f"{name}: {failure}")


def _one_shot(directory: Path, arguments: list[str]) -> Iterator[str]:
    ours, theirs = directory / "batond.c1z", directory / "baton-aws.c1z"
    with testbed.aws(directory, *arguments) as aws:
        settings = _settings(aws)
        batond.once(settings, "--file", ours)
        run([places.incumbent(), "--file", theirs], environment=settings, timeout=600)
    yield from compare(ours, theirs)


def _service_mode(directory: Path, arguments: list[str]) -> Iterator[str]:
    files = {}
    for name, program in (("baton-aws", places.incumbent()), ("batond", places.batond())):
        # each has an organization of its own, since a grant changes it
        with testbed.aws(directory, *arguments) as aws:
            files[name] = directory / f"{name}.c1z"
            yield from serve(name, program, files[name], _settings(aws), aws.clients())
    for line in compare(files["batond"], files["baton-aws"]):
        yield f"uploads: {line}"


def _settings(aws: testbed.Aws) -> dict[str, str]:
    """The seven types, and the container that holds rows as they are."""
    return {
        **aws.settings(),
        "BATON_SYNC_RESOURCE_TYPES": ",".join(TYPES),
        "BATON_STORAGE_ENGINE": "sqlite",
    }


if __name__ == "__main__":
    main()
