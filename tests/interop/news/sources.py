"""The newest that can be had of what others publish: AWS's models, the Go SDK with its protocol, and baton-aws."""

import copy
import gzip
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from interop.places import INTEROP
from interop.processes import Failure
from interop.services import SERVICES

import protos

SDK = "github.com/conductorone/baton-sdk"
RULES = "github.com/envoyproxy/protoc-gen-validate"
INCUMBENT = "https://github.com/ConductorOne/baton-aws"
# Minor versions that are asked for beyond the pinned one: a proxy may refuse to tell the latest.
FURTHER_MINORS = 14


@dataclass
class Published:
    """What others publish, as it was read; `None` where it could not be had."""

    # service models by the prefix of the service's actions
    models: dict[str, Any] | None = None
    # directories of .proto files: those of the SDK first, then what they import
    protos: list[Path] | None = None
    # the Go source that declares the flags of every connector
    flags: str | None = None
    # `config_schema.json` and `baton_capabilities.json` of baton-aws
    schema: dict[str, Any] | None = None
    capabilities: dict[str, Any] | None = None
    # what was had, a line each, and what was not
    had: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def protocol(self) -> FileDescriptorSet:
        """The messages of the SDK."""
        return protos.compiled(self.protos or [])

    def copy(self) -> "Published":
        """One whose models, schema and capabilities can be changed."""
        return replace(
            self,
            models=copy.deepcopy(self.models),
            schema=copy.deepcopy(self.schema),
            capabilities=copy.deepcopy(self.capabilities),
        )


def newest(directory: Path, named: list[str]) -> Published:
    """Fetch everything; what cannot be had is told, not raised. `named` are versions of the SDK to ask for besides."""
    published = Published()
    required = _incumbent(published, directory / "baton-aws")
    _sdk(published, [*named, *([required] if required else [])])
    _models(published, directory / "botocore")
    return published


def _incumbent(published: Published, directory: Path) -> str | None:
    """baton-aws, and the version of the SDK that it is built with."""
    source = os.environ.get("BATON_AWS_SOURCE")
    if source is None:
        source = str(directory)
        cloned = _command("git", "clone", "--quiet", "--bare", "--depth=1", INCUMBENT, source)
        if cloned.returncode != 0:
            published.missing.append(f"baton-aws from {INCUMBENT}: {_last_line(cloned.stderr)}")
            return None

    def text(path: str) -> str | None:
        shown = _command("git", "-C", source, "show", f"HEAD:{path}")
        if shown.returncode == 0:
            return shown.stdout
        published.missing.append(f"{path} of baton-aws: {_last_line(shown.stderr)}")
        return None

    schema, capabilities, go_mod = (text(path) for path in ("config_schema.json", "baton_capabilities.json", "go.mod"))
    published.schema = None if schema is None else json.loads(schema)
    published.capabilities = None if capabilities is None else json.loads(capabilities)
    required = None if go_mod is None else _required(go_mod, SDK)
    commit = _command("git", "-C", source, "log", "-1", "--format=%h of %cs", "HEAD").stdout.strip()
    published.had.append(f"baton-aws {commit}, built with baton-sdk {required or 'of an unknown version'}")
    return required


def _sdk(published: Published, named: list[str]) -> None:
    """The newest version of the SDK that the module proxy serves."""
    pinned = _required((INTEROP / "protocheck" / "go.mod").read_text(), SDK)
    refused = []
    for version in _versions(pinned, named):
        found = _module(SDK, version)
        if "Dir" not in found:
            refused.append(version)
            continue
        directory = Path(found["Dir"])
        rules = _module(RULES, _required((directory / "go.mod").read_text(), RULES))
        if "Dir" not in rules:
            raise Failure(f"{RULES}: {rules.get('Error')}")
        published.protos = [directory / "proto", Path(rules["Dir"])]
        published.flags = "\n".join(file.read_text() for file in sorted((directory / "pkg/field").glob("defaults*.go")))
        published.had.append(f"baton-sdk {found['Version']}{_tried(refused)}")
        return
    published.missing.append(f"baton-sdk{_tried(refused)}")


def _versions(pinned: str, named: list[str]) -> Iterator[str]:
    """Versions to ask for, the likely newest first."""
    yield "latest"
    major, minor, patch = (int(part) for part in pinned.removeprefix("v").split("."))
    further = [f"v{major}.{minor + more}.0" for more in range(FURTHER_MINORS, 0, -1)]
    further.append(f"v{major}.{minor}.{patch + 1}")
    # in one order, so that the older SDK of an incumbent does not hide a newer one
    yield from sorted({*further, pinned, *named}, key=_order, reverse=True)


def _order(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _tried(refused: list[str]) -> str:
    return f" (refused by the module proxy: {', '.join(refused)})" if refused else ""


def _module(path: str, version: str) -> dict[str, Any]:
    done = _command("go", "mod", "download", "-json", f"{path}@{version}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise Failure(f"go mod download: {_last_line(done.stderr)}") from None


def _required(go_mod: str, path: str) -> str:
    found = re.search(rf"^\s*(?:require )?{re.escape(path)} (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise Failure(f"a go.mod does not require {path}")
    return found[1]


def _models(published: Published, directory: Path) -> None:
    """The models in the newest botocore."""
    wheel = ("--only-binary=:all:", "--no-deps", f"--dest={directory}", "botocore")
    done = _command(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *wheel)
    if done.returncode != 0:
        published.missing.append(f"botocore: {_last_line(done.stderr)}")
        return
    (file,) = directory.glob("*.whl")
    published.models = {}
    with zipfile.ZipFile(file) as archive:
        for action, name in SERVICES.items():
            versions = re.compile(rf"botocore/data/{name}/[^/]+/service-2.json.gz")
            model = max(member for member in archive.namelist() if versions.fullmatch(member))
            published.models[action] = json.loads(gzip.decompress(archive.read(model)))
    published.had.append(f"botocore {file.name.split('-')[1]}")


def _command(*command: str) -> subprocess.CompletedProcess[str]:
    # the caller's environment: proxies and certificates are how this machine reaches the registries
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no word"])[-1]
