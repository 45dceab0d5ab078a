"""Predicates of an events section, and the parser of those that yaraast keeps as text.

yaraast parses a plain comparison of a field. It keeps everything else (parentheses, `or`, `not`, functions, `$x = $e.field`) as
text, which `parse_text` reads here from yaraast's tokens.
"""

import re
from dataclasses import dataclass

from yaraast.lexer.tokens import TokenType
from yaraast.yaral import YaraLLexer
from yaraast.yaral.tokens import YaraLTokenType

OPERATORS = {"=": "=", "==": "=", "!=": "!=", "<": "<", ">": ">", "<=": "<=", ">=": ">="}


class Unsupported(Exception):
    """A construct that this evaluator does not implement. The message names it."""


@dataclass(frozen=True)
class Field:
    """A field of an event variable. `key` is the text in brackets after the path, if any."""

    variable: str
    path: tuple
    key: str | None = None

    def __str__(self):
        return f"${self.variable}.{'.'.join(self.path)}" + (f'["{self.key}"]' if self.key is not None else "")


@dataclass(frozen=True)
class Placeholder:
    name: str


@dataclass(frozen=True)
class Literal:
    value: str | int


@dataclass(frozen=True)
class Pattern:
    source: str


@dataclass(frozen=True)
class ListName:
    name: str


@dataclass(frozen=True)
class Coalesce:
    """`strings.coalesce`: the first of its fields that is not empty."""

    fields: tuple


@dataclass(frozen=True)
class Compare:
    """A comparison. The right side is a pattern for `=~` and a list for `in`."""

    left: object
    operator: str
    right: object
    nocase: bool = False


@dataclass(frozen=True)
class Not:
    operand: object


@dataclass(frozen=True)
class Every:
    """All of the operands are true (`and`)."""

    operands: tuple


@dataclass(frozen=True)
class Some:
    """At least one of the operands is true (`or`)."""

    operands: tuple


def fields_of(node):
    """Yields all fields that a predicate or operand reads."""
    if isinstance(node, Field):
        yield node
    elif isinstance(node, Coalesce):
        yield from node.fields
    elif isinstance(node, Compare):
        yield from fields_of(node.left)
        yield from fields_of(node.right)
    elif isinstance(node, Not):
        yield from fields_of(node.operand)
    elif isinstance(node, (Every, Some)):
        for operand in node.operands:
            yield from fields_of(operand)


def placeholders_of(node):
    """Yields the names of all placeholders in a predicate or operand."""
    if isinstance(node, Placeholder):
        yield node.name
    elif isinstance(node, Compare):
        yield from placeholders_of(node.left)
        yield from placeholders_of(node.right)
    elif isinstance(node, Not):
        yield from placeholders_of(node.operand)
    elif isinstance(node, (Every, Some)):
        for operand in node.operands:
            yield from placeholders_of(operand)


def make_field(variable, parts):
    """Returns the field of an event variable from the parts of a path, of which the last may be `["key"]`."""
    names = [part for part in parts if not part.startswith("[")]
    brackets = [part for part in parts if part.startswith("[")]
    path = tuple(name for part in names for name in part.split("."))
    if not brackets:
        return Field(variable, path)
    if len(brackets) > 1 or parts[-1] != brackets[0] or not re.fullmatch(r'\["[^"\\]*"\]', brackets[0]):
        raise Unsupported(f"brackets {''.join(brackets)} in the path {'.'.join(path)}")
    return Field(variable, path, brackets[0][2:-2])


def make_pattern(source):
    """Returns a regular expression, if RE2 (which Google SecOps uses) and Python read it alike."""
    if re.search(r"\(\?(?!:)|\\[1-9]|[*+?}]\+|\\[AZzGpPC]", source):
        raise Unsupported(f"the regular expression {source!r}, which RE2 and Python may read differently")
    re.compile(source)
    return Pattern(source)


def compare(left, operator, right, nocase):
    """Returns a comparison. `= /pattern/` becomes `=~`, and `!= /pattern/` its negation."""
    if isinstance(left, (Literal, Pattern, ListName)):
        raise Unsupported(f"a constant on the left of {operator}")
    if isinstance(right, Pattern):
        if operator not in ("=", "!="):
            raise Unsupported(f"{operator} with a regular expression")
        match = Compare(left, "=~", right, nocase)
        return match if operator == "=" else Not(match)
    if isinstance(right, ListName) != (operator == "in"):
        raise Unsupported(f"{operator} with {right}")
    if nocase and operator not in ("=", "!=", "in"):
        raise Unsupported(f"nocase with {operator}")
    return Compare(left, operator, right, nocase)


