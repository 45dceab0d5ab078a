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
