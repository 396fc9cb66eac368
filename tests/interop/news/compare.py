"""What is published and batond does not know: each piece of news has a name, by which it can be left out."""

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet
from interop.processes import Failure
from interop.services import SERVICES

from known import Crate, Known, plain
from sources import Published

# the name of what is new, and more about it
News = tuple[str, str]

TASK = "c1.connectorapi.baton.v1.Task"


def news(published: Published, known: Known) -> dict[str, str]:
    """All news of what could be had, in the order in which it was found."""
    found: list[News] = []
    if published.schema is not None:
        found += _settings(published.schema, known)
    if published.capabilities is not None:
        found += _capabilities(published.capabilities, known.capabilities)
    if published.flags is not None:
        found += _flags(published.flags, known)
    if published.protos is not None:
        found += _protocol(published.protocol(), known.protocol)
    if published.models is not None:
        found += _models(published.models, known)
    return dict(found)


def areas(published: Published) -> set[str]:
    """The first words of names that could have been news: what was not had says nothing of the others."""
    had = {
        ("setting", "form"): published.schema,
        ("type", "connector"): published.capabilities,
        ("flag",): published.flags,
        ("task", "message", "field", "enum", "value", "method"): published.protos,
        tuple(SERVICES): published.models,
    }
    return {area for names, what in had.items() if what is not None for area in names}


def _settings(schema: dict[str, Any], known: Known) -> Iterator[News]:
    ours = {entry["name"]: entry for entry in known.schema["fields"]}
    theirs = {entry["name"]: entry for entry in schema["fields"]}
    for name, entry in theirs.items():
        if not known.is_flag(name):
            yield f"setting {name}", entry.get("description", "")
        elif name not in ours:
            yield f"setting {name} in the form", entry.get("description", "")
        else:
            here, there = _flat(ours[name]), _flat(entry)
            for part in sorted(here.keys() | there.keys()):
                if here.get(part) != there.get(part):
                    yield f"setting {name}: {part}", f"{there.get(part)!r}, here {here.get(part)!r}"
    shared = [name for name in theirs if name in ours]
    if shared != [name for name in ours if name in theirs]:
        yield "form order", " ".join(shared)
    if (asked := _constraints(schema)) != (here := _constraints(known.schema)):
        yield "form constraints", f"{sorted(asked)}, here {sorted(here)}"
    for part in sorted(schema.keys() - {"fields", "constraints"}):
        if schema[part] != known.schema.get(part):
            yield f"form {part}", f"{schema[part]!r}, here {known.schema.get(part)!r}"


def _constraints(schema: dict[str, Any]) -> set[str]:
    return {
        f"{each['kind']} {' '.join(each['fieldNames'])}: {' '.join(each['secondaryFieldNames'])}"
        for each in schema.get("constraints", [])
    }


def _capabilities(theirs: dict[str, Any], ours: dict[str, Any]) -> Iterator[News]:
    known = {each["resourceType"]["id"]: each for each in ours["resourceTypeCapabilities"]}
    for entry in theirs["resourceTypeCapabilities"]:
        name = entry["resourceType"]["id"]
        if name not in known:
            yield f"type {name}", entry["resourceType"].get("displayName", "")
            continue
        here, there = _traits(known[name]), _traits(entry)
        for trait in sorted(there - here):
            yield f"type {name}: {trait}", ""
    here, there = set(ours["connectorCapabilities"]), set(theirs["connectorCapabilities"])
    for capability in sorted(there - here):
        yield f"connector {capability}", ""
    here, there = (set(_leaves(each.get("credentialDetails", {}))) for each in (ours, theirs))
    for detail in sorted(there - here):
        yield f"connector {detail}", ""


def _traits(entry: dict[str, Any]) -> set[str]:
    """Everything that is said of a type, a line each."""
    kind = entry["resourceType"]
    permissions = [each["permission"] for each in entry.get("permissions", {}).get("permissions", [])]
    annotations = [
        f"{each['@type'].rpartition('.')[2]} {' '.join(sorted(_leaves(each)))}"
        for each in kind.get("annotations", [])
        # the permissions stand there a second time
        if not each["@type"].endswith(".CapabilityPermissions")
    ]
    return {
        *(f"permission {permission}" for permission in permissions),
        *entry["capabilities"],
        *kind.get("traits", []),
        *annotations,
        f"display name {kind.get('displayName')}",
    }


def _flags(source: str, known: Known) -> Iterator[News]:
    names = dict(re.findall(r'^\s*(\w+)\s*=\s*"([^"]+)"$', source, re.MULTILINE))
    declared = re.findall(r"=\s*\w+Field\(\s*([^,\s]+),", source)
    if not declared:
        raise Failure("no flags were found in the SDK")
    for written in declared:
        name = written.strip('"') if written.startswith('"') else names.get(written)
        if name is None:
            raise Failure(f"the SDK declares a flag by the name {written}, which this check cannot read")
        if not known.is_flag(name):
            yield f"flag {name}", "declared by the SDK"


