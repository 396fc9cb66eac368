"""Where things are: the repository, the cache of tools, and the binaries under test."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[4]
INTEROP = REPOSITORY / "tests" / "interop"
CACHE = INTEROP / ".cache"


def baton_cli() -> Path:
    """The public `baton` CLI, built by `tests/interop/run` unless `BATON_CLI_BIN` names another."""
    return _binary("BATON_CLI_BIN", CACHE / "bin" / "baton")


def batond() -> Path:
    """The connector under test: `BATOND_BIN`, else the debug build."""
    return _binary("BATOND_BIN", _target_directory() / "debug" / "batond")


def testbed() -> Path:
    """The testbed's binary: `TESTBED_BIN`, else the debug build."""
    return _binary("TESTBED_BIN", _target_directory() / "debug" / "testbed")


def incumbent() -> Path:
    """A binary of `baton-aws`, named by `BATON_AWS_BIN`: no registry serves its module, so it is not built here."""
    if "BATON_AWS_BIN" not in os.environ:
        raise SystemExit("BATON_AWS_BIN must name a binary of baton-aws: there is none to build from a registry")
    return _binary("BATON_AWS_BIN", Path())


def _target_directory() -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))


def _binary(variable: str, default: Path) -> Path:
    path = Path(os.environ.get(variable, default))
    if not path.is_file():
        raise SystemExit(f"{path} is missing: build it first, or name another with {variable}")
    return path
