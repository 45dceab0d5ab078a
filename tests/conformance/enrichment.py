"""Enriches events (docs/mapping-rules.md, Enrichment): fields of their own for what the default mapping leaves in one text.

This file has what all kinds of records share. enrich_operation.py, enrich_sign_in.py and enrich_webhook.py have the kinds,
head.py reads HEAD of an operation_detail, and enrichment_tables.py has the tables.
"""

from enrich_operation import enrich_operation
from enrich_sign_in import enrich_sign_in
from enrich_webhook import enrich_webhook
from enrichment_tables import ADMINISTRATORS, OPERATION_MEMBERS, SIGN_IN_MEMBERS, WEBHOOK_MEMBERS
from event import member, put
from event_type import fallback_type, is_valid
from fields import scalar, scalar_at
from texts import trim


def put_members(record, event, read):
    """Writes each scalar member of the record that no rule reads to `additional`."""
    for name, node in record.value.items():
        # UDM has no member without a name.
        if name and name not in read and scalar(node):
            member(event, "additional").setdefault(name, scalar(node))


def users_of(event):
    nouns = [event.get(name, {}) for name in ("principal", "src", "target")] + event.get("about", [])
    return [noun["user"] for noun in nouns if "user" in noun]


def mark_administrators(event):
    for user in users_of(event):
        for role in user.get("attribute", {}).get("roles", []):
            if role["name"] in ADMINISTRATORS or role["name"].endswith(" Admin"):
                role["type"] = "ADMINISTRATOR"


def enrich(kind, record, source, event, has_user, options):
    """Returns the enriched event of a record, given its default event.

    `has_user` is whether the record names a user, which decides the type if no row of enrichment gives one.
    """
    fallback = fallback_type(has_user)
    put(event, "target.application", "Zoom")
    if kind == "operation":
        enrich_operation(record, source, event, fallback, options)
        put_members(record, event, OPERATION_MEMBERS)
    else:
        read = SIGN_IN_MEMBERS
        if kind == "webhook":
            event, found, times = enrich_webhook(record, event)
            read = WEBHOOK_MEMBERS + tuple(times)
        else:
            found = enrich_sign_in(record, event)
        put_members(record, event, read)
        given = trim(scalar_at(record, "event_type") or "")
        event["metadata"]["eventType"] = given if is_valid(given, event) else found or fallback
    mark_administrators(event)
    return event
