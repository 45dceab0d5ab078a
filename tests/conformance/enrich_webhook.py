"""Enriches the event of a webhook event (docs/mapping-rules.md, Enrichment)."""

import copy

from enrich_sign_in import put_sign_in
from enrichment_tables import CHANGE_PERMISSIONS, UPDATE_CONTENT
from event import add_label, member, put, security_result
from event_type import has_needs
from fields import node_at, scalar, scalar_at
from json_nodes import ARRAY, OBJECT
from sign_in import put_user
from texts import is_email, is_ip, read_time, trim
from webhook import BY_PREFIX, EVERY_EVENT, TIMES, leaf_nodes, within_limit

PASSWORD_LOGIN = "101"


class State:
    """An event, and the nodes of the payload whose text rows have put into it."""

    def __init__(self, payload, event, used=()):
        self.payload = payload
        self.event = event
        self.used = set(used)

    def copy(self):
        return State(self.payload, copy.deepcopy(self.event), self.used)

    def text(self, path):
        return scalar_at(self.payload, path)

    def take(self, *paths):
        """Returns the text at the first path that has one, and counts it as used."""
        for path in paths:
            if self.text(path):
                self.used.add(node_at(self.payload, path))
                return self.text(path)
        return None


# ---------------------------------------------------------------------------------------------------
# What the default rows have put into the event.


def use_default_rows(state, name, time_path):
    """Counts as used what the rows of webhook.py put into the event."""
    operator, email = state.take("operator"), state.take("object.email")
    state.take("object.role_name", "object.role")
    rows = ["object.version", "object.login_type", *(path for path, _ in EVERY_EVENT)]
    for prefix, more in BY_PREFIX.items():
        if name.startswith(prefix):
            rows += [path for path, _ in more]
    if email and not is_email(trim(email)) and "object.host_id" in rows:
        rows.remove("object.host_id")  # the address is the user ID
    for path in rows:
        state.take(path)
    if time_path.startswith("payload."):
        state.take(time_path.removeprefix("payload."))
    if name.startswith("meeting."):
        use_participant(state, operator)


def use_participant(state, operator):
    if not operator or is_email(trim(operator)):
        state.take("object.participant.user_id", "object.participant.participant_user_id")
    if not state.text("operator_id"):
        state.take("object.participant.participant_uuid", "object.participant.id")
    if is_ip(trim(state.text("object.participant.public_ip") or "")):
        state.take("object.participant.public_ip")


# ---------------------------------------------------------------------------------------------------
# Rows of every event.


def setting_leaves(state, path):
    """Returns (PATH, node) of the settings, also of those that are blank."""
    settings = node_at(state.payload, path)
    if settings is None or settings.kind not in (OBJECT, ARRAY):
        return []
    # The prefix is a dot short: the path of a leaf begins with a dot.
    return [(leaf_path[1:], leaf) for leaf_path, leaf in leaf_nodes(settings, "")]


def put_settings(state):
    """Writes the settings after and before in place of the default's labels; returns the paths that changed."""
    new, old = setting_leaves(state, "object.settings"), setting_leaves(state, "old_object.settings")
    resource = state.event.get("target", {}).get("resource", {})
    resource.pop("attribute", None)
    if not resource and "target" in state.event:
        state.event["target"].pop("resource", None)
    for noun, settings in (("target", new), ("src", old)):
        for path, leaf in within_limit((path, leaf) for path, leaf in settings if scalar(leaf)):
            add_label(state.event, f"{noun}.resource.attribute.labels", path, scalar(leaf))
        state.used.update(leaf for _, leaf in settings)
    before = {path: scalar(leaf) for path, leaf in within_limit(old)}
    after = {path: scalar(leaf) for path, leaf in within_limit(new)}
    changed = [path for path, text in after.items() if text != before.get(path)]
    for path in filter(None, changed):
        add_label(security_result(state.event), "detectionFields", "changed", path)
    return changed


def put_old_user(state):
    """Writes what the payload says of the user before the change."""
    put_user(state.event, "src", state.take("old_object.email"))
    for name, field in (("first_name", "firstName"), ("last_name", "lastName"), ("display_name", "userDisplayName")):
        put(state.event, f"src.user.{field}", state.take(f"old_object.{name}"))
    put(state.event, "src.user.department[]", state.take("old_object.dept"))


# ---------------------------------------------------------------------------------------------------
# Rows of some events. Each function writes the fields of a row.


def nothing(state, changed):
    """The row only has a type."""


def signed_in(state, changed):
    put_sign_in(state.event, has_operator=bool(state.text("operator")))
    if trim(state.text("object.login_type") or "") == PASSWORD_LOGIN:
        state.event["extensions"]["auth"]["mechanism"] = ["USERNAME_PASSWORD"]


def status(text):
    return lambda state, changed: put(state.event, "target.user.userAuthenticationStatus", text)


def previous_role(state, changed):
    role = state.take("old_object.role_name", "old_object.role")
    add_label(state.event, "target.user.attribute.labels", "Previous Role", role)


