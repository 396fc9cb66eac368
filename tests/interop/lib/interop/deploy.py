"""The Kubernetes objects of `deploy/`: the plain manifests, and what the chart makes of a values file."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from interop.places import CACHE, REPOSITORY
from interop.processes import run

MANIFESTS = REPOSITORY / "deploy" / "manifests"
CHART = REPOSITORY / "deploy" / "helm" / "batond"
HELM = CACHE / "bin" / "helm"
RELEASE = "batond"

# one object, as YAML gives it
Object = dict[str, Any]


def values_files() -> list[Path]:
    """The values files that the chart is tried with, by name."""
    return sorted((CHART / "ci").glob("*-values.yaml"))


def plain() -> str:
    """What `kubectl apply -k deploy/manifests` applies."""
    return run([CACHE / "bin" / "kustomize", "build", MANIFESTS]).stdout


def chart(values: Path | None = None, settings: Iterable[str] = ()) -> str:
    """What `helm install batond` applies, with a values file and with `NAME=VALUE`."""
    return helm("template", RELEASE, CHART, "--namespace", RELEASE, *arguments(values, settings)).stdout


def arguments(values: Path | None, settings: Iterable[str] = ()) -> list[str | Path]:
    """The same choices as arguments of helm."""
    chosen: list[str | Path] = [] if values is None else ["--values", values]
    return [*chosen, *(f"--set={setting}" for setting in settings)]


def helm(*command: str | Path, expect: int = 0) -> Any:
    """Run helm without the settings and the cluster of whoever runs the check."""
    with tempfile.TemporaryDirectory(prefix="batond-helm-") as home:
        own = {f"HELM_{kind}_HOME": home for kind in ("CACHE", "CONFIG", "DATA")} | {"KUBECONFIG": "/dev/null"}
        return run([HELM, *command], environment=own, expect=expect)


def objects(text: str) -> dict[str, Object]:
    """The objects of a stream of YAML documents, by kind and name."""
    found = [one for one in yaml.safe_load_all(text) if one]
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in found}
