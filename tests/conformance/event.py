"""Writes texts to the paths of an event (section 4 of docs/mapping-rules.md)."""


def put(event, path, text):
    """Writes a text to a path, if there is one.

    `a.b` sets a member, unless it is set: the first row of the table wins. `a[]` appends to a list of texts, and `a[].b` appends
    an object to a list. A value that a list already has is not repeated; texts are compared without case.
    """
    if not text:
        return
    container = event
    *parents, last = path.split(".")
    for parent in parents:
        if parent.endswith("[]"):
            elements = container.setdefault(parent[:-2], [])
            if any(element[last] == text for element in elements):
                return
            container = {}
            elements.append(container)
        else:
            container = container.setdefault(parent, {})
    if last.endswith("[]"):
        texts = container.setdefault(last[:-2], [])
        if text.lower() not in (known.lower() for known in texts):
            texts.append(text)
    else:
        container.setdefault(last, text)


def put_labels(event, path, labels):
    """Appends (key, value) pairs to the list of labels at a path."""
    if labels:
        *parents, last = path.split(".")
        container = event
        for parent in parents:
            container = container.setdefault(parent, {})
        container.setdefault(last, []).extend({"key": key, "value": value} for key, value in labels)


def member(event, path):
    """Returns the object at a path; creates it if it is missing."""
    for key in path.split("."):
        event = event.setdefault(key, {})
    return event


def add_label(event, path, key, value):
    """Appends a label to the list at a path if there is a value. An empty key is omitted."""
    if value:
        *parents, last = path.split(".")
        label = {"key": key, "value": value} if key else {"value": value}
        (member(event, ".".join(parents)) if parents else event).setdefault(last, []).append(label)


def security_result(event):
    """Returns the one entry of securityResult; creates it if it is missing."""
    return event.setdefault("securityResult", [{}])[0]
