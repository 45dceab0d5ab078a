"""Fields of a record: the text of a member, and of a member at a path."""

from json_nodes import ARRAY, NULL, OBJECT, TEXT
from texts import trim


def scalar(node):
    """Returns the text of a text, number or boolean that is not blank, and None for everything else."""
    if node is None or node.kind in (NULL, ARRAY, OBJECT):
        return None
    return node.value if trim(node.value) else None


def node_at(record, path):
    """Returns the member at a path of keys, or None if a part of the path is missing or not in an object."""
    node = record
    for key in path.split("."):
        if node is None or node.kind is not OBJECT:
            return None
        node = node.value.get(key)
    return node


def scalar_at(record, path):
    return scalar(node_at(record, path))


def is_text(record, name):
    """Returns whether a member is a text (not a number or boolean) that is not blank."""
    node = record.value.get(name)
    return node is not None and node.kind is TEXT and bool(trim(node.value))
