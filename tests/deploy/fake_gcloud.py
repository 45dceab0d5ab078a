#!/usr/bin/env python3
"""A stand-in for gcloud: keeps what was made in a file, and every call in another.

GCLOUD_STATE names the directory of both. GCLOUD_FAULT, as `WORDS: MESSAGE`, makes calls that begin with the words fail
with the message, or only the first of them if it begins with `once `.
"""

import json
import os
import pathlib
import re
import sys

directory = pathlib.Path(os.environ["GCLOUD_STATE"])
state_file = directory / "state.json"
state = json.loads(state_file.read_text()) if state_file.exists() else {}
for kind in ("things", "grants", "apis", "notifications", "versions", "faults"):
    state.setdefault(kind, {} if kind in ("things", "versions") else [])

words = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
flags = dict((argument.split("=", 1) + [""])[:2] for argument in sys.argv[1:] if argument.startswith("--"))
with (directory / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\n")

VERBS = {"describe", "create", "update", "deploy", "enable", "list", "add", "get-iam-policy", "add-iam-policy-binding", "service-agent"}
at = next(index for index, word in enumerate(words) if word in VERBS)
verb, group, rest = words[at], " ".join(words[:at]), words[at + 1 :]
# `run deploy` and `scheduler jobs create pubsub NAME` do not name things as the others do.
if (group, verb) == ("run", "deploy"):
    group, verb = "run services", "update" if f"run services {rest[0]}" in state["things"] else "create"
if group == "scheduler jobs" and verb != "describe":
    rest = rest[1:]
name = rest[0] if rest else ""
if group == "iam service-accounts" and verb == "create":
    name = f"{name}@{flags['--project']}.iam.gserviceaccount.com"
key = f"{group} {name}"


def fail(message):
    state_file.write_text(json.dumps(state))
    sys.exit(f"ERROR: (gcloud.{'.'.join(words[: at + 1])}) {message}")


def needs(other):
    if other not in state["things"]:
        fail(f"NOT_FOUND: Resource not found ({other})")


def label(thing):
    for flag in ("--labels", "--update-labels"):
        if flag in thing:
            return thing[flag].removeprefix("setup=")
    return ""


def described(thing):
    shown = flags.get("--format", "")
    if group == "scheduler jobs":
        return "\t".join([thing["--schedule"], thing["--time-zone"], thing["--topic"]])
    if "uniform_bucket_level_access" in shown:
        uniform = "--uniform-bucket-level-access" in thing
        return f"{uniform}\t{'enforced' if '--public-access-prevention' in thing else 'inherited'}"
    return label(thing) if "labels.setup" in shown else name


fault, _, message = os.environ.get("GCLOUD_FAULT", "").partition(": ")
if fault:
    begins = fault.removeprefix("once ")
    if " ".join(words).startswith(begins) and not (fault != begins and begins in state["faults"]):
        state["faults"].append(begins)
        fail(message)

out = ""
if key.startswith("projects "):
    out = "123456789"
elif group == "services":
    if verb == "list":
        out = "\n".join(state["apis"])
    else:
        state["apis"] += rest
elif "run.googleapis.com" not in state["apis"] and group not in ("storage buckets", "storage buckets notifications"):
    fail("PERMISSION_DENIED: the API has not been used in project 123456789 before or it is disabled.")
elif verb == "service-agent":
    # There is none before it is asked for.
    out = "service-123456789@gs-project-accounts.iam.gserviceaccount.com"
    state["things"]["agent of Cloud Storage"] = {}
elif group == "secrets versions":
    if verb == "add":
        needs(f"secrets {name}")
        state["versions"].setdefault(name, []).append(sys.stdin.read())
    else:
        needs(f"secrets {name}")
        out = str(len(state["versions"].get(name, []))).replace("0", "")
elif group == "storage buckets notifications":
    needs(f"storage buckets {name}")
    if verb == "create":
        state["notifications"].append(
            {"Notification Configuration": {"topic": f"//pubsub.googleapis.com/{flags['--topic']}", "object_name_prefix": flags["--object-prefix"]}}
        )
    out = json.dumps(state["notifications"])
elif verb == "describe":
    if key not in state["things"]:
        fail("gs://… not found: 404." if "buckets" in key else f"Cannot find service [{name}]" if "run" in key else "NOT_FOUND: Resource not found")
    out = described(state["things"][key])
elif verb == "create":
    if key in state["things"]:
        fail(f"ALREADY_EXISTS: {key}")
    state["things"][key] = flags
elif verb == "update":
    needs(key)
    state["things"][key].update(flags)
elif verb == "add-iam-policy-binding":
    needs(key)
    account = re.fullmatch(r"serviceAccount:(.*@.*\.iam\.gserviceaccount\.com)", flags["--member"])
    if account and account[1].split("@")[1].startswith(flags["--project"]):
        needs(f"iam service-accounts {account[1]}")
    if "@gs-project-accounts." in flags["--member"]:
        needs("agent of Cloud Storage")
    condition = flags.get("--condition", "None").partition("expression=")[2]
    state["grants"].append([flags["--role"], flags["--member"], key, condition])
elif verb == "get-iam-policy":
    needs(key)
    out = "\n".join(" ".join([role, member, condition]) for role, member, on, condition in state["grants"] if on == key)
state_file.write_text(json.dumps(state))
print(out)
