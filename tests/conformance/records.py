"""Decides which kind a record is, and maps it to an event."""

from enrichment import enrich
from event import put
from event_type import event_type
from fields import scalar_at
from operation import is_operation, map_operation
from sign_in import is_sign_in, map_sign_in
from texts import read_time
from webhook import TIMES, is_webhook, map_webhook

UNKNOWN_RECORD = "unknown_record"
NO_TIME = "no_time"


class Rejected(Exception):
    """A value must not become an event (section 1, Rejects); `reason` is the name of the reason."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def first_time(record, paths):
    """Returns the first usable time at one of the paths, or None."""
    times = (read_time(scalar_at(record, path)) for path in paths)
    return next(filter(None, times), None)


def map_record(record, source, options):
    """Maps a record to an event; raises Rejected if it is of no known kind or has no usable time."""
    event = {"metadata": {"logType": "ZOOM_OPERATION_LOGS", "productName": "ZOOM_OPERATION_LOGS", "vendorName": "ZOOM"}}
    times = ("time",)
    if is_operation(record, source):
        kind = "operation"
        has_user = map_operation(record, source, event, options)
    elif is_webhook(record):
        kind, times = "webhook", TIMES
        has_user = map_webhook(record, event)
    elif is_sign_in(record):
        kind = "sign_in"
        has_user = map_sign_in(record, event)
    else:
        raise Rejected(UNKNOWN_RECORD)

    stamp = first_time(record, times) or options.default_time
    if stamp is None:
        raise Rejected(NO_TIME)
    put(event, "metadata.eventTimestamp", stamp)
    put(event, "metadata.eventType", event_type(scalar_at(record, "event_type"), has_user, event))
    if options.enrich:
        return enrich(kind, record, source, event, has_user, options)
    return event