def put_resource(state, resource_type, ident, name):
    """Writes the resource, whose ID replaces that of the account."""
    member(state.event, "target.resource").pop("productObjectId", None)
    put(state.event, "target.resource.resourceType", resource_type)
    put(state.event, "target.resource.productObjectId", ident)
    put(state.event, "target.resource.name", name)


def user_resource(resource_type):
    def write(state, changed):
        email = trim(state.text("object.email") or "")
        put_resource(state, resource_type, state.text("object.id"), email if is_email(email) else None)

    return write


def organization(state, changed):
    put_resource(state, "CLOUD_ORGANIZATION", state.take("object.id"), state.take("object.account_name"))


def settings_of_account(state, changed):
    put(state.event, "target.resource.resourceType", "SETTING")
    if len(changed) == 1:
        put(state.event, "target.resource.name", changed[0])


def members(state, changed):
    """Writes members, and then admins, that have an e-mail address."""
    for key in ("members", "admins"):
        people = node_at(state.payload, f"object.{key}")
        for person in people.value if people is not None and people.kind is ARRAY else ():
            address = trim(scalar_at(person, "email") or "")
            if is_email(address):
                state.event.setdefault("about", []).append({"user": {"emailAddresses": [address]}})
                state.used.add(person.value["email"])


def participant(state, changed):
    address = trim(state.text("object.participant.email") or "")
    if is_email(address) and not state.text("operator"):
        put(state.event, "principal.user.emailAddresses[]", address)
        state.take("object.participant.email")


def has_role(payload):
    return bool(scalar_at(payload, "object.role_name") or scalar_at(payload, "object.role"))


def has_participant(payload):
    node = node_at(payload, "object.participant")
    return node is not None and node.kind is OBJECT and bool(node.value)


# Name of the event (`*` for any rest), event type, function that writes the fields, condition on the payload.
ROWS = (
    ("user.signed_in", "USER_LOGIN", signed_in, None),
    ("user.signed_out", "USER_LOGOUT", signed_in, None),
    ("user.created", "USER_CREATION", nothing, None),
    ("user.invitation_accepted", "USER_CREATION", nothing, None),
    ("user.deleted", "USER_DELETION", status("DELETED"), None),
    ("user.disassociated", "USER_DELETION", status("DELETED"), None),
    ("user.activated", CHANGE_PERMISSIONS, status("ACTIVE"), None),
    ("user.deactivated", CHANGE_PERMISSIONS, status("SUSPENDED"), None),
    ("user.updated", CHANGE_PERMISSIONS, previous_role, has_role),
    ("user.updated", UPDATE_CONTENT, user_resource("USER"), None),
    ("user.settings_updated", UPDATE_CONTENT, user_resource("SETTING"), None),
    ("account.created", "USER_RESOURCE_CREATION", organization, None),
    ("account.disassociated", "USER_RESOURCE_DELETION", organization, None),
    ("account.*", UPDATE_CONTENT, settings_of_account, None),
    ("group.settings_updated", UPDATE_CONTENT, settings_of_account, None),
    ("group.lock_settings_updated", UPDATE_CONTENT, settings_of_account, None),
    ("group.created", "GROUP_CREATION", members, None),
    ("group.deleted", "GROUP_DELETION", members, None),
    ("group.*", "GROUP_MODIFICATION", members, None),
    ("meeting.*", "USER_UNCATEGORIZED", participant, has_participant),
)


def fits(row, name, payload):
    pattern, _, _, condition = row
    same = name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
    return same and (condition is None or condition(payload))


def apply_rows(state, name, changed):
    """Returns the state with the fields of a row, and the type if its needs are met.

    This is the first row that fits and whose needs are met. If there is none, the first that fits gives its fields only.
    """
    first = None
    for row in ROWS:
        if fits(row, name, state.payload):
            _, event_type, write, _ = row
            written = state.copy()
            write(written, changed)
            if has_needs(event_type, written.event):
                return written, event_type
            first = first or written
    return first or state, None


# ---------------------------------------------------------------------------------------------------
# The rest.


def put_rest(state):
    """Writes each other scalar of the payload to `additional`."""
    payload = state.payload.value
    unused = (
        (path, (path if name in ("object", "old_object") else f"payload.{path}", scalar(leaf)))
        for name, node in payload.items()
        for path, leaf in leaf_nodes(node, name)
        if leaf not in state.used and scalar(leaf)
    )
    for _, (name, text) in within_limit(unused):
        member(state.event, "additional").setdefault(name, text)


def enrich_webhook(record, event):
    """Returns the enriched event, its type if a row gives one, and the members of the record that were read as a time."""
    name, payload = trim(scalar_at(record, "event")), record.value["payload"]
    reached = []
    for path in TIMES:
        reached.append(path)
        if read_time(scalar_at(record, path)):
            break
    else:
        reached.append("")
    state = State(payload, event)
    use_default_rows(state, name, reached[-1])
    changed = put_settings(state)
    put_old_user(state)
    state, event_type = apply_rows(state, name, changed)
    put_rest(state)
    return state.event, event_type, [path for path in reached if "." not in path]
