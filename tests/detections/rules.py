"""Reads a detection with yaraast, and checks that it uses nothing that the evaluator does not implement.

yaraast passes over some constructs without an error, such as a leading `not`. Therefore the text that it generates from its tree
must have the tokens of the source.
"""

from dataclasses import dataclass

from yaraast.errors import YaraASTError
from yaraast.lexer.tokens import TokenType
from yaraast.yaral import YaraLLexer, YaraLParser, ast_nodes
from yaraast.yaral.generator import YaraLGenerator
from yaraast.yaral.validator import YaraLValidator

from expressions import (
    OPERATORS,
    Compare,
    Field,
    ListName,
    Literal,
    Placeholder,
    Unsupported,
    compare,
    fields_of,
    make_field,
    make_pattern,
    parse_text,
    placeholders_of,
)
from fields import check_field, enum_of, is_number

SECTIONS = ("meta", "events", "match", "outcome", "condition", "options")
SECONDS = {"m": 60, "h": 3600, "d": 86400}
# Google SecOps limits match windows to these lengths.
SHORTEST_WINDOW, LONGEST_WINDOW = 60, 48 * 3600
OUTCOMES = ("array_distinct", "count_distinct", "max")


@dataclass
class Rule:
    """A detection. `window` is in seconds, and None without a match section."""

    name: str
    meta: dict
    predicates: list
    match: list
    window: int | None
    outcomes: dict
    condition: object

    @property
    def fields(self):
        """Returns all fields that the events section and the outcome section read."""
        found = [field for predicate in self.predicates for field in fields_of(predicate)]
        return found + [value for _, value in self.outcomes.values() if isinstance(value, Field)]

    @property
    def variables(self):
        return sorted({field.variable for field in self.fields})


def read_rule(source):
    """Returns the only rule of a source text, or raises `Unsupported`."""
    tree = parse(source)
    if tree.events is None or tree.condition is None or tree.options is not None:
        raise Unsupported("a rule without events or condition, or with options")
    match, window = read_match(tree.match)
    rule = Rule(
        name=tree.name,
        meta={entry.key: entry.value for entry in tree.meta.entries} if tree.meta else {},
        predicates=[read_statement(statement) for statement in tree.events.statements],
        match=match,
        window=window,
        outcomes=read_outcomes(tree.outcome),
        condition=tree.condition.expression,
    )
    check_rule(rule)
    return rule


def parse(source):
    """Returns yaraast's tree of the only rule of a source text, which yaraast must find valid and read without a gap."""
    try:
        file = YaraLParser(source).parse()
        errors, _ = YaraLValidator().validate(file)
        generated = YaraLGenerator().generate(file)
    except (YaraASTError, ValueError) as error:
        raise Unsupported(f"the syntax: {error}") from error
    if len(file.rules) != 1:
        raise Unsupported(f"{len(file.rules)} rules in one file, expected one")
    if errors:
        raise Unsupported("; ".join(str(error) for error in errors))
    check_tokens(source, generated)
    return file.rules[0]


def check_tokens(source, generated):
    """Raises `Unsupported` if the text that yaraast generates from its tree lacks tokens of the source."""
    expected, found = sections_of(source), sections_of(generated)
    for section in expected.keys() | found.keys():
        before, after = expected.get(section, []), found.get(section, [])
        if before != after:
            position = next(
                (index for index, pair in enumerate(zip(before, after)) if pair[0] != pair[1]), min(len(before), len(after))
            )
            context = " ".join(before[max(0, position - 4) : position + 3])
            raise Unsupported(f"the section {section}: yaraast reads something else near {context!r}")


