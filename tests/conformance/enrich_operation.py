"""Enriches the event of an operation log (docs/mapping-rules.md, Enrichment)."""

import copy

from detail import Detail
from enrichment_tables import (
    CHANGE_PERMISSIONS, GROUP_TYPES, OTHER_TYPES, PHONE_NUMBER, RECORDING, RESOURCE_TYPES, ROLE_KEYS, ROLE_TYPES, STATUS_BY_VERB,
    UPDATE_CONTENT, USER_TYPES,
)  # fmt: skip
from event import add_label, member, put, security_result
from event_type import has_needs, is_valid
from fields import scalar_at
from head import Change, Head, class_of, is_category, phone_labels
from operation import detail_text
from texts import find_emails, is_email, trim

# Where an event has the labels of a class; the resource has those of all other classes.
LABELS = {"user": "user", "group": "group"}


class Reading:
    """The parts of an operation log that enrichment reads.

    `default` has the values that the default table reads, which depend on --values; changes always have both values.
    """

    def __init__(self, record, source, options):
        self.category = trim(scalar_at(record, "category_type") or "")
        self.class_name = class_of(self.category)
        text = detail_text(record, source) or ""
        self.default = Detail(text, options.values == "verbatim")
        self.addresses = self.default.addresses()
        self.is_role_change = self.default.is_role_change()
        action = trim(scalar_at(record, "action") or "")
        self.head = Head(self.default.head, self.category, action, self.is_role_change)
        pieces = Detail(text, True).pieces
        self.unkeyed = next((trim(value) for key, value in pieces if key is None), "")
        self.changes = [Change(key, value) for key, value in pieces if key is not None]
        if self.head.change:
            self.changes.insert(0, self.head.change)

    def grants_role(self, change):
        """Returns whether a change gives a role to the user whose address is its key."""
        return self.is_role_change and is_email(change.key)

    def defaults(self, key_names):
        """Returns the changes whose value the default table puts into the event."""
        if self.default.role_of_address():
            role_keys = ()
        else:
            role_keys = ("Role", "role")
        last = {}
        for change in self.changes:
            if change.key in key_names and not change.from_head:
                last[change.key] = change
            elif change.key in role_keys:
                last["role"] = change
        return set(last.values())


def put_users(event, reading):
    """Writes the addresses; returns the user objects that roles go to, by address in lower case."""
    own = reading.default.value("Email Address")
    user = member(event, "target.user") if reading.addresses or own else {}
    user.pop("emailAddresses", None)
    for address in (*reading.addresses[:1], own):
        put(user, "emailAddresses[]", address)
    further = [{"emailAddresses": [address]} for address in reading.addresses[1:]]
    if further:
        event["about"] = [{"user": user} for user in further] + event.get("about", [])
    users = [user, *further]
    return {address.lower(): user for address, user in zip(reading.addresses, users)}


def put_default_roles(event, reading):
    """Removes the role that the default table reads from an e-mail key: each user has its own."""
    if not reading.default.role_of_address():
        return
    user = event["target"]["user"]
    del user["attribute"]["roles"]
    if not user["attribute"]:
        del user["attribute"]
    for key in ("Role Name", "User Role"):
        put(user, "attribute.roles[].name", reading.default.value(key))


def put_role(user, change):
    """Writes the new and the previous role of a user."""
    put(user, "attribute.roles[].name", change.new)
    add_label(user, "attribute.labels", "Previous Role", change.old)


def put_labels_of_changes(event, reading, users, key_names):
    """Writes the values after and before each change, or the roles that it gives."""
    noun = LABELS.get(reading.class_name, "resource")
    defaults = reading.defaults(key_names) if noun == "user" else ()
    for change in reading.changes:
        if reading.grants_role(change):
            put_role(users[change.key.lower()], change)
            continue
        if change not in defaults:
            add_label(event, f"target.{noun}.attribute.labels", change.key, change.new)
        if noun == "user" and change.key in ROLE_KEYS:
            add_label(event, "target.user.attribute.labels", "Previous Role", change.old)
        else:
            add_label(event, f"src.{noun}.attribute.labels", change.key, change.old)


