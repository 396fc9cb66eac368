"""News made up on purpose, in what was really fetched: the check must see each piece of it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interop.processes import Failure

from sources import Published

# What is put into the SDK's .proto files: the file, the line after which it is put, what is put, and its name as news.
PROTOS = [
    ("connectorapi/baton/v1/baton.proto", r"oneof task_type \{", "NoneTask planted = 5000;", "task kind planted"),
    (
        "connectorapi/baton/v1/baton.proto",
        r"service BatonService \{",
        "rpc Plant(BatonServiceHelloRequest) returns (BatonServiceHelloResponse);",
        "method c1.connectorapi.baton.v1.BatonService.Plant",
    ),
    (
        "connector/v2/connector.proto",
        r"CAPABILITY_UNSPECIFIED = 0;",
        "CAPABILITY_PLANTED = 5000;",
        "value c1.connector.v2.Capability.CAPABILITY_PLANTED",
    ),
    (
        "connector/v2/resource.proto",
        r"message ResourceId \{",
        "string planted = 5000;",
        "field c1.connector.v2.ResourceId.planted",
    ),
    (
        "connector/v2/resource.proto",
        r"(?=message ResourceId \{)",
        "message Planted {}",
        "message c1.connector.v2.Planted",
    ),
    (
        "connector/v2/resource.proto",
        r"(?=message ResourceId \{)",
        "enum Plant { PLANT_UNSPECIFIED = 0; }",
        "enum c1.connector.v2.Plant",
    ),
]


def check(directory: Path, published: Published, judge: Callable[[Published, dict[str, str]], list[str]]) -> int:
    """How many kinds were planted, each of which was seen; one that was not is a `Failure`.

    `judge` takes what is published and further entries of what is left out.
    """
    doctored = published.copy()
    planted = [
        *_schema(doctored.schema),
        *_capabilities(doctored.capabilities),
        *_flags(doctored),
        *_protos(doctored, directory / "planted"),
        *_models(doctored.models),
    ]
    before, lines = judge(published, {}), judge(doctored, {})
    # what is news anyhow proves nothing
    planted = [name for name in planted if not _tells(before, name)]
    for name in planted:
        if not _tells(lines, name):
            raise Failure(f"what was planted was not seen: {name}")
    kinds = len(planted)
    if planted:
        # what is left out is not told, and an entry that leaves nothing out is
        lines = judge(doctored, {planted[0]: "planted", f"{planted[0]} no more": "planted"})
        if _tells(lines, planted[0]):
            raise Failure(f"what is left out was told: {planted[0]}")
        if not any(line.startswith("no longer new") and line.endswith(f"{planted[0]} no more") for line in lines):
            raise Failure("an entry that leaves nothing out was not seen")
        kinds += 2
    return kinds


def _tells(lines: list[str], name: str) -> bool:
    return any(line == f"new: {name}" or line.startswith(f"new: {name} ") for line in lines)


def _schema(schema: dict[str, Any] | None) -> list[str]:
    if schema is None:
        return []
    level = next(entry for entry in schema["fields"] if entry["name"] == "log-level")
    level["stringField"]["defaultValue"] = "planted"
    schema["fields"].append({"name": "planted-setting", "boolField": {}})
    schema["fields"].append({"name": "client-id", "stringField": {}})
    schema["constraints"].append({"kind": "PLANTED", "fieldNames": ["a"], "secondaryFieldNames": ["b"]})
    schema["helpUrl"] = "/planted"
    schema["fields"].reverse()
    return [
        "setting planted-setting",
        "setting client-id in the form",
        "setting log-level: stringField.defaultValue",
        "form order",
        "form constraints",
        "form helpUrl",
    ]


def _capabilities(capabilities: dict[str, Any] | None) -> list[str]:
    if capabilities is None:
        return []
    first = capabilities["resourceTypeCapabilities"][0]
    name = first["resourceType"]["id"]
    first["permissions"]["permissions"].append({"permission": "planted:Permission"})
    first["capabilities"].append("CAPABILITY_PLANTED")
    first["resourceType"].setdefault("traits", []).append("TRAIT_PLANTED")
    capabilities["resourceTypeCapabilities"].append({"resourceType": {"id": "planted"}, "capabilities": []})
    capabilities["connectorCapabilities"].append("CAPABILITY_PLANTED")
    return [
        f"type {name}: permission planted:Permission",
        f"type {name}: CAPABILITY_PLANTED",
        f"type {name}: TRAIT_PLANTED",
        "type planted",
        "connector CAPABILITY_PLANTED",
    ]


def _flags(published: Published) -> list[str]:
    if published.flags is None:
        return []
    published.flags += '\nplanted = BoolField("planted-flag", WithHidden(true))\n'
    return ["flag planted-flag"]


def _protos(published: Published, directory: Path) -> list[str]:
    if published.protos is None:
        return []
    shutil.copytree(published.protos[0], directory)
    for file in directory.glob("**/*"):
        # the module cache is read-only
        file.chmod(0o755)
    for name, after, text, _ in PROTOS:
        file = directory / "c1" / name
        changed, times = re.subn(f"({after})", rf"\1\n{text}", file.read_text(), count=1)
        if times != 1:
            raise Failure(f"{name} of the SDK has no {after}: nothing can be planted there")
        file.write_text(changed)
    published.protos = [directory, *published.protos[1:]]
    return [name for *_, name in PROTOS]


def _models(models: dict[str, Any] | None) -> list[str]:
    if models is None:
        return []
    model = models["identitystore"]
    shapes, operations = model["shapes"], model["operations"]
    shapes["User"]["members"]["Planted"] = {"shape": "Planted"}
    shapes["Planted"] = {"type": "structure", "members": {"Id": {"shape": "ResourceId"}}}
    shapes["PlantedException"] = {"type": "structure", "members": {}, "exception": True}
    shapes["UserStatus"]["enum"].append("PLANTED")
    operations["PlantSomething"] = {"name": "PlantSomething"}
    operations["ListUsers"]["errors"].append({"shape": "PlantedException"})
    operations["ListGroups"]["deprecated"] = True
    operations["CreateUser"]["input"] = {"shape": "PlantedRequest"}
    shapes["PlantedRequest"] = {
        "type": "structure",
        "members": {"Planted": {"shape": "Planted"}, "UserName": {"shape": "UserName", "deprecated": True}},
    }
    del operations["DeleteUser"]
    return [
        "identitystore: member User.Planted",
        "identitystore: structure Planted",
        "identitystore: structure PlantedException",
        "identitystore: value UserStatus.PLANTED",
        "identitystore: operation PlantSomething",
        "identitystore: operation ListGroups is deprecated",
        "identitystore: member PlantedRequest.Planted",
        "identitystore: member PlantedRequest.UserName is deprecated",
        "identitystore: operation DeleteUser is gone",
    ]