def _protocol(theirs: FileDescriptorSet, ours: FileDescriptorSet) -> Iterator[News]:
    known = _Declared(ours)
    declared = _Declared(theirs)
    for name, message in declared.messages.items():
        outer = name.rpartition(".")[0]
        if name in known.messages:
            yield from _fields(name, message, known.messages[name])
        elif outer in known.messages or outer not in declared.messages:
            yield f"message {name}", ""
    for name, enum in declared.enums.items():
        outer = name.rpartition(".")[0]
        if name in known.enums:
            numbers = {value.number: value.name for value in known.enums[name].value}
            for value in enum.value:
                if numbers.get(value.number) != value.name:
                    yield f"value {name}.{value.name}", f"= {value.number}"
        elif outer in known.messages or outer not in declared.messages:
            yield f"enum {name}", ""
    for name, methods in declared.services.items():
        for method in sorted(methods - known.services.get(name, set())):
            yield f"method {name}.{method}", ""


class _Declared:
    """The declarations of a set of files, by their full names."""

    def __init__(self, files: FileDescriptorSet) -> None:
        self.messages: dict[str, DescriptorProto] = {}
        self.enums: dict[str, EnumDescriptorProto] = {}
        self.services: dict[str, set[str]] = {}
        for file in files.file:
            self._within(file.package, file.message_type, file.enum_type)
            for service in file.service:
                self.services[f"{file.package}.{service.name}"] = {method.name for method in service.method}

    def _within(self, outer: str, messages: Any, enums: Any) -> None:
        self.enums |= {f"{outer}.{enum.name}": enum for enum in enums}
        for message in messages:
            if not message.options.map_entry:
                self.messages[f"{outer}.{message.name}"] = message
                self._within(f"{outer}.{message.name}", message.nested_type, message.enum_type)


def _fields(name: str, theirs: DescriptorProto, ours: DescriptorProto) -> Iterator[News]:
    known = {each.number: each for each in ours.field}
    for each in theirs.field:
        same = known.get(each.number)
        if same is None and name == TASK:
            yield f"task kind {each.name}", f"= {each.number}"
        elif same is None:
            yield f"field {name}.{each.name}", f"= {each.number}"
        elif _shape(same) != _shape(each):
            yield f"field {name}.{each.name}", f"= {each.number}, here {same.name} of another name or type"


def _shape(field: FieldDescriptorProto) -> tuple[Any, ...]:
    return field.name, field.type, field.label, field.type_name, field.HasField("oneof_index")


def _models(models: dict[str, Any], known: Known) -> Iterator[News]:
    for action, model in models.items():
        crate = known.crates[action]
        for name in sorted(model["operations"]):
            if plain(name) not in crate.operations:
                yield f"{action}: operation {name}", ""
        # shapes by what the crate calls them: it names those of a whole request or answer after the operation
        reached: dict[str, str] = {}
        for name in sorted(known.operations[action]):
            operation = model["operations"].get(name)
            if operation is None:
                yield f"{action}: operation {name} is gone", ""
                continue
            if operation.get("deprecated"):
                yield f"{action}: operation {name} is deprecated", operation.get("deprecatedMessage", "")
            for end in ("input", "output"):
                if end in operation:
                    _reach(model["shapes"], operation[end]["shape"], reached, f"{name}{end}")
            for error in operation.get("errors", []):
                _reach(model["shapes"], error["shape"], reached)
        for shape, called in reached.items():
            yield from _shape_news(action, shape, model["shapes"][shape], called, crate)


def _reach(shapes: dict[str, Any], name: str, reached: dict[str, str], called: str | None = None) -> None:
    """Add a shape and all that it is made of."""
    if name in reached:
        return
    reached[name] = called or name
    shape = shapes[name]
    below = [*shape.get("members", {}).values(), *(shape[part] for part in ("member", "key", "value") if part in shape)]
    for each in below:
        _reach(shapes, each["shape"], reached)


def _shape_news(action: str, name: str, shape: dict[str, Any], called: str, crate: Crate) -> Iterator[News]:
    if shape["type"] == "structure":
        known = crate.members(called) if crate.has(called) else None
        if known is None and (shape["members"] or shape.get("exception")):
            yield f"{action}: structure {name}", " ".join(shape["members"])
            return
        for member, each in shape["members"].items():
            if plain(member) not in (known or ()):
                yield f"{action}: member {name}.{member}", each["shape"]
            if each.get("deprecated"):
                yield f"{action}: member {name}.{member} is deprecated", each.get("deprecatedMessage", "")
    elif "enum" in shape:
        values = crate.values(name) if crate.has(name) else set()
        for value in shape["enum"]:
            if value not in values:
                yield f"{action}: value {name}.{value}", ""


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {path: value}
    return {
        inner: leaf
        for name, each in value.items()
        for inner, leaf in _flat(each, f"{path}.{name}" if path else name).items()
    }


def _leaves(value: Any) -> Iterator[str]:
    for path, leaf in _flat(value).items():
        for each in leaf if isinstance(leaf, list) else [leaf]:
            yield f"{path} {each}".strip()
