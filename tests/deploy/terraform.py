"""What deploy/terraform makes, read without Terraform: as much of its language as those files use."""

import pathlib
import re

import hcl2


def bare(node):
    """Keys without quotes and marks; values as they were parsed."""
    if isinstance(node, dict):
        return {key.strip('"'): bare(value) for key, value in node.items() if not key.startswith("__")}
    return [bare(item) for item in node] if isinstance(node, list) else node


class Module:
    """All files of a directory, with variables set."""

    def __init__(self, directory, variables):
        self.resources, self.locals, self.variables = {}, {}, {}
        for path in sorted(pathlib.Path(directory).glob("*.tf")):
            parsed = bare(hcl2.loads(path.read_text()))
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
        assert not unknown, f"no variables in Terraform: {unknown}"

    def made(self):
        """Kind, name and body of each resource that there is one of, its values worked out."""
        for address, body in self.resources.items():
            if "count" in body and not self.value(body["count"]):
                continue
            kind, name = address.split(".")
            for each in self.value(body["for_each"]) if "for_each" in body else [None]:
                self.each = each
                yield kind, name, self.value({key: body[key] for key in body if key not in ("count", "for_each", "depends_on")})

    def value(self, node):
        if isinstance(node, dict):
            return {key: self.value(value) for key, value in node.items() if key != "dynamic"} | self.dynamic(node)
        if isinstance(node, list):
            return [self.value(item) for item in node]
        if not isinstance(node, str):
            return node
        if node.startswith('"'):
            return self.text(node[1:-1])
        return self.expression(node[2:-1]) if node.startswith("${") and node.endswith("}") else node

    def dynamic(self, node):
        """Blocks for each entry of a map, as that map: the files name and value them by its key and value alone."""
        blocks = {}
        for block in node.get("dynamic", []):
            for name, body in block.items():
                assert body["content"] == [{"name": f"${{{name}.key}}", "value": f"${{{name}.value}}"}], body
                blocks[name] = self.value(body["for_each"])
        return blocks

    def text(self, text):
        worked_out = re.sub(r"\$\{([^{}]*)\}", lambda found: str(self.expression(found[1])), text)
        return worked_out.replace('\\"', '"')

    def expression(self, text):
        text = text.strip()
        if choice := re.fullmatch(r"(.+?) \? (.+) : (.+)", text):
            return self.expression(choice[2] if self.expression(choice[1]) else choice[3])
        if unequal := re.fullmatch(r"(\S+) != (\S+)", text):
            return self.expression(unequal[1]) != self.expression(unequal[2])
        if called := re.fullmatch(r"(dirname|toset|trimsuffix)\((.*)\)", text):
            if called[1] == "toset":
                return re.findall(r'"([^"]*)"', called[2])
            arguments = [self.expression(argument) for argument in called[2].split(", ")]
            return str(pathlib.PurePosixPath(arguments[0]).parent) if called[1] == "dirname" else arguments[0].removesuffix(arguments[1])
        if text.startswith('"'):
            return self.text(text[1:-1])
        if re.fullmatch(r"\d+", text):
            return int(text)
        return self.reference(text.replace("[0]", ""))

    def reference(self, text):
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
            return self.each
        kind, name, attribute = text.split(".")
        body = self.resources[f"{kind}.{name}"]
        if kind == "google_service_account":
            address = f"{self.value(body['account_id'])}@{self.variables['project']}.iam.gserviceaccount.com"
            return f"serviceAccount:{address}" if attribute == "member" else address
        if attribute == "id":
            attribute = "secret_id" if kind == "google_secret_manager_secret" else "name"
        return self.value(body[attribute])
