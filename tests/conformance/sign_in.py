"""Sign-in records of Zoom's report of sign-ins and sign-outs (GET /report/activities)."""

from event import put
from fields import is_text, scalar_at
from texts import is_email, is_ip, trim


def is_sign_in(record):
    return is_text(record, "type") and is_text(record, "email")


def put_user(event, noun, text):
    """Writes the user of a noun: trimmed, an e-mail address if the whole text is one, and a user ID otherwise."""
    if text:
        text = trim(text)
        put(event, f"{noun}.user.emailAddresses[]" if is_email(text) else f"{noun}.user.userid", text)


def put_address(event, text):
    """Writes an IP address of the principal, trimmed; returns whether the text is one."""
    text = trim(text or "")
    if not is_ip(text):
        return False
    put(event, "principal.ip[]", text)
    put(event, "principal.asset.ip[]", text)
    return True


def put_version(event, text):
    """Writes the version of the client. Zoom writes `-` if it does not know it."""
    if trim(text or "") != "-":
        put(event, "metadata.productVersion", text)


def map_sign_in(record, event):
    """Writes the fields of a sign-in record; returns True because it always names a user."""
    address = scalar_at(record, "ip_address")
    if not put_address(event, address):
        put(event, "additional.ip_address", address)
    put(event, "additional.client_type", scalar_at(record, "client_type"))
    put(event, "additional.type", scalar_at(record, "type"))
    put(event, "metadata.productEventType", scalar_at(record, "type"))
    put_version(event, scalar_at(record, "version"))
    put_user(event, "target", scalar_at(record, "email"))
    return True
