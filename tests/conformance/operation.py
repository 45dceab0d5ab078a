"""Operation logs: the fields of a record and the parts of its operation_detail (section 4 of docs/mapping-rules.md)."""

import json

from detail import Detail
from event import put, put_labels
from fields import scalar, scalar_at
from json_nodes import ARRAY, OBJECT, compact
from texts import is_email, trim


def read_rows(path):
    """Returns the rows of the mapping table from a file with the output of `zoom-udm mapping --format json`.

    Rows of the profile for enrichment are left out: enrichment.py has them.
    """
    with open(path, encoding="utf-8") as file:
        return [row for row in json.load(file) if row.get("profile", "google") == "google"]


def detail_text(record, source):
    """Returns operation_detail: an object or array counts as its compact JSON text."""
    node = record.value.get("operation_detail")
    if node is not None and node.kind in (ARRAY, OBJECT):
        return compact(source, node)
    return scalar(node)


def is_operation(record, source):
    return bool(detail_text(record, source)) or any(
        scalar_at(record, name) for name in ("operator", "category_type", "action")
    )


def scalar_texts(source, node):
    """Returns the texts of userId, assistant or options."""
    if node is None:
        return []
    elements = node.value if node.kind is ARRAY else [node]
    texts = []
    for element in elements:
        text = compact(source, element) if element.kind in (ARRAY, OBJECT) else scalar(element)
        if text:
            texts.append(text)
    return texts


def user_of(source, element):
    """Returns userid and labels of an object of json_data."""
    ids = scalar_texts(source, element.value.get("userId"))
    labels = [(key, text) for key in ("assistant", "options") for text in scalar_texts(source, element.value.get(key))]
    return (trim(ids[0]) if ids else None), labels


def put_detail(event, rows, detail):
    """The rows of the table from `email` to `Location`."""
    derived = dict(zip(("email", "email2"), detail.emails()), role=detail.role())
    for row in rows:
        text = None
        if row["source"] == "key":
            text = detail.value(row["name"])
        elif row["source"] == "detail":
            text = derived.get(row["name"])
        if text and row["path"].endswith("[]"):
            put_labels(event, row["path"][:-2], [(row["name"], text)])
        else:
            put(event, row["path"] + ("[]" if row["list"] else ""), text)


def put_users(event, detail):
    """The rows of the table for json_data."""
    objects = [element for element in detail.elements if element.kind is OBJECT]
    for index, element in enumerate(objects):
        ident, labels = user_of(detail.source, element)
        if not ident and not labels:
            continue
        container = {}
        if index == 0:
            container = event.setdefault("target", container)
        else:
            event.setdefault("about", []).append(container)
        put(container, "user.userid", ident)
        put_labels(container, "user.attribute.labels", labels)


def map_operation(record, source, event, options):
    """Writes the fields of an operation log; returns whether it names a user."""
    operator, detail_given, emails = scalar_at(record, "operator"), detail_text(record, source), []
    if operator:
        operator = trim(operator)
        put(event, "principal.user.emailAddresses[]" if is_email(operator) else "principal.user.userid", operator)
    if detail_given:
        detail = Detail(detail_given, options.values == "verbatim")
        emails = detail.emails()
        put_detail(event, options.rows, detail)
        put_users(event, detail)
    put(event, "metadata.productEventType", scalar_at(record, "action"))
    put(event, "metadata.description", detail_given)
    put(event, "additional.category_type", scalar_at(record, "category_type"))
    return bool(operator or emails)
