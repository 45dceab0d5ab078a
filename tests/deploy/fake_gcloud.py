#!/usr/bin/env python3
"""A fake gcloud: stores the created resources in `state.json` and the arguments of every call in `calls`.

GCLOUD_STATE is the directory of both files. GCLOUD_FAULT, in the form `WORDS: MESSAGE`, makes calls that begin with WORDS
fail with MESSAGE; with the prefix `once `, only the first one fails.
"""

import json
import os
import pathlib
import re
import sys

directory = pathlib.Path(os.environ["GCLOUD_STATE"])
state_file = directory / "state.json"
state = json.loads(state_file.read_text()) if state_file.exists() else {}
for kind in ("resources", "grants", "apis", "notifications", "versions", "faults"):
    state.setdefault(kind, {} if kind in ("resources", "versions") else [])

words = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
flags = dict((argument.split("=", 1) + [""])[:2] for argument in sys.argv[1:] if argument.startswith("--"))
with (directory / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\n")

ACTIONS = {"describe", "create", "update", "deploy", "enable", "list", "add", "get-iam-policy", "add-iam-policy-binding", "service-agent"}
action_index = next(index for index, word in enumerate(words) if word in ACTIONS)
action, group, rest = words[action_index], " ".join(words[:action_index]), words[action_index + 1 :]
# `run deploy` and `scheduler jobs create pubsub NAME` do not follow the pattern GROUP ACTION NAME.
if (group, action) == ("run", "deploy"):
    group, action = "run services", "update" if f"run services {rest[0]}" in state["resources"] else "create"
if group == "scheduler jobs" and action != "describe":
    rest = rest[1:]
name = rest[0] if rest else ""
if group == "iam service-accounts" and action == "create":
    name = f"{name}@{flags['--project']}.iam.gserviceaccount.com"
key = f"{group} {name}"


def fail(message):
    """Exits like gcloud with an error."""
    state_file.write_text(json.dumps(state))
    sys.exit(f"ERROR: (gcloud.{'.'.join(words[: action_index + 1])}) {message}")


def require(other):
    """Fails like gcloud if a resource does not exist."""
    if other not in state["resources"]:
        fail(f"NOT_FOUND: Resource not found ({other})")


def setup_label(resource):
    for flag in ("--labels", "--update-labels"):
        if flag in resource:
            return resource[flag].removeprefix("setup=")
    return ""


def describe(resource):
    """Returns what `describe` prints in the requested format."""
    output_format = flags.get("--format", "")
    if group == "scheduler jobs":
        return "\t".join([resource["--schedule"], resource["--time-zone"], resource["--topic"]])
    if "uniform_bucket_level_access" in output_format:
        uniform = "--uniform-bucket-level-access" in resource
        return f"{uniform}\t{'enforced' if '--public-access-prevention' in resource else 'inherited'}"
    return setup_label(resource) if "labels.setup" in output_format else name


fault, _, message = os.environ.get("GCLOUD_FAULT", "").partition(": ")
if fault:
    prefix = fault.removeprefix("once ")
    if " ".join(words).startswith(prefix) and not (fault != prefix and prefix in state["faults"]):
        state["faults"].append(prefix)
        fail(message)

out = ""
if key.startswith("projects "):
    out = "123456789"
elif group == "services":
    if action == "list":
        out = "\n".join(state["apis"])
    else:
        state["apis"] += rest
elif "run.googleapis.com" not in state["apis"] and group not in ("storage buckets", "storage buckets notifications"):
    fail("PERMISSION_DENIED: the API has not been used in project 123456789 before or it is disabled.")
elif action == "service-agent":
    # The service agent is created on the first query.
    out = "service-123456789@gs-project-accounts.iam.gserviceaccount.com"
    state["resources"]["Cloud Storage service agent"] = {}
elif group == "secrets versions":
    if action == "add":
        require(f"secrets {name}")
        state["versions"].setdefault(name, []).append(sys.stdin.read())
        out = f"projects/123456789/secrets/{name}/versions/{len(state['versions'][name])}"
    else:
        require(f"secrets {name}")
        count = len(state["versions"].get(name, []))
        out = f"projects/123456789/secrets/{name}/versions/{count}" if count else ""
elif group == "storage buckets notifications":
    require(f"storage buckets {name}")
    if action == "create":
        state["notifications"].append(
            {"Notification Configuration": {"topic": f"//pubsub.googleapis.com/{flags['--topic']}", "object_name_prefix": flags["--object-prefix"]}}
        )
    out = json.dumps(state["notifications"])
elif action == "describe":
    if key not in state["resources"]:
        fail("gs://… not found: 404." if "buckets" in key else f"Cannot find service [{name}]" if "run" in key else "NOT_FOUND: Resource not found")
    out = describe(state["resources"][key])
elif action == "create":
    if key in state["resources"]:
        fail(f"ALREADY_EXISTS: {key}")
    state["resources"][key] = flags
elif action == "update":
    require(key)
    state["resources"][key].update(flags)
elif action == "add-iam-policy-binding":
    require(key)
    account = re.fullmatch(r"serviceAccount:(.*@.*\.iam\.gserviceaccount\.com)", flags["--member"])
    if account and account[1].split("@")[1].startswith(flags["--project"]):
        require(f"iam service-accounts {account[1]}")
    if "@gs-project-accounts." in flags["--member"]:
        require("Cloud Storage service agent")
    condition = flags.get("--condition", "None").partition("expression=")[2]
    state["grants"].append([flags["--role"], flags["--member"], key, condition])
elif action == "get-iam-policy":
    require(key)
    out = "\n".join(" ".join([role, member, condition]) for role, member, on, condition in state["grants"] if on == key)
state_file.write_text(json.dumps(state))
print(out)
