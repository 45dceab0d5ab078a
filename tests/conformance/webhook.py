"""Webhook events: `{"event":…,"event_ts":…,"payload":{…,"object":{…},"old_object":{…}}}`."""

from event import put, put_labels
from fields import is_text, node_at, scalar, scalar_at
from json_nodes import ARRAY, OBJECT
from sign_in import put_address, put_user, put_version
from texts import trim

# The first of these that is a usable time counts.
TIMES = ("event_ts", "payload.time_stamp", "payload.object.date_time", "time")

# The member below `payload`, and the path in the event.
EVERY_EVENT = (
    ("operator_id", "principal.user.productObjectId"),
    ("account_id", "principal.group.productObjectId"),
    ("account_id", "target.resource.productObjectId"),
    ("account_id", "additional.account_id"),
    ("object.first_name", "target.user.firstName"),
    ("object.last_name", "target.user.lastName"),
    ("object.display_name", "target.user.userDisplayName"),
    ("object.dept", "target.user.department[]"),
    ("object.client_type", "additional.client_type"),
    ("object.status_id", "additional.status_id"),
    ("object.status_name", "additional.status_name"),
)

# The same for events whose name has a prefix.
BY_PREFIX = {
    "user.": (("object.id", "target.user.productObjectId"),),
    "group.": (
        ("object.id", "target.group.productObjectId"),
        ("object.name", "target.group.groupDisplayName"),
    ),
    "meeting.": (
        ("object.topic", "target.resource.name"),
        ("object.host_id", "target.user.userid"),
        ("object.start_time", "additional.start_time"),
        ("object.duration", "additional.duration"),
        ("object.timezone", "additional.timezone"),
        ("object.uuid", "additional.uuid"),
        ("object.participant.join_time", "additional.join_time"),
        ("object.participant.user_name", "principal.user.userDisplayName"),
    ),
}

# Scalars inside more objects and arrays than this, and those after so many bytes of keys of one settings object, give no label.
MAX_DEPTH = 500
MAX_KEY_BYTES = 4_000_000

LOGIN_TYPES = {"101": "Native Login (Non-SSO)"}


def is_webhook(record):
    payload = record.value.get("payload")
    return is_text(record, "event") and payload is not None and payload.kind is OBJECT


def leaf_nodes(node, prefix):
    """Yields (path, node) of each member that is neither an object nor an array, in order.

    A path joins keys and array positions. What is deeper than MAX_DEPTH is left out.
    """
    pending = [(prefix, node, 0)]
    while pending:
        path, node, depth = pending.pop()
        if node.kind in (OBJECT, ARRAY):
            members = list(node.value.items() if node.kind is OBJECT else enumerate(node.value))
            if depth < MAX_DEPTH:
                pending += [(f"{path}.{key}", member, depth + 1) for key, member in reversed(members)]
        else:
            yield path, node


def within_limit(paths_and_leaves):
    """Yields those whose paths have no more than MAX_KEY_BYTES with all before."""
    size = 0
    for path, leaf in paths_and_leaves:
        size += len(path.encode("utf-8"))
        if size > MAX_KEY_BYTES:
            break
        yield path, leaf


def leaves(node, prefix):
    """Returns (path, text) of each scalar below an object or array, in order."""
    texts = ((path, scalar(leaf)) for path, leaf in leaf_nodes(node, prefix) if scalar(leaf))
    return list(within_limit(texts))


def put_settings(event, payload):
    """Writes the new settings, and then the old ones, as labels of the resource."""
    for path, prefix in (("object.settings", "settings"), ("old_object.settings", "old_object.settings")):
        settings = node_at(payload, path)
        if settings is not None and settings.kind in (OBJECT, ARRAY):
            put_labels(event, "target.resource.attribute.labels", leaves(settings, prefix))


def put_participant(event, payload):
    """Writes the participant of a meeting; what is known of the operator stays, because the first row wins."""

    def first(*names):
        texts = (scalar_at(payload, f"object.participant.{name}") for name in names)
        return next(filter(None, texts), None)

    put(event, "principal.user.userid", first("user_id", "participant_user_id"))
    put(event, "principal.user.productObjectId", first("participant_uuid", "id"))
    put_address(event, first("public_ip"))


def map_webhook(record, event):
    """Writes the fields of a webhook event; returns whether it names a user."""
    name, payload = scalar_at(record, "event"), record.value["payload"]
    operator, email = scalar_at(payload, "operator"), scalar_at(payload, "object.email")
    put(event, "metadata.productEventType", name)
    put_user(event, "principal", operator)
    put_user(event, "target", email)
    rows = list(EVERY_EVENT)
    for prefix, more in BY_PREFIX.items():
        if trim(name).startswith(prefix):
            rows += more
    for path, target in rows:
        put(event, target, scalar_at(payload, path))
    if trim(name).startswith("meeting."):
        put_participant(event, payload)
    role = scalar_at(payload, "object.role_name") or scalar_at(payload, "object.role")
    put(event, "target.user.attribute.roles[].name", role)
    put_version(event, scalar_at(payload, "object.version"))
    login_type = scalar_at(payload, "object.login_type")
    put(event, "additional.login_type", LOGIN_TYPES.get(trim(login_type or ""), login_type))
    put_settings(event, payload)
    return bool(operator or email)
