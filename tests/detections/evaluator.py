"""Evaluates a detection over UDM events.

A row is one combination of events and elements of their repeated fields that meets the events section. Rows with equal match
variables whose events lie in one window form a group, and each group that meets the condition is a detection. Google SecOps uses
overlapping windows of its own alignment; here a window begins at each event.
"""

import re
from dataclasses import dataclass
from itertools import product

from yaraast.yaral import ast_nodes

from expressions import (
    Coalesce,
    Compare,
    Every,
    Field,
    ListName,
    Literal,
    Not,
    Placeholder,
    Some,
    Unsupported,
    fields_of,
    placeholders_of,
)
from fields import read_event, rows_of, value_of
from rules import bindings_of

COUNTS = {
    "==": lambda count, limit: count == limit,
    "!=": lambda count, limit: count != limit,
    ">": lambda count, limit: count > limit,
    "<": lambda count, limit: count < limit,
    ">=": lambda count, limit: count >= limit,
    "<=": lambda count, limit: count <= limit,
}
ORDERS = {**COUNTS, "=": COUNTS["=="]}


@dataclass
class Row:
    """For each event variable the index of an event and its message with the chosen elements; and the placeholders."""

    events: dict
    chosen: dict
    placeholders: dict


@dataclass
class Detection:
    """The match variables, the indices of the events of each event variable, and the outcome variables."""

    match: dict
    events: dict
    outcomes: dict


def detect(rule, events, lists=None):
    """Returns the detections of a rule over events in JSON. `lists` holds the reference lists by name."""
    messages = [read_event(event) for event in events]
    rows = matching_rows(rule, messages, lists or {})
    detections = []
    for group in groups_of(rule, rows, messages):
        detection = make_detection(rule, group)
        if holds(rule.condition, detection):
            detections.append(detection)
    return detections


def matching_rows(rule, messages, lists):
    """Returns the rows that meet all statements of the events section."""
    candidates = []
    for variable in rule.variables:
        own = [field for field in rule.fields if field.variable == variable]
        local = [predicate for predicate in rule.predicates if is_local(predicate, variable)]
        candidates.append(
            [
                (index, (message, chosen))
                for index, message in enumerate(messages)
                for chosen in rows_of(message, own)
                if all(is_true(predicate, {variable: (message, chosen)}, {}, lists) for predicate in local)
            ]
        )
    rows = []
    for combination in product(*candidates):
        events = {variable: index for variable, (index, _) in zip(rule.variables, combination)}
        chosen = {variable: pair for variable, (_, pair) in zip(rule.variables, combination)}
        placeholders = bind(rule, chosen)
        if placeholders is not None and all(
            is_true(predicate, chosen, placeholders, lists) for predicate in rule.predicates
        ):
            rows.append(Row(events, chosen, placeholders))
    return rows


def is_local(predicate, variable):
    """Returns whether a predicate reads one event variable and no placeholder, so that it can be checked before joining."""
    return {field.variable for field in fields_of(predicate)} == {variable} and not list(placeholders_of(predicate))


def bind(rule, chosen):
    """Returns the placeholders of a row, or None if two statements give one placeholder different values."""
    values = {}
    for predicate in rule.predicates:
        for name in bindings_of(predicate):
            source = predicate.left if isinstance(predicate.right, Placeholder) else predicate.right
            value = operand_value(source, chosen, values)
            if values.setdefault(name, value) != value:
                return None
    # By default, Google SecOps drops rows in which a match variable has the zero value.
    return None if any(values[name] in ("", 0) for name in rule.match) else values


