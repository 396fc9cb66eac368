"""The manifests and the chart, judged by the schema of the Kubernetes API, by helm and by checkov."""

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from interop import deploy
from interop.deploy import CHART, Object
from interop.places import CACHE, INTEROP
from interop.processes import Failure, run

# the oldest that the chart claims, and the newest
VERSIONS = ("1.27.0", "1.36.0")
CHECKOV = CACHE / "bin" / "checkov"

# What values.schema.json has to refuse, and a word of the reason.
REFUSED = {
    "replicas=2": "replicas",
    "strategy.type=RollingUpdate": "strategy",
    "unknown=1": "unknown",
    "image.name=1": "name",
    "image.pullPolicy=Sometimes": "pullPolicy",
    "image.digest=sha256:12": "digest",
    "settings.BATON_CLIENT_SECRET=plain": "BATON_CLIENT_SECRET",
    "settings.BATON_STATE_DIR=/elsewhere": "BATON_STATE_DIR",
    "settings.BATON_TASK_CONCURRENCY=5": "BATON_TASK_CONCURRENCY",
    "extraCA.configMap=one,extraCA.secret=two": "extraCA",
    "proxy.https=http://user:password@proxy:3128": "proxy",
    "metrics.address=0.0.0.0:9091": "address",
    "work.sizeLimit=much": "sizeLimit",
    "doctor.failOn=never": "failOn",
    "resources.limits.memory=lots": "memory",
    "serviceMonitor.enabled=true,metrics.enabled=false": "metrics.enabled",
}


def main() -> None:
    """Print one line per thing that held, or the first that did not and exit code 1."""
    try:
        with tempfile.TemporaryDirectory(prefix="batond-manifests-") as directory:
            for line in _judge(Path(directory)):
                print(line)
    except Failure as failure:
        sys.exit(f"manifests: {failure}")


def _judge(directory: Path) -> Iterator[str]:
    rendered = {"deploy/manifests": deploy.plain(), "chart, no values": deploy.chart()}
    rendered |= {f"chart, {values.name}": deploy.chart(values) for values in deploy.values_files()}
    yield from _kubeconform(directory, rendered)
    yield _same_objects(rendered["deploy/manifests"], rendered["chart, plain-values.yaml"])
    yield _lint()
    yield _refusals()
    yield _choices(rendered)
    yield _checkov(directory, rendered)


def _kubeconform(directory: Path, rendered: dict[str, str]) -> Iterator[str]:
    for version in VERSIONS:
        command = [
            CACHE / "bin" / "kubeconform",
            "-strict",
            f"-kubernetes-version={version}",
            f"-schema-location={_schemas(version)}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json",
            # its schema belongs to the Prometheus operator
            "-skip=ServiceMonitor",
        ]
        file = directory / "objects.yaml"
        for name, text in rendered.items():
            file.write_text(text)
            run([*command, file])
            # a judge that accepts everything would be none
            file.write_text(text.replace("  strategy:\n", "  stratagem:\n"))
            if "stratagem" not in run([*command, file], expect=1).stdout:
                raise Failure(f"kubeconform takes {name} with an unknown field")
        kinds = sum(len(deploy.objects(text)) for text in rendered.values())
        yield f"kubeconform: {kinds} objects of {len(rendered)} sources, Kubernetes {version}"


def _schemas(version: str) -> Path:
    """The schemas that `kubernetes-validate` carries, with references that kubeconform can follow."""
    source = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{version}-local-strict"
    target = CACHE / f"schemas-{kubernetes_validate.__version__}-{version}"
    if not (target / "complete").exists():
        target.mkdir(exist_ok=True)
        for schema in source.glob("*.json"):
            content = json.loads(schema.read_text().replace("/api/_definitions.json#", "_definitions.json#"))
            content.pop("$id", None)
            (target / schema.name).write_text(json.dumps(content))
        (target / "complete").touch()
    return target


def _same_objects(plain: str, chart: str) -> str:
    ours, theirs = deploy.objects(plain), deploy.objects(chart)
    # helm makes the namespace itself, if it is told to
    ours.pop("Namespace/batond")
    if ours.keys() != theirs.keys():
        raise Failure(f"deploy/manifests has {sorted(ours)}, the chart with plain-values.yaml {sorted(theirs)}")
    found = list(chain.from_iterable(_differences(name, ours[name], _without_helm(theirs[name])) for name in ours))
    if found:
        raise Failure("deploy/manifests and the chart with plain-values.yaml differ\n" + "\n".join(found))
    return f"the chart with plain-values.yaml makes the same {len(ours)} objects as deploy/manifests"


def _without_helm(part: Any) -> Any:
    """The same without labels and annotations that only a release of helm has."""
    if isinstance(part, list):
        return [_without_helm(one) for one in part]
    if not isinstance(part, dict):
        return part
    of_helm = re.compile(r"app\.kubernetes\.io/(instance|version|managed-by)|helm\.sh/chart|checksum/secret")
    return {name: _without_helm(value) for name, value in part.items() if not of_helm.fullmatch(name)}