def sections_of(text):
    """Returns the tokens of each section, without what yaraast may write in another way."""
    sections, name = {"rule": []}, "rule"
    tokens = [token for token in YaraLLexer(text).tokenize() if token.type is not TokenType.EOF]
    for index, token in enumerate(tokens):
        follower = tokens[index + 1] if index + 1 < len(tokens) else None
        starts = token.value in SECTIONS and follower is not None and follower.type is TokenType.COLON
        if starts:
            name = token.value
            sections[name] = []
        else:
            sections[name].append(str(token.value).strip("%"))
    if "match" in sections:
        sections["match"] = match_tokens(sections["match"])
    if "condition" in sections:  # parentheses do not count because yaraast adds them
        sections["condition"] = [value for value in sections["condition"] if value not in "()"]
    return sections


def match_tokens(tokens):
    """Returns the tokens of a match section with one window per variable: `$a, $b over 1h` is `$a over 1h $b over 1h`."""
    result, pending, index = [], [], 1
    while index < len(tokens):
        value = tokens[index]
        if value == "over":
            for variable in pending:
                result += [variable, "over", *tokens[index + 1 : index + 2]]
            pending, index = [], index + 1
        elif value.startswith("$"):
            pending.append(value)
        elif value != ",":
            result.append(value)
        index += 1
    return tokens[:1] + result + pending


def read_statement(statement):
    """Returns the predicate of a statement of the events section."""
    if not isinstance(statement, ast_nodes.EventAssignment):
        text = getattr(statement, "text", "")
        if not text:
            raise Unsupported(f"the statement {statement}")
        return parse_text(text)
    left = make_field(statement.event_var.name.lstrip("$"), statement.field_path.parts)
    if statement.operator not in OPERATORS and statement.operator != "in":
        raise Unsupported(f"the operator {statement.operator}")
    if set(statement.modifiers) - {"nocase"}:
        raise Unsupported(f"the modifiers {statement.modifiers}")
    operator = OPERATORS.get(statement.operator, statement.operator)
    return compare(left, operator, read_value(statement.value), "nocase" in statement.modifiers)


def read_value(value):
    """Returns the operand of a value in yaraast's tree."""
    if isinstance(value, ast_nodes.RegexPattern):
        if value.flags:
            raise Unsupported(f"the flags of {value.as_string}")
        return make_pattern(value.pattern)
    if isinstance(value, ast_nodes.UDMFieldAccess) and value.event is not None:
        return make_field(value.event.name.lstrip("$"), value.field.parts)
    if isinstance(value, ast_nodes.EventVariable):
        return Placeholder(value.name.lstrip("$"))
    if isinstance(value, ast_nodes.ReferenceList):
        return ListName(value.name)
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return Literal(value)
    raise Unsupported(f"the value {value!r}")


def read_match(section):
    """Returns the match variables and the window in seconds."""
    if section is None:
        return [], None
    windows = {(entry.time_window.duration, entry.time_window.unit) for entry in section.variables}
    if len(windows) != 1 or any(unusual(entry) for entry in section.variables):
        raise Unsupported("a match section other than `$a, $b over WINDOW`")
    duration, unit = windows.pop()
    window = duration * SECONDS.get(unit, 0)
    if not SHORTEST_WINDOW <= window <= LONGEST_WINDOW:
        raise Unsupported(f"a window of {duration}{unit}, expected 1m to 48h")
    return [entry.variable for entry in section.variables], window


def unusual(entry):
    return entry.grouping_field or entry.temporal_anchor or entry.time_window.modifier


def read_outcomes(section):
    """Returns the outcome variables: a function and its argument, which is a field, a placeholder or a number."""
    outcomes = {}
    for assignment in section.assignments if section else []:
        call = assignment.expression
        supported = (
            isinstance(call, ast_nodes.AggregationFunction) and call.function in OUTCOMES and len(call.arguments) == 1
        )
        if not supported:
            raise Unsupported(f"the outcome {assignment.variable} = {call}")
        argument = read_argument(call.arguments[0])
        numeric = isinstance(argument, Literal) and isinstance(argument.value, int)
        if not (numeric if call.function == "max" else isinstance(argument, (Field, Placeholder))):
            raise Unsupported(f"the argument of {call.function} in {assignment.variable}")
        outcomes[assignment.variable.lstrip("$")] = (call.function, argument)
    return outcomes