def is_true(predicate, chosen, placeholders, lists):
    """Returns whether a predicate is true in a row."""
    if isinstance(predicate, Not):
        return not is_true(predicate.operand, chosen, placeholders, lists)
    if isinstance(predicate, Every):
        return all(is_true(operand, chosen, placeholders, lists) for operand in predicate.operands)
    if isinstance(predicate, Some):
        return any(is_true(operand, chosen, placeholders, lists) for operand in predicate.operands)
    if not isinstance(predicate, Compare):
        raise Unsupported(f"the predicate {predicate}")
    left = operand_value(predicate.left, chosen, placeholders)
    if predicate.operator == "=~":
        return re.search(predicate.right.source, left, re.IGNORECASE if predicate.nocase else 0) is not None
    if isinstance(predicate.right, ListName):
        return is_listed(left, predicate.right.name, predicate.nocase, lists)
    right = operand_value(predicate.right, chosen, placeholders)
    if predicate.nocase:
        left, right = left.lower(), right.lower()
    return ORDERS[predicate.operator](left, right)


def is_listed(value, name, nocase, lists):
    if name not in lists:
        raise Unsupported(f"the reference list %{name}, which the fixture does not define")
    return value.lower() in [entry.lower() for entry in lists[name]] if nocase else value in lists[name]


def operand_value(operand, chosen, placeholders):
    """Returns the value of a field, placeholder, literal or `strings.coalesce` in a row."""
    if isinstance(operand, Field):
        return value_of(*chosen[operand.variable], operand)
    if isinstance(operand, Placeholder):
        return placeholders[operand.name]
    if isinstance(operand, Literal):
        return operand.value
    if isinstance(operand, Coalesce):
        values = (value_of(*chosen[field.variable], field) for field in operand.fields)
        return next((value for value in values if value), "")
    raise Unsupported(f"the operand {operand}")


def groups_of(rule, rows, messages):
    """Returns the groups of rows: one per event without a match section, otherwise one per match values and window."""
    if rule.window is None:
        keys = sorted({tuple(row.events.values()) for row in rows})
        return [[row for row in rows if tuple(row.events.values()) == key] for key in keys]
    groups = []
    for key in sorted({tuple(row.placeholders[name] for name in rule.match) for row in rows}):
        members = [row for row in rows if tuple(row.placeholders[name] for name in rule.match) == key]
        groups += windows_of(members, rule.window, messages)
    return groups


def windows_of(rows, window, messages):
    """Returns the rows of each window that begins at an event; a window that adds nothing to the one before is left out."""
    spans = [[time_of(messages[index]) for index in row.events.values()] for row in rows]
    windows = []
    for start in sorted({time for span in spans for time in span}):
        inside = [row for row, span in zip(rows, spans) if start <= min(span) and max(span) < start + window]
        if inside and not (windows and all(row in windows[-1] for row in inside)):
            windows.append(inside)
    return windows


def time_of(message):
    return message.metadata.event_timestamp.seconds + message.metadata.event_timestamp.nanos / 1e9


def make_detection(rule, group):
    """Returns the match variables, events and outcome variables of a group."""
    outcomes = {}
    for name, (function, argument) in rule.outcomes.items():
        if function == "max":
            outcomes[name] = argument.value
            continue
        values = sorted({operand_value(argument, row.chosen, row.placeholders) for row in group} - {""})
        outcomes[name] = len(values) if function == "count_distinct" else values
    events = {variable: sorted({row.events[variable] for row in group}) for variable in rule.variables}
    return Detection({name: group[0].placeholders[name] for name in rule.match}, events, outcomes)


def holds(node, detection):
    """Returns whether the condition section is true for the events and outcome variables of a group."""
    if isinstance(node, ast_nodes.BinaryCondition):
        sides = [holds(side, detection) for side in (node.left, node.right)]
        return all(sides) if node.operator == "and" else any(sides)
    if isinstance(node, ast_nodes.VariableComparisonCondition):
        return COUNTS[node.operator](detection.outcomes[node.variable.lstrip("$")], node.value)
    count = len(detection.events[node.event.lstrip("$")])
    if isinstance(node, ast_nodes.EventCountCondition):
        return COUNTS[node.operator](count, node.count)
    return count > 0