def parse_text(text):
    """Returns the predicate of a statement that yaraast keeps as text."""
    parser = TextParser(text)
    predicate = parser.any_of()
    parser.expect_end()
    return predicate


class TextParser:
    """A recursive-descent parser over yaraast's tokens."""

    def __init__(self, text):
        self.text = text
        self.tokens = [token for token in YaraLLexer(text).tokenize() if token.type is not TokenType.EOF]
        self.position = 0

    def peek(self, offset=0):
        index = self.position + offset
        return self.tokens[index] if index < len(self.tokens) else None

    def next(self):
        token = self.peek()
        if token is None:
            raise Unsupported(f"the end of {self.text!r}")
        self.position += 1
        return token

    def accept(self, value):
        token = self.peek()
        if token is not None and token.type is not TokenType.STRING and token.value == value:
            self.position += 1
            return True
        return False

    def expect(self, value):
        if not self.accept(value):
            found = self.peek().value if self.peek() else "the end"
            raise Unsupported(f"{found!r} in {self.text!r}, expected {value!r}")

    def expect_end(self):
        if self.peek() is not None:
            raise Unsupported(f"{self.peek().value!r} in {self.text!r}, expected the end of the statement")

    def any_of(self):
        operands = [self.all_of()]
        while self.accept("or"):
            operands.append(self.all_of())
        return operands[0] if len(operands) == 1 else Some(tuple(operands))

    def all_of(self):
        operands = [self.negation()]
        while self.accept("and"):
            operands.append(self.negation())
        return operands[0] if len(operands) == 1 else Every(tuple(operands))

    def negation(self):
        if self.accept("not"):
            return Not(self.negation())
        if self.accept("("):
            predicate = self.any_of()
            self.expect(")")
            return predicate
        if self.accept("re.regex"):
            return self.regex_call()
        return self.comparison()

    def regex_call(self):
        self.expect("(")
        field = self.operand()
        self.expect(",")
        pattern = self.next()
        if pattern.type not in (TokenType.REGEX, TokenType.STRING):
            raise Unsupported(f"{pattern.value!r} as the pattern of re.regex")
        self.expect(")")
        return Compare(field, "=~", make_pattern(pattern.value), self.accept("nocase"))

    def comparison(self):
        left = self.operand()
        token = self.next()
        if token.value == "in":
            operator = "in"
        elif token.value in OPERATORS and token.type is not TokenType.STRING:
            operator = OPERATORS[token.value]
        else:
            raise Unsupported(f"the operator {token.value!r} in {self.text!r}")
        right = self.operand()
        return compare(left, operator, right, self.accept("nocase"))

    def operand(self):
        token = self.next()
        if token.yaral_type is YaraLTokenType.EVENT_VAR:
            return self.reference(token.value.lstrip("$"))
        if token.yaral_type is YaraLTokenType.REFERENCE_LIST:
            return ListName(token.value.strip("%"))
        if token.type is TokenType.STRING or token.type is TokenType.INTEGER:
            return Literal(token.value)
        if token.type is TokenType.REGEX and str(token.value).startswith("/"):
            return make_pattern(token.value[1:-1].replace("\\/", "/"))
        if token.value == "strings.coalesce":
            return self.coalesce()
        raise Unsupported(f"{token.value!r} in {self.text!r}")

    def coalesce(self):
        self.expect("(")
        fields = [self.operand()]
        while self.accept(","):
            fields.append(self.operand())
        self.expect(")")
        if not all(isinstance(field, Field) for field in fields):
            raise Unsupported("strings.coalesce of anything but fields")
        return Coalesce(tuple(fields))

    def reference(self, name):
        if not self.accept("."):
            return Placeholder(name)
        parts = [str(self.next().value)]
        while True:
            if self.accept("."):
                parts.append(str(self.next().value))
            elif self.accept("["):
                parts.append(f'["{self.next().value}"]')
                self.expect("]")
            else:
                return make_field(name, parts)