def put_other_labels(event, reading):
    """Writes the labels before those of changes: the unkeyed piece, and the parties of a phone number."""
    rest = reading.unkeyed
    for address in find_emails(reading.unkeyed):
        rest = rest.replace(address, "", 1)
    noun = LABELS.get(reading.class_name, "resource")
    if trim(rest):
        add_label(event, f"target.{noun}.attribute.labels", "detail", reading.unkeyed)
    if is_category(reading.category, PHONE_NUMBER):
        for label, text in phone_labels(reading.head.text):
            add_label(event, "target.resource.attribute.labels", label, text)


def put_state_of_user(event, reading):
    """Writes the user ID and the status of class user."""
    head, user = reading.head, event.get("target", {}).get("user", {})
    if "emailAddresses" not in user and "userid" not in user:
        put(event, "target.user.userid", head.name)
    if not reading.is_role_change:
        deleted = "DELETED" if head.operation == "DELETE" else None
        put(event, "target.user.userAuthenticationStatus", STATUS_BY_VERB.get(head.verb, deleted))


def resource_name(event, reading):
    if reading.head.name:
        return reading.head.name
    if reading.class_name == "setting":
        return reading.changes[0].key if len(reading.changes) == 1 else reading.head.section
    if reading.class_name == "user":
        return event.get("target", {}).get("user", {}).get("emailAddresses", [None])[0]
    return None


def put_resource(event, reading):
    """Writes what the operation was done to, except labels."""
    head, is_setting = reading.head, reading.class_name == "setting"
    put(event, "target.resource.resourceType", RESOURCE_TYPES.get(reading.class_name))
    put(event, "target.resource.resourceSubtype", (head.section if is_setting else None) or reading.category)
    put(event, "target.resource.name", resource_name(event, reading))
    if is_category(reading.category, RECORDING) and head.name:
        digits = head.name.replace(" ", "")
        put(event, "target.resource.productObjectId", digits if digits.isascii() and digits.isdigit() else None)


def put_security_result(event, reading):
    result = security_result(event)
    add_label(result, "detectionFields", "verb", reading.head.verb)
    for key in dict.fromkeys(change.key for change in reading.changes):
        if not is_email(key):
            add_label(result, "detectionFields", "changed", key)
    put(result, "summary", reading.head.text)
    put(result, "categoryDetails[]", reading.category)
    if not result:
        del event["securityResult"]


def types_of(reading):
    """Returns the event types that fit, the best first."""
    head, class_name = reading.head, reading.class_name
    if class_name == "group":
        return [GROUP_TYPES.get(head.operation)]
    if class_name == "role":
        return [ROLE_TYPES.get(head.operation)]
    if class_name != "user":
        return [OTHER_TYPES.get(head.operation)]
    types = []
    changes_role = head.operation not in USER_TYPES and any(change.key in ROLE_KEYS for change in reading.changes)
    if reading.is_role_change or changes_role or head.verb in STATUS_BY_VERB:
        types.append(CHANGE_PERMISSIONS)
    types.append(USER_TYPES.get(head.operation))
    if head.operation == "UPDATE":
        types.append(UPDATE_CONTENT)
    return types


def put_type(event, reading, given, fallback):
    """Writes the event type, and the resource of class user, which only one type has."""
    with_resource = event
    if reading.class_name == "user":
        with_resource = copy.deepcopy(event)
        put_resource(with_resource, reading)

    def typed(name):
        return with_resource if name == UPDATE_CONTENT else event

    fitting = (name for name in types_of(reading) if name and has_needs(name, typed(name)))
    name = given if is_valid(given, typed(given)) else next(fitting, fallback)
    event.update(typed(name))
    event["metadata"]["eventType"] = name


def enrich_operation(record, source, event, fallback, options):
    """Enriches an event; `fallback` is its type if no other fits."""
    reading = Reading(record, source, options)
    key_names = {row["name"] for row in options.rows if row["source"] == "key"}
    users = put_users(event, reading)
    put_default_roles(event, reading)
    if reading.class_name == "user":
        put_state_of_user(event, reading)
    elif reading.class_name == "group":
        put(event, "target.group.groupDisplayName", reading.head.name)
    else:
        put_resource(event, reading)
    put_other_labels(event, reading)
    put_labels_of_changes(event, reading, users, key_names)
    pieces = [change for change in reading.changes if change.key == "Email Address" and not change.from_head]
    if pieces and pieces[-1].old:
        put(event, "src.user.emailAddresses[]", pieces[-1].old)
    put_security_result(event, reading)
    put_type(event, reading, trim(scalar_at(record, "event_type") or ""), fallback)
