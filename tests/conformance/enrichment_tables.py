"""The tables of enrichment: words, categories, names and event types (docs/mapping-rules.md, Enrichment).

All words are in lower case because verbs, nouns, categories and actions are compared without ASCII case.
"""

# Operations, in the order in which they are tried: an action or verb that contains one of the words stands for the operation.
OPERATIONS = (
    ("DELETE", ("delete", "remove")),
    ("ADD", ("add", "create")),
    ("UPDATE", ("update", "edit", "change")),
    ("ACCESS", ("search", "view", "export", "download")),
)

# These verbs decide the operation whatever the action says.
DECISIVE_VERBS = ("add", "create", "delete", "remove")

# These verbs stand for UPDATE although they contain none of its words.
UPDATE_VERBS = (
    "activate", "deactivate", "assign", "unassign", "bind", "unbind", "enable", "disable", "lock", "unlock", "link", "unlink",
    "restore", "merge", "transfer", "reset", "import",
)  # fmt: skip

VERBS = frozenset(UPDATE_VERBS).union(*(words for _, words in OPERATIONS))

# The class of a category; any other category is a resource.
CLASSES = {
    category: name
    for name, categories in {
        "user": ("user",),
        "group": ("user group", "group", "im group"),
        "role": ("role", "role management"),
        "setting": (
            "user settings", "account", "account settings", "account profile", "sub account settings", "security",
            "sign-in methods",
        ),
        "organization": ("sub account",),
        "device": ("device", "devices", "zoom rooms", "room"),
    }.items()
    for category in categories
}  # fmt: skip
OTHER_CLASS = "resource"

PHONE_NUMBER = "phone number"
RECORDING = "recording"

ARTICLES = ("a", "an", "the", "new")

# Nouns that a name may follow, besides the category and its last word.
NOUNS = ("user group", "account setting", "user", "group", "role", "device", "room", "channel", "setting")

# Heads that name something after more than a verb and a noun. The setting is followed by ` from OLD to NEW`.
SETTING_HEAD = "change account setting"
NAME_HEADS = ("assign admin for channel", "delete cloud recording for meeting", "delete recording for meeting")

# The keys that say what role a user has.
ROLE_KEYS = ("User Role", "Role", "role")
ADMINISTRATORS = ("Owner", "Co-Owner", "Admin")

STATUS_BY_VERB = {"activate": "ACTIVE", "unlock": "ACTIVE", "deactivate": "SUSPENDED", "lock": "SUSPENDED"}

RESOURCE_TYPES = {
    "setting": "SETTING",
    "role": "ACCESS_POLICY",
    "device": "DEVICE",
    "organization": "CLOUD_ORGANIZATION",
    "user": "USER",
}

# ---------------------------------------------------------------------------------------------------
# Event types by operation.

CHANGE_PERMISSIONS = "USER_CHANGE_PERMISSIONS"
UPDATE_CONTENT = "USER_RESOURCE_UPDATE_CONTENT"

USER_TYPES = {"ADD": "USER_CREATION", "DELETE": "USER_DELETION"}
GROUP_TYPES = {"ADD": "GROUP_CREATION", "UPDATE": "GROUP_MODIFICATION", "DELETE": "GROUP_DELETION"}
ROLE_TYPES = {
    "ADD": "USER_RESOURCE_CREATION",
    "UPDATE": "USER_RESOURCE_UPDATE_PERMISSIONS",
    "DELETE": "USER_RESOURCE_DELETION",
}
OTHER_TYPES = {
    "ADD": "USER_RESOURCE_CREATION",
    "UPDATE": UPDATE_CONTENT,
    "DELETE": "USER_RESOURCE_DELETION",
    "ACCESS": "USER_RESOURCE_ACCESS",
}

# ---------------------------------------------------------------------------------------------------
# Members of a record that rules of its kind read. All others go to `additional`.

OPERATION_MEMBERS = ("time", "event_type", "operator", "category_type", "action", "operation_detail")
SIGN_IN_MEMBERS = ("time", "event_type", "type", "email", "ip_address", "client_type", "version")
WEBHOOK_MEMBERS = ("event_type", "event", "event_ts", "payload")