def _differences(where: str, ours: Any, theirs: Any) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            yield from _differences(f"{where}.{name}", ours.get(name), theirs.get(name))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(f"{where}[{number}]", one, other)
    elif ours != theirs:
        yield f"{where}: {ours!r} in the manifests, {theirs!r} from the chart"


def _lint() -> str:
    sources = [None, *deploy.values_files()]
    for values in sources:
        deploy.helm("lint", "--strict", CHART, *deploy.arguments(values))
    return f"helm lint: {len(sources)} sets of values"


def _refusals() -> str:
    for settings, word in REFUSED.items():
        answer = deploy.helm("template", "batond", CHART, *deploy.arguments(None, [settings]), expect=1)
        if word not in answer.stderr:
            raise Failure(f"--set {settings} is refused without a word of {word}: {answer.stderr}")
    return f"helm refuses {len(REFUSED)} sets of values"


def _choices(rendered: dict[str, str]) -> str:
    """What the optional values make, beyond being valid."""
    full = deploy.objects(rendered["chart, full-values.yaml"])
    kinds = sorted(name.partition("/")[0] for name in full)
    expected = ["Deployment", "NetworkPolicy", "PersistentVolumeClaim", "PodDisruptionBudget", "Service"]
    _equal("kinds", kinds, [*expected, "ServiceAccount", "ServiceMonitor"])
    pod, container = _pod(full["Deployment/identity"])
    _equal("image", container["image"].partition("@")[0], "registry.example.com/batond")
    _equal("secret", container["envFrom"], [{"secretRef": {"name": "batond-identity"}}])
    variables = {one["name"]: one.get("value") for one in container["env"]}
    _equal("names in env", len(variables), len(container["env"]))
    _equal("setting", variables["BATON_GLOBAL_AWS_ORGS_ENABLED"], "true")
    _equal("proxy", variables["HTTPS_PROXY"], "http://proxy.example.com:3128")
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    _equal("authorities", mounts["extra-ca"], variables["SSL_CERT_DIR"])
    volumes = {one["name"]: one for one in pod["volumes"]}
    _equal("volumes", volumes.keys(), mounts.keys())
    _equal("work", volumes["work"].keys(), {"name", "ephemeral"})
    _equal("state", volumes["state"]["persistentVolumeClaim"], {"claimName": "identity-state"})
    _equal("service account", pod["serviceAccountName"], "connector")
    (doctor,) = pod["initContainers"]
    _equal("doctor", doctor["args"], ["doctor", "--fail-on", "unchecked"])
    for part in ("image", "env", "envFrom", "securityContext", "volumeMounts"):
        _equal(f"{part} of the doctor", doctor[part], container[part])
    policy = full["NetworkPolicy/identity"]["spec"]
    _equal("ports open to all", [one["port"] for one in policy["ingress"][0]["ports"]], [8081])
    _equal("extra egress", policy["egress"][-1], {"ports": [{"port": 3128, "protocol": "TCP"}]})

    least = deploy.objects(rendered["chart, least-values.yaml"])
    _equal("kinds of the least", list(least), ["Deployment/batond"])
    pod, container = _pod(least["Deployment/batond"])
    _equal("metrics", [one["name"] for one in container["ports"]], ["health"])
    _equal("no doctor", pod.get("initContainers"), None)
    _equal("state", pod["volumes"][1]["persistentVolumeClaim"], {"claimName": "batond-state"})

    ids = {"runAsUser", "runAsGroup", "fsGroup"}
    _equal("ids", {pod["securityContext"][one] for one in ids}, {65532})
    chosen, _ = _pod(deploy.objects(deploy.chart(settings=["userId=null"]))["Deployment/batond"])
    _equal("ids that the cluster chooses", ids & chosen["securityContext"].keys(), set())
    _equal("no root", chosen["securityContext"]["runAsNonRoot"], True)

    for name, text in rendered.items():
        (deployment,) = (one for one in deploy.objects(text).values() if one["kind"] == "Deployment")
        _equal(f"replicas, {name}", deployment["spec"]["replicas"], 1)
        _equal(f"strategy, {name}", deployment["spec"]["strategy"], {"type": "Recreate"})
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        selected = deployment["spec"]["selector"]["matchLabels"]
        _equal(f"selector, {name}", selected.items() <= labels.items(), True)
    return "optional values make what they say"


def _pod(deployment: Object) -> tuple[Object, Object]:
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container


def _equal(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise Failure(f"{what}: {found!r}, expected {expected!r}")


def _checkov(directory: Path, rendered: dict[str, str]) -> str:
    config = INTEROP / "manifests" / "checkov.yaml"
    folder = directory / "checkov"
    folder.mkdir()
    for number, text in enumerate(rendered.values()):
        (folder / f"{number}.yaml").write_text(text)
    command = [CHECKOV, "--config-file", config, "--directory", folder]
    report = json.loads(run(command).stdout)
    # and it sees what it is there for
    (folder / "0.yaml").write_text(rendered["deploy/manifests"].replace("Escalation: false", "Escalation: true"))
    run(command, expect=1)
    skipped = len(yaml.safe_load(config.read_text())["skip-check"])
    return f"checkov: {report['summary']['passed']} checks passed, {skipped} kinds not asked"


if __name__ == "__main__":
    main()
