"""Enriches the event of a sign-in record (docs/mapping-rules.md, Enrichment)."""

from event import member, security_result
from fields import scalar_at
from head import words
from texts import trim

TYPES = {("sign", "in"): "USER_LOGIN", ("sign", "out"): "USER_LOGOUT"}


def put_sign_in(event, has_operator=False):
    """Writes what every sign-in and sign-out has: the user, as principal and target, and that it was allowed."""
    if not has_operator:
        user = event.get("target", {}).get("user", {})
        for key in ("emailAddresses", "userid"):
            if key in user:
                member(event, "principal.user")[key] = user[key]
    event["extensions"] = {"auth": {}}
    security_result(event)["action"] = ["ALLOW"]


def enrich_sign_in(record, event):
    """Enriches an event; returns its type, or None if the record has another type than Zoom documents."""
    event_type = TYPES.get(tuple(words(trim(scalar_at(record, "type")))))
    if event_type:
        put_sign_in(event)
    return event_type
