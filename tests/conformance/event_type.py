"""metadata.eventType: the names of all UDM event types, and what a type requires of an event."""

from texts import trim

EVENT_TYPES = frozenset(
    """
EVENTTYPE_UNSPECIFIED PROCESS_UNCATEGORIZED PROCESS_LAUNCH PROCESS_INJECTION
PROCESS_PRIVILEGE_ESCALATION PROCESS_TERMINATION PROCESS_OPEN PROCESS_MODULE_LOAD
REGISTRY_UNCATEGORIZED REGISTRY_CREATION REGISTRY_MODIFICATION REGISTRY_DELETION
SETTING_UNCATEGORIZED SETTING_CREATION SETTING_MODIFICATION SETTING_DELETION MUTEX_UNCATEGORIZED
MUTEX_CREATION FILE_UNCATEGORIZED FILE_CREATION FILE_DELETION FILE_MODIFICATION FILE_READ FILE_COPY
FILE_OPEN FILE_MOVE FILE_SYNC USER_UNCATEGORIZED USER_LOGIN USER_LOGOUT USER_CREATION
USER_CHANGE_PASSWORD USER_CHANGE_PERMISSIONS USER_STATS USER_BADGE_IN USER_DELETION
USER_RESOURCE_CREATION USER_RESOURCE_UPDATE_CONTENT USER_RESOURCE_UPDATE_PERMISSIONS
USER_COMMUNICATION USER_RESOURCE_ACCESS USER_RESOURCE_DELETION GROUP_UNCATEGORIZED GROUP_CREATION
GROUP_DELETION GROUP_MODIFICATION EMAIL_UNCATEGORIZED EMAIL_TRANSACTION EMAIL_URL_CLICK
NETWORK_UNCATEGORIZED NETWORK_FLOW NETWORK_CONNECTION NETWORK_FTP NETWORK_DHCP NETWORK_DNS
NETWORK_HTTP NETWORK_SMTP STATUS_UNCATEGORIZED STATUS_HEARTBEAT STATUS_STARTUP STATUS_SHUTDOWN
STATUS_UPDATE SCAN_UNCATEGORIZED SCAN_FILE SCAN_PROCESS_BEHAVIORS SCAN_PROCESS SCAN_HOST
SCAN_VULN_HOST SCAN_VULN_NETWORK SCAN_NETWORK SCHEDULED_TASK_UNCATEGORIZED SCHEDULED_TASK_CREATION
SCHEDULED_TASK_DELETION SCHEDULED_TASK_ENABLE SCHEDULED_TASK_DISABLE SCHEDULED_TASK_MODIFICATION
SYSTEM_AUDIT_LOG_UNCATEGORIZED SYSTEM_AUDIT_LOG_WIPE SERVICE_UNSPECIFIED SERVICE_CREATION
SERVICE_DELETION SERVICE_START SERVICE_STOP SERVICE_MODIFICATION GENERIC_EVENT RESOURCE_CREATION
RESOURCE_DELETION RESOURCE_PERMISSIONS_CHANGE RESOURCE_READ RESOURCE_WRITTEN DEVICE_FIRMWARE_UPDATE
DEVICE_CONFIG_UPDATE DEVICE_PROGRAM_UPLOAD DEVICE_PROGRAM_DOWNLOAD ANALYST_UPDATE_VERDICT
ANALYST_UPDATE_REPUTATION ANALYST_UPDATE_SEVERITY_SCORE ANALYST_UPDATE_STATUS ANALYST_ADD_COMMENT
ANALYST_UPDATE_PRIORITY ANALYST_UPDATE_ROOT_CAUSE ANALYST_UPDATE_REASON ANALYST_UPDATE_RISK_SCORE
ENTITY_RISK_CHANGE TRIAGE_AGENT_UPDATE_INVESTIGATION
""".split()
)

# What identifies a user.
IDENTIFIERS = ("emailAddresses", "userid", "productObjectId")
TARGET_USER_TYPES = ("USER_CREATION", "USER_DELETION", "USER_CHANGE_PASSWORD", "USER_CHANGE_PERMISSIONS")


def meets_requirements(name, event):
    """Returns whether the event has what an event type requires."""
    principal, target = event.get("principal", {}), event.get("target", {})
    if name in TARGET_USER_TYPES:
        return "user" in target
    if name == "USER_UNCATEGORIZED":
        return "user" in target or "user" in principal
    if name.startswith("USER_RESOURCE_"):
        return "user" in principal and "resource" in target
    if name.startswith("GROUP_"):
        return "user" in principal and "groupDisplayName" in target.get("group", {})
    if name.startswith("SETTING_"):
        return target.get("resource", {}).get("resourceType") == "SETTING" and "principal" in event
    if name in ("USER_LOGIN", "USER_LOGOUT"):
        return "user" in target and "principal" in event and "auth" in event.get("extensions", {})
    return True


def has_needs(name, event):
    """Returns whether the event has what a type requires that enrichment gives it. Some of it is stricter than Google's."""
    user = event.get("target", {}).get("user", {})
    identifiers = ("emailAddresses", "userid") if name in ("USER_LOGIN", "USER_LOGOUT") else IDENTIFIERS
    if name in TARGET_USER_TYPES + ("USER_LOGIN", "USER_LOGOUT") and not any(key in user for key in identifiers):
        return False
    return meets_requirements(name, event)


def is_valid(given, event):
    """Returns whether the event_type of a record is a type whose requirements the event meets."""
    return given in EVENT_TYPES and given != "EVENTTYPE_UNSPECIFIED" and meets_requirements(given, event)


def event_type(given, has_user, event):
    """Returns metadata.eventType; `given` is the record's event_type."""
    given = trim(given or "")
    if is_valid(given, event):
        return given
    return fallback_type(has_user)


def fallback_type(has_user):
    return "USER_UNCATEGORIZED" if has_user else "GENERIC_EVENT"
