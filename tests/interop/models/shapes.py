"""Judging messages of AWS by botocore's models: what they must hold, of which type, within which bounds."""

import base64
import binascii
import re
from typing import Any
from xml.etree import ElementTree

import regex
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Wrong(list[str]):
    """What is wrong with a message, a line each."""

    def say(self, path: str, what: str) -> None:
        """Add a line."""
        self.append(f"{path or 'the message'}: {what}")


def judge(shape: Shape | None, value: Any, wrong: Wrong, path: str = "") -> None:
    """Compare a decoded value with its shape; nothing is let pass that the shape does not know."""
    if isinstance(shape, StructureShape) or shape is None:
        _judge_structure(shape, value, wrong, path)
    elif isinstance(shape, ListShape):
        if not isinstance(value, list):
            wrong.say(path, f"a list is expected, not {value!r:.80}")
            return
        _judge_size(shape, len(value), "items", wrong, path)
        for index, item in enumerate(value):
            judge(shape.member, item, wrong, f"{path}[{index}]")
    elif isinstance(shape, MapShape):
        if not isinstance(value, dict):
            wrong.say(path, f"a map is expected, not {value!r:.80}")
            return
        for name, item in value.items():
            judge(shape.key, name, wrong, f"{path} key {name!r}")
            judge(shape.value, item, wrong, f"{path}[{name!r}]")
    else:
        _judge_scalar(shape, value, wrong, path)


def _judge_structure(shape: StructureShape | None, value: Any, wrong: Wrong, path: str) -> None:
    if shape is not None and shape.is_document_type:
        return
    if not isinstance(value, dict):
        wrong.say(path, f"a structure is expected, not {value!r:.80}")
        return
    members = {} if shape is None else shape.members
    for name in () if shape is None else shape.required_members:
        if value.get(name) is None:
            wrong.say(path, f"lacks the required member {name}")
    for name, item in value.items():
        if name not in members:
            wrong.say(path, f"has a member {name}, which the model does not know")
        elif item is not None:
            judge(members[name], item, wrong, f"{path}.{name}" if path else name)


def _judge_scalar(shape: Shape, value: Any, wrong: Wrong, path: str) -> None:
    types = {
        "string": str,
        "boolean": bool,
        "integer": int,
        "long": int,
        "float": (int, float),
        "double": (int, float),
        "timestamp": (int, float),
        "blob": str,
    }
    if not isinstance(value, types[shape.type_name]) or (isinstance(value, bool) and shape.type_name != "boolean"):
        wrong.say(path, f"a {shape.type_name} is expected, not {value!r:.80}")
        return
    if shape.type_name == "string":
        _judge_text(shape, value, wrong, path)
    elif shape.type_name in ("integer", "long"):
        _judge_size(shape, value, "", wrong, path)
    elif shape.type_name == "blob":
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error:
            wrong.say(path, "is not base64")


def _judge_text(shape: Shape, value: str, wrong: Wrong, path: str) -> None:
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        wrong.say(path, f"{value!r} is none of {', '.join(allowed)}")
    _judge_size(shape, len(value), "characters", wrong, path)
    pattern = shape.metadata.get("pattern")
    if pattern and not _fits(pattern, value):
        wrong.say(path, f"{value!r:.120} does not match {pattern:.160}")


def _judge_size(shape: Shape, size: int, of: str, wrong: Wrong, path: str) -> None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        wrong.say(path, f"{size} {of} are not within {least} and {most}".replace("  ", " "))


def _fits(pattern: str, text: str) -> bool:
    # The models are written for Java, whose \w and \d know ASCII alone.
    flags = 0 if "\\p{" in pattern else regex.ASCII
    return regex.fullmatch(pattern, text, flags) is not None


def from_xml(operation: OperationModel, body: bytes, wrong: Wrong) -> Any:
    """The value of a whole answer in the query protocol."""
    root = ElementTree.fromstring(body)
    _name(root, f"{operation.name}Response", wrong)
    parts = {_tag(child): child for child in root}
    if set(parts) - {f"{operation.name}Result", "ResponseMetadata"} or "ResponseMetadata" not in parts:
        wrong.say("", f"an answer of the query protocol is not made of {', '.join(parts)}")
    result = parts.get(f"{operation.name}Result")
    if operation.output_shape is None:
        return {}
    if result is None:
        wrong.say("", f"lacks {operation.name}Result")
        return {}
    return _element(operation.output_shape, result, wrong, "")


def _element(shape: Shape, element: ElementTree.Element, wrong: Wrong, path: str) -> Any:
    if isinstance(shape, StructureShape):
        value: dict[str, Any] = {}
        for child in element:
            name = _tag(child)
            if name in value:
                wrong.say(path, f"{name} stands there twice")
            member = shape.members.get(name)
            # one that the model does not know is kept, so that it is told
            value[name] = _element(member, child, wrong, f"{path}.{name}") if member is not None else child.text
        return value
    if isinstance(shape, ListShape):
        wanted = shape.member.serialization.get("name", "member")
        for child in element:
            _name(child, wanted, wrong)
        return [_element(shape.member, child, wrong, f"{path}[]") for child in element]
    if isinstance(shape, MapShape):
        entries = [{_tag(part): part for part in entry} for entry in element]
        return {e["key"].text or "": _element(shape.value, e["value"], wrong, path) for e in entries}
    if len(element):
        wrong.say(path, "holds elements, but is no structure")
    return _scalar_from_text(shape, element.text or "", wrong, path)


def _scalar_from_text(shape: Shape, text: str, wrong: Wrong, path: str) -> Any:
    if shape.type_name == "boolean" and text in ("true", "false"):
        return text == "true"
    if shape.type_name in ("integer", "long") and re.fullmatch(r"-?\d+", text):
        return int(text)
    if shape.type_name == "timestamp" and ISO_8601.fullmatch(text):
        return 0
    return text


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _name(element: ElementTree.Element, wanted: str, wrong: Wrong) -> None:
    if _tag(element) != wanted:
        wrong.say("", f"{_tag(element)} stands where {wanted} belongs")


def from_form(shape: Shape | None, form: dict[str, str], wrong: Wrong) -> Any:
    """The value of a request in the query protocol, without its action and version."""
    left = {name: text for name, text in form.items() if name not in ("Action", "Version")}
    value = _part(shape, left, "", wrong) if shape is not None else {}
    for name in left:
        wrong.say("", f"has a parameter {name}, which the model does not know")
    return value


def _part(shape: Shape, left: dict[str, str], name: str, wrong: Wrong) -> Any:
    def there(below: str) -> bool:
        return any(key == below or key.startswith(f"{below}.") for key in left)

    def below(part: str) -> str:
        return f"{name}.{part}" if name else part

    if isinstance(shape, StructureShape):
        members = {member: each for member, each in shape.members.items() if there(below(member))}
        return {member: _part(each, left, below(member), wrong) for member, each in members.items()}
    if isinstance(shape, ListShape):
        items = []
        while there(below(f"member.{len(items) + 1}")):
            items.append(_part(shape.member, left, below(f"member.{len(items) + 1}"), wrong))
        # an empty list is its bare name
        left.pop(name, None)
        return items
    return _scalar_from_text(shape, left.pop(name, ""), wrong, name)
