"""Evaluates deploy/terraform without Terraform: a parser for the subset of the language that those files use."""

import pathlib
import re

import hcl2


def strip_quotes(node):
    """Returns the parsed tree with unquoted keys and without the parser's `__` members."""
    if isinstance(node, dict):
        return {key.strip('"'): strip_quotes(value) for key, value in node.items() if not key.startswith("__")}
    return [strip_quotes(item) for item in node] if isinstance(node, list) else node


class Module:
    """A Terraform module: all files of a directory, with the given variables."""

    def __init__(self, directory, variables):
        self.resources, self.locals, self.variables = {}, {}, {}
        for path in sorted(pathlib.Path(directory).glob("*.tf")):
            parsed = strip_quotes(hcl2.loads(path.read_text()))
            for block in parsed.get("variable", []):
                for name, body in block.items():
                    self.variables[name] = variables[name] if name in variables else self.value(body["default"])
            for block in parsed.get("locals", []):
                self.locals.update(block)
            for block in parsed.get("resource", []):
                for kind, named in block.items():
                    for name, body in named.items():
                        self.resources[f"{kind}.{name}"] = body
        unknown = set(variables) - set(self.variables)
        assert not unknown, f"variables that Terraform does not declare: {unknown}"

    def instances(self):
        """Yields kind, name and evaluated body of each resource instance."""
        for address, body in self.resources.items():
            if "count" in body and not self.value(body["count"]):
                continue
            kind, name = address.split(".")
            for item in self.value(body["for_each"]) if "for_each" in body else [None]:
                self.each_value = item
                yield kind, name, self.value({key: body[key] for key in body if key not in ("count", "for_each", "depends_on")})

    def value(self, node):
        """Evaluates a parsed node."""
        if isinstance(node, dict):
            return {key: self.value(value) for key, value in node.items() if key != "dynamic"} | self.dynamic(node)
        if isinstance(node, list):
            return [self.value(item) for item in node]
        if not isinstance(node, str):
            return node
        if node.startswith('"'):
            return self.template(node[1:-1])
        return self.expression(node[2:-1]) if node.startswith("${") and node.endswith("}") else node

    def dynamic(self, node):
        """Returns the blocks of `dynamic` as a map; supports only blocks of a `name` and a `value`."""
        blocks = {}
        for block in node.get("dynamic", []):
            for name, body in block.items():
                assert body["content"] == [{"name": f"${{{name}.key}}", "value": f"${{{name}.value}}"}], body
                blocks[name] = self.value(body["for_each"])
        return blocks

    def template(self, text):
        """Evaluates a string with `${…}` interpolations."""
        expanded = re.sub(r"\$\{([^{}]*)\}", lambda match: str(self.expression(match[1])), text)
        return expanded.replace('\\"', '"')

    def expression(self, text):
        """Evaluates a conditional, `&&`, `||`, a comparison, a function call, a literal or a reference."""
        text = text.strip()
        if conditional := re.fullmatch(r"(.+?) \? (.+) : (.+)", text):
            return self.expression(conditional[2] if self.expression(conditional[1]) else conditional[3])
        if conjunction := re.fullmatch(r"(\S+) && (\S+)", text):
            return self.expression(conjunction[1]) and self.expression(conjunction[2])
        if disjunction := re.fullmatch(r"(\S+) \|\| (\S+)", text):
            return self.expression(disjunction[1]) or self.expression(disjunction[2])
        if inequality := re.fullmatch(r"(\S+) != (\S+)", text):
            return self.expression(inequality[1]) != self.expression(inequality[2])
        if equality := re.fullmatch(r"(\S+) == (\S+)", text):
            return self.expression(equality[1]) == self.expression(equality[2])
        if call := re.fullmatch(r"(basename|compact|concat|dirname|join|toset|trimsuffix)\((.*)\)", text):
            return self.call(call[1], call[2])
        if text.startswith('"'):
            return self.template(text[1:-1])
        if re.fullmatch(r"\d+", text):
            return int(text)
        return self.reference(text.replace("[0]", ""))

    def call(self, function, text):
        """Evaluates a function call. Only the argument of `compact` can be a call of several arguments."""
        if function == "toset":
            return re.findall(r'"([^"]*)"', text)
        if function == "compact":
            return [item for item in self.expression(text) if item]
        first, *others = [self.expression(argument) for argument in text.split(", ")]
        match function:
            case "basename":
                return pathlib.PurePosixPath(first).name
            case "concat":
                return first + others[0]
            case "dirname":
                return str(pathlib.PurePosixPath(first).parent)
            case "join":
                return first.join(others[0])
            case "trimsuffix":
                return first.removesuffix(others[0])

    def reference(self, text):
        """Evaluates a reference to a variable, a local, a data source or an attribute of a resource."""
        first, _, rest = text.partition(".")
        if first == "var":
            return self.variables[rest]
        if first == "local":
            return self.value(self.locals[rest])
        if text == "data.google_project.this.number":
            return "123456789"
        if text == "data.google_storage_project_service_account.agent.member":
            return "serviceAccount:service-123456789@gs-project-accounts.iam.gserviceaccount.com"
        if text == "each.value":
            return self.each_value
        kind, name, attribute = text.split(".")
        body = self.resources[f"{kind}.{name}"]
        if kind == "google_service_account":
            address = f"{self.value(body['account_id'])}@{self.variables['project']}.iam.gserviceaccount.com"
            return f"serviceAccount:{address}" if attribute == "member" else address
        if attribute == "id":
            attribute = "secret_id" if kind == "google_secret_manager_secret" else "name"
        return self.value(body[attribute])
