"""Values from which generate_records.py makes records."""


class Members(list):
    """The (key, value) pairs of a JSON object, in order; keys may repeat."""


class Raw(str):
    """JSON text that is written as it is."""


def members(**pairs):
    return Members(pairs.items())


NUMBERS = tuple(map(Raw, ("0", "-0", "1", "101", "1.50", "-7", "1e400", "1E+2", "12345678901234567890123", "0.1e-7")))

TEXTS = (
    "", " ", "\u00a0\t", "\u0000", "-", " - ", "--", "101", " 101", "x", " x ", "Grüße", "日本", "😀", "\ud83d", "a\ude00b",
    "\"quoted\" \\ and /", "line\nbreak", "\u2028", "\ufeff", "user.", "user.x", "users.x", " user.created", "User.created",
    "group.created", "group.", "meeting.started", "meeting.", "meeting", "meeting.participant_joined", "a" * 300, "null", "{}",
)  # fmt: skip

SCALARS = NUMBERS + (True, False, None, "", " ", "x", "on", "\ud83d", "-", "101")

EMAILS = (
    "a@b.io", " a@b.io ", "\u00a0A@B.io\n", "müller@bücher.example", "SCIM@Okta", "a@b", "John Smith", "a@b.io,c@d.io", "<a@b.io>",
    "admin-test%1223+123@duff.dev.co", "", " ", "\ud83d@b.io", Raw("5"), True, None, "@", ".a@b.io", "a@b.io.",
)  # fmt: skip

ADDRESSES = (
    "192.0.2.8", "255.255.255.255", "0.0.0.0", "192.0.2.256", "192.0.2", "192.0.2.08", "192.0.2.8 ", " 192.0.2.8", "192.0.2.8:443",
    "192.0.2.0/24", "192.0.2.8.", "٣.1.1.1", "0x7f.1.1.1", "1.2.3.4.5", "::", "::1", "2001:db8::1", "2001:DB8::A", "fe80::1%eth0",
    "::ffff:192.0.2.8", "64:ff9b::192.0.2.33", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "1:2:3:4::5:6:7:8", "1:2:3:4:5:6:7:8:9", "12345::",
    "1::2::3", ":::", ":1", "1:", "[::1]", "::1.2.3", "1.2.3.4::", "1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "00001::", "g::",
    "unknown", "-", "", " ", None, Raw("3232235777"), Raw("1.5"), True, ["192.0.2.8"], "192.0.2.8, 198.51.100.1",
)  # fmt: skip

TIMES = (
    Raw("1626230691572"), Raw("1626230691"), "1626230691572", " 1626230691 ", Raw("1626230691572.0"), Raw("1.626e12"), Raw("0"),
    Raw("162623069157"), Raw("16262306915721"), Raw("9999999999999"), Raw("-1626230691572"), "2021-07-26T20:13:57Z",
    "2021-07-26 20:13:57", "2021-07-26T20:13:57.123456789+05:30", "2021-07-26t20:13:57z", " 2021-07-26T20:13:57.5+0100 ",
    "2021-02-29T00:00:00Z", "2021-07-26", "9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01", "2021-07-26T20:13:60Z", "soon",
    "", " ", None, True, [], [Raw("1626230691572")], members(seconds=1), "2021-07-26T20:13:57Z\ud800",
)  # fmt: skip

EVENT_TYPES = (
    "activity_log", "operation_log", "", " ", None, 5, [], "EVENTTYPE_UNSPECIFIED", "GENERIC_EVENT", "USER_UNCATEGORIZED",
    " USER_UNCATEGORIZED ", "USER_LOGIN", "USER_LOGOUT", "USER_CREATION", "USER_DELETION", "USER_CHANGE_PASSWORD",
    "USER_CHANGE_PERMISSIONS", "USER_RESOURCE_ACCESS", "USER_RESOURCE_UPDATE_CONTENT", "SETTING_MODIFICATION",
    "SETTING_UNCATEGORIZED", "GROUP_CREATION", "GROUP_MODIFICATION", "STATUS_UPDATE", "NETWORK_CONNECTION", "user_login",
    "USER_STATS", "USER_COMMUNICATION", "RESOURCE_CREATION", "EMAIL_TRANSACTION",
)  # fmt: skip

OPERATION_DETAILS = (
    "Add User homer@simpson.io  - User Type: Basic - Department: Foo",
    "Update User b@x.io  - User Role: from Member to Admin",
    "Change Role  - h.s@duff.io: from User to Co-Owner",
    "Edit Group Recruiting ",
    'Update User a@x.io  - Schedule Privilege: [{"userId":"u1","assistant":"b@x.io","options":"edit"},{"userId":"u2"}]',
    "Delete Recording ",
    "Update Room  - Location: set to Oslo - Room Name: Atrium",
    'Update x - Job Title: A  [{"userId":"u1"}] - Location: Oslo - Role: R',
    'Update x - Job Title: A [{"userId":"u1"}] - Location: Oslo - Role: R',
    'Update x - Job Title: A [{"userId":"u1"}]  - Location: Oslo - Role: R',
    'Update a@b.io  - Job Title: from {"userId":"u1"} to {"userId":"u2"} - Location: Oslo',
    'Update a@b.io  - Job Title: from  {"userId":"u1"} to {"userId":"u2"} - Location: Oslo',
    'x  - K: [{"userId":[" ",[],"u"],"assistant":[{"a":1},"b"],"options":1.50},5,{"userId":true}]',
)

UNKNOWN = (
    members(code=124, message="Invalid access token."),
    members(code=300, message="The time is not valid", time="2024-01-01T00:00:00Z"),
    members(version=1, committed_to="2024-01-01T00:00:00Z"),
    Members(),
    members(operator="", action=" ", category_type=None, operation_detail="\u00a0", time="2024-01-01T00:00:00Z"),
    members(operator=[], action=Members(), category_type=["x"], time="2024-01-01T00:00:00Z"),
    members(type=1, email="a@b.io", time="2024-01-01T00:00:00Z"),
    members(type="Sign in", email=5, time="2024-01-01T00:00:00Z"),
    members(type="Sign in", email=" ", time="2024-01-01T00:00:00Z"),
    members(event="user.created", payload="{}", event_ts=1626230691572),
    members(event="user.created", payload=[Members()], event_ts=1626230691572),
    members(event=5, payload=Members(), event_ts=1626230691572),
    members(event=" ", payload=Members(), event_ts=1626230691572),
    members(event="user.created", event_ts=1626230691572),
    members(payload=Members([("object", members(id="x"))]), event_ts=1626230691572),
    members(operation_logs=5, activity_logs=Members()),
    members(time="2024-01-01T00:00:00Z", user="a@b.io", message="another log"),
)
