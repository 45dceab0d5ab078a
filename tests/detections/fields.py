"""Reads fields of Google's UDM message by the paths of YARA-L, one row per combination of repeated elements.

A rule that reads a repeated field sees one row per element (YARA-L calls this unnesting). Two fields below the same repeated
field read the same element, so `labels.key` and `labels.value` belong together. A field that is absent has the zero value of its
type: the empty string or 0.
"""

from google.backstory import UDM
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import ParseDict

from expressions import Unsupported

MESSAGE = UDM.pb(UDM()).__class__
STRUCT = "google.protobuf.Struct"
LABEL = "google.backstory.Label"
NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}


class AmbiguousKey(Exception):
    """Two labels have the key in brackets, and Google does not document which one counts."""


def read_event(event):
    """Returns the UDM message of an event in JSON. Unknown fields are an error."""
    return ParseDict(event, MESSAGE(), ignore_unknown_fields=False)


def resolve(path):
    """Returns the field descriptors of a path, from the top of an event."""
    message, found = MESSAGE.DESCRIPTOR, []
    for position, name in enumerate(path):
        if message is None:
            raise Unsupported(f"the path {'.'.join(path)}: {path[position - 1]} has no fields")
        # The Python message appends an underscore to names that Python reserves, such as `type`.
        descriptor = message.fields_by_name.get(name) or message.fields_by_name.get(f"{name}_")
        if descriptor is None:
            raise Unsupported(f"the path {'.'.join(path)}: {message.full_name} has no field {name}")
        found.append(descriptor)
        message = descriptor.message_type
    return found


def check_field(field):
    """Raises `Unsupported` unless the UDM message has the field and it holds a text, a number or an enumerated value."""
    last = resolve(field.path)[-1]
    if field.key is None:
        if last.message_type is not None:
            raise Unsupported(f"{field}, which is a message and not a value")
    elif not is_struct(field) and not (last.is_repeated and last.message_type and last.message_type.full_name == LABEL):
        raise Unsupported(f"{field}: only labels and additional.fields have keys")


def is_struct(field):
    """Returns whether the field is `additional.fields["key"]` or another map of texts."""
    return len(field.path) > 1 and resolve(field.path)[-2].message_type.full_name == STRUCT


def enum_of(field):
    """Returns the descriptor of the values of an enumerated field, or None."""
    return resolve(field.path)[-1].enum_type if field.key is None else None


def is_number(field):
    last = resolve(field.path)[-1]
    return field.key is None and last.enum_type is None and last.cpp_type in NUMBERS


def repeated_prefixes(field):
    """Returns the prefixes of the path that end at a repeated field, except the labels that a key selects from."""
    prefixes = [field.path[: index + 1] for index, part in enumerate(resolve(field.path)) if part.is_repeated]
    if field.key is not None and prefixes and prefixes[-1] == field.path:
        prefixes.pop()
    return prefixes


def rows_of(message, fields):
    """Returns the rows of an event: each maps the repeated prefixes that the fields read to an element, or to None."""
    prefixes = sorted(
        {prefix for field in fields for prefix in repeated_prefixes(field)}, key=lambda prefix: (len(prefix), prefix)
    )
    rows = [{}]
    for prefix in prefixes:
        rows = [{**row, prefix: element} for row in rows for element in list(walk(message, row, prefix) or []) or [None]]
    return rows


def walk(message, row, path):
    """Returns what is at a path, with the elements that the row chose; None if there is no element."""
    value = message
    for index, descriptor in enumerate(resolve(path)):
        prefix = path[: index + 1]
        value = row[prefix] if prefix in row else getattr(value, descriptor.name)
        if value is None:
            return None
    return value


def value_of(message, row, field):
    """Returns the value of a field in a row."""
    if field.key is not None:
        return keyed_value(message, row, field)
    value = walk(message, row, field.path)
    enum = enum_of(field)
    if enum is not None:
        return enum.values_by_number[value or 0].name
    if value is None:
        return 0 if is_number(field) else ""
    return value if is_number(field) else str(value)


def keyed_value(message, row, field):
    """Returns the value of the label or additional field with the key of the field, or the empty string."""
    if is_struct(field):
        container = walk(message, row, field.path[:-1])
        return container.fields[field.key].string_value if container is not None and field.key in container.fields else ""
    labels = walk(message, row, field.path) or []
    values = [label.value for label in labels if label.key == field.key]
    if len(values) > 1:
        raise AmbiguousKey(f"{field} names {len(values)} labels; compare .key and .value instead")
    return values[0] if values else ""
