"""What batond knows, derived from its binary, its protocol files, its calls and the crates that read AWS's answers."""

import functools
import json
import re
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from interop import places
from interop.processes import Failure, run
from interop.services import SERVICES

import protos


class Known:
    """Everything, asked for once."""

    @functools.cached_property
    def schema(self) -> dict[str, Any]:
        """What `batond config` prints."""
        return json.loads(run([places.batond(), "config"]).stdout)

    @functools.cached_property
    def capabilities(self) -> dict[str, Any]:
        """What `batond capabilities` prints."""
        return json.loads(run([places.batond(), "capabilities"]).stdout)

    @functools.cache  # noqa: B019 -- there is one for the life of the process
    def is_flag(self, name: str) -> bool:
        """Whether the command line takes `--name`, also one that its help does not show."""
        try:
            run([places.batond(), f"--{name}=", "--help"])
        except Failure as failure:
            if "exit code 2" not in str(failure):
                raise
            # a value may be wrong; only an unknown name is unexpected
            return "unexpected argument" not in str(failure)
        return True

    @functools.cached_property
    def protocol(self) -> FileDescriptorSet:
        """The messages of `proto/`."""
        return protos.compiled([places.REPOSITORY / "proto"])

    @functools.cached_property
    def operations(self) -> dict[str, set[str]]:
        """The operations of AWS that the code calls, by the prefix of their actions."""
        found: dict[str, set[str]] = {action: set() for action in SERVICES}
        # the code calls them as the crates do
        actions = {name.replace("-", ""): action for action, name in SERVICES.items()}
        for file in sorted((places.REPOSITORY / "src" / "aws").glob("**/*.rs")):
            text = file.read_text()
            # those that only name another constant are none of their own
            constants = re.findall(r"const \w+: Operation\s*=(?!\s*[A-Z_]+;)", text)
            declared = re.findall(
                r'const \w+: Operation\s*=\s*Operation::\w+\(\s*Service::(\w+),\s*"(\w+)",?\s*\)', text
            )
            if len(declared) != len(constants):
                raise Failure(f"{file}: an operation is declared in a way that this check cannot read")
            for code, name in declared:
                found[actions[plain(code)]].add(name)
        if empty := [action for action, names in found.items() if not names]:
            raise Failure(f"no operations were found of {', '.join(empty)}")
        return found

    @functools.cached_property
    def crates(self) -> dict[str, "Crate"]:
        """What reads each service's answers, in the versions of `Cargo.lock`."""
        told = run(
            ["cargo", "metadata", "--locked", "--format-version=1", f"--manifest-path={places.REPOSITORY}/Cargo.toml"],
            timeout=300,
        )
        places_of = {each["name"]: Path(each["manifest_path"]).parent for each in json.loads(told.stdout)["packages"]}
        return {
            action: Crate(places_of[f"aws-sdk-{name.replace('-', '')}"] / "src") for action, name in SERVICES.items()
        }


class Crate:
    """A generated crate of one service; its names are compared as `plain` has them."""

    def __init__(self, source: Path) -> None:
        self.operations = {plain(file.stem) for file in (source / "operation").glob("*.rs")}
        files = [*source.glob("types/*.rs"), *source.glob("types/error/*.rs"), *source.glob("operation/*/*.rs")]
        self._files = {plain(file.stem): file for file in files if file.stem not in ("builders", "error")}

    def has(self, shape: str) -> bool:
        """Whether it has this structure or enumeration."""
        return plain(shape) in self._files

    @functools.cache  # noqa: B019 -- there is one for the life of the process
    def members(self, shape: str) -> set[str]:
        """The members of a structure that it knows, or the variants of a union, made plain."""
        text = self._files[plain(shape)].read_text()
        fields = re.findall(r"^    pub (?:r#)?(\w+):", text, re.MULTILINE)
        variants = re.findall(r"^    (\w+)\(", text, re.MULTILINE)
        return {plain(name) for name in [*fields, *variants]}

    @functools.cache  # noqa: B019 -- there is one for the life of the process
    def values(self, shape: str) -> set[str]:
        """The values of an enumeration that it knows."""
        return set(re.findall(r'^            "([^"]+)" => ', self._files[plain(shape)].read_text(), re.MULTILINE))


def plain(name: str) -> str:
    """A name without what AWS and the crates write differently."""
    return name.replace("_", "").lower()
