"""Texts from which generate_enrichment.py makes records."""

from record_values import Members, Raw

# Categories of class resource, and texts that are almost a category of another class.
CATEGORIES = (
    "channels", "recording", "recording", "phone number", "phone number", "phone number", "webinar", "billing", "users",
    "user  group", "sub accounts", "s", "s s", "user s", "account/settings", "im group ", "\u00a0user",
    "sıgn-in methods", "",
)  # fmt: skip

ACTIONS = (
    "add", "update", "delete", "batch update", "scim api - update", "scim api - delete", "search", "view", "export", "downloaded",
    "address check", "add or remove", "login", "sync", "", "changed", "recreated", "removed", "import", "unlocking", "edıt",
)  # fmt: skip

NAMES = (
    "Springfield", "Cloud Recording", "TestChannel3", "11122223333", "111 2222 3333", "+1 555 0100", "Sam Mendes", "a", "The",
    "new Group", "User", "Group Staff", "x from y", "to", "from A to B", " ", "", "Größe", "Passcode: on", "bob(b@x.io)",
    "Room 1 - 2", "\u0663\u0664", "\u212aelvin", "Role", "Email Address", "User Role", "123\u00a0456",
)  # fmt: skip

PARTIES = ("abc.zoom.us", "Not_Delete_CallQueue_Recording", "Sam Mendes(b@x.io)", "to", "from", "x", "", " ", "Ann Lee")

HEADS = (
    "", " ", "Security", "Sign-in Methods", "In Meeting (Basic)", "Refresh plan", "add", "Delete", "Loc\u212a user a@x.io",
    "Change  Role", "change role a@x.io b@x.io", "Changed Role", "Update\tUser bob", "Update billing contact information", "a@x.io",
    "Edit User ", "Change account setting", "Change account setting from A to B", "Assign admin for channel",
    "Delete recording for meeting ", "\u2003Edit Group Staff", "Add BYOC +86 182 5188 5564", "Assign Phone Number from",
    "Assign Phone Number +1 from to to from",
)  # fmt: skip

SEPARATORS = ("  - ", "  - ", "  - ", "  - ", "   - ", " - ", "  -  ", " -  - ")

UNKEYED = ("by SCIM", "a@x.io, b@x.io", "not - a - change", "\u00a0", "", "x:y", "a@x.io\u2003", "123 456")

KEYS = (
    "User Role", "User Role", "Role", "role", "Role Name", "Department", "Department", "Job Title", "Description", "Location",
    "Display Name", "First Name", "Last Name", "Email Address", "Email Address", "Room Name", "Type", "User Type", "Change Type",
    "Schedule Privilege", "Personal Meeting ID (PMI) Passcode", "Sign in with Two-Factor Authentication", "verb", "detail", "From",
    "Previous Role", "email address", "<a@x.io>", "Größe", "department",
)  # fmt: skip

VALUES = (
    "On", "Off", "Basic", "Licensed", "A", "B", "B to C", "from x", "set to", "IT - Helpdesk", "\u00a0", "a@x.io and b@x.io", "5",
    "x: y", "to", "from", '"quoted"', "日本", "{}", "[1]",
)  # fmt: skip

ROLES = ("Owner", "Co-Owner", "Admin", "Billing Admin", "admin", "Member", "User", "Admins", " Admin", "Administrator", "IT  Admin")

ACTIVITIES = ("Sign in", "Sign in", "Sign out", "SIGN IN", " sign   out ", "Signin", "Sign in failed", "sign\u00a0in", "login")

SETTING_VALUES = (True, False, "on", "off", "", " ", None, 1, "1", Raw("1.0"), " on", Members([("x", 1)]), [], Members([("", 1)]))

OTHER_MEMBERS = (
    ("p_event_time", "2021-06-27 00:08:28.792Z"), ("blank", "\u00a0"), ("number", Raw("1.50")), ("flag", False), ("", "empty"),
    ("nested", Members([("a", 1)])), ("account_id", "other"), ("type", "x"), ("version", "1"), ("payload", Members()),
    ("object.id", "outside"), ("event_ts", 1626230691572), ("time_stamp", 5), ("category_type", "User"), ("date_time", "x"),
)  # fmt: skip

WEBHOOKS = (
    "user.signed_in", "user.signed_out", "user.created", "user.invitation_accepted", "user.deleted", "user.disassociated",
    "user.activated", "user.deactivated", "user.updated", "user.updated", "user.updated", "user.settings_updated",
    "user.personal_notes_updated", "account.created", "account.disassociated", "account.updated", "account.settings_updated",
    "account.lock_settings_updated", "group.created", "group.deleted", "group.updated", "group.member_added",
    "group.settings_updated", "group.lock_settings_updated", "meeting.started", "meeting.participant_joined", "meeting.ended",
    "recording.completed", " user.updated ", "User.updated", "user.updated.x", "account.", "group.", "meeting.", "accounts.created",
)  # fmt: skip