def read_argument(value):
    """Returns the argument of a function. yaraast has a placeholder there as text, and a quoted text as `StringLiteral`."""
    if isinstance(value, str) and not isinstance(value, ast_nodes.StringLiteral) and value.startswith("$"):
        return Placeholder(value.lstrip("$"))
    return read_value(value)


def check_rule(rule):
    """Raises `Unsupported` if the rule names unknown fields or values, or placeholders without a field."""
    for field in rule.fields:
        check_field(field)
    for predicate in rule.predicates:
        check_predicate(predicate)
    bound = {name for predicate in rule.predicates for name in bindings_of(predicate)}
    used = {name for predicate in rule.predicates for name in placeholders_of(predicate)} | set(rule.match)
    used |= {name for _, argument in rule.outcomes.values() for name in placeholders_of(argument)}
    if used - bound:
        raise Unsupported(f"the placeholders {sorted(used - bound)}, which no statement assigns a field")
    named = set(names_in(rule.condition, rule))
    if set(rule.variables) - named:
        raise Unsupported(f"the event variables {sorted(set(rule.variables) - named)}, which the condition does not name")
    if len(rule.variables) > 1 and rule.window is None:
        raise Unsupported("several event variables without a match section")


def bindings_of(predicate):
    """Returns the placeholder that a statement assigns a field, in a list that is otherwise empty."""
    if isinstance(predicate, Compare) and predicate.operator == "=":
        left, right = predicate.left, predicate.right
        if isinstance(right, Placeholder) != isinstance(left, Placeholder):
            return [right.name if isinstance(right, Placeholder) else left.name]
    return []


def check_predicate(predicate):
    """Checks the comparisons of a predicate: types agree, and enumerated values exist."""
    if not isinstance(predicate, Compare):
        for operand in getattr(predicate, "operands", None) or (predicate.operand,):
            check_predicate(operand)
        return
    left, right = predicate.left, predicate.right
    numbers = [
        is_number(side) if isinstance(side, Field) else isinstance(side, Literal) and isinstance(side.value, int)
        for side in (left, right)
    ]
    if predicate.operator in ("<", ">", "<=", ">=") and not all(numbers):
        raise Unsupported(f"{predicate.operator} with {left} and {right}: not numbers")
    enum = enum_of(left) if isinstance(left, Field) else None
    if enum is not None:
        if not isinstance(right, Literal) or predicate.nocase:
            raise Unsupported(f"{left}, which is enumerated, with {right}")
        if right.value not in enum.values_by_name:
            raise Unsupported(f"{left} = {right.value!r}: {enum.full_name} has no such value")
    elif isinstance(right, Literal) and numbers[0] != numbers[1]:
        raise Unsupported(f"{left} with {right.value!r}: different types")


def names_in(node, rule):
    """Yields the event variables that a condition names, or raises `Unsupported`."""
    if isinstance(node, ast_nodes.BinaryCondition) and node.operator in ("and", "or"):
        yield from names_in(node.left, rule)
        yield from names_in(node.right, rule)
    elif isinstance(node, ast_nodes.VariableComparisonCondition):
        function, _ = rule.outcomes.get(node.variable.lstrip("$"), (None, None))
        if function not in ("count_distinct", "max") or not isinstance(node.value, int):
            raise Unsupported(f"the condition {node}: not a comparison of an outcome with a number")
    elif isinstance(node, (ast_nodes.EventExistsCondition, ast_nodes.EventCountCondition)):
        name = node.event.lstrip("$")
        if name not in rule.variables:
            raise Unsupported(f"the condition: the event variable {name} is not defined")
        yield name
    else:
        raise Unsupported(f"the condition {node}")
