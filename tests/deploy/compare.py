"""Holds deploy/setup.sh and deploy/terraform to the same things, settings and roles, and setup.sh's calls to gcloud's
own reading of them where a gcloud is installed.

    compare.py WORK-DIRECTORY
"""

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys

import terraform

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEEDED = {
    "project": "my-project",
    "region": "us-central1",
    "image": "us-docker.pkg.dev/p/r/zoom-udm@sha256:00",
    "bucket": "my-logs",
    "zoom_account_id": "account",
    "zoom_client_id": "client",
}
CASES = [
    {},
    {"notify": True, "feed_service_account": "feed@elsewhere.iam.gserviceaccount.com"},
    {"notify": True, "output_bucket": "my-events", "location": "EU", "name": "zoom", "tasks": 9, "schedule": "0 * * * *"},
    {"prefix": "raw/", "output_prefix": "events/of/zoom/", "state_key": "own/there/state.json"},
]


def recorded(work, settings):
    """The calls of a first run of setup.sh that change something."""
    shutil.rmtree(work, ignore_errors=True)
    (work / "bin").mkdir(parents=True)
    (work / "bin/gcloud").write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'tests/deploy/fake_gcloud.py'))} \"$@\"\n")
    (work / "bin/gcloud").chmod(0o755)
    flags = [f"--{name.replace('_', '-')}" if value is True else f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    environment = {"PATH": f"{work}/bin:{os.environ['PATH']}", "GCLOUD_STATE": str(work), "SETUP_PAUSE": "0"}
    command = [ROOT / "deploy/setup.sh", *flags, "--zoom-client-secret-file=-"]
    subprocess.run(command, env=environment, input="hush", text=True, check=True, stdout=subprocess.DEVNULL)
    return [json.loads(line) for line in (work / "calls").read_text().splitlines()]


def parts(listed, separator=","):
    return dict(part.split("=", 1) for part in listed.split(separator))


def container(get, environment, mount):
    return {"image": get("image"), "environment": environment, "secret": mount, "cpu": get("cpu"), "memory": get("memory"), "args": get("args")}


def of_setup(calls):
    """Things by kind and name, and grants."""
    things, grants = {}, set()
    for call in calls:
        words = " ".join(word for word in call if not word.startswith("--"))
        flag = dict((word.removeprefix("--").split("=", 1) + [""])[:2] for word in call if word.startswith("--"))
        name = words.split()[-1].removeprefix("gs://")
        if "add-iam-policy-binding" in words:
            condition = flag.get("condition", "None").partition("expression=")[2]
            grants.add((flag["role"], flag["member"], words.split(" add-")[0], name, condition))
        elif words.startswith("services enable"):
            things.update({("service of Google", api): {} for api in words.split()[2:]})
        elif words.startswith("storage buckets create"):
            things["bucket", name] = {"location": flag["location"], "guarded": {"uniform-bucket-level-access", "public-access-prevention"} <= set(flag)}
        elif words.startswith("iam service-accounts create"):
            things["account", name] = {"for": flag["display-name"]}
        elif words.startswith("secrets create"):
            things["secret", name] = {"replication": flag["replication-policy"]}
        elif words.startswith("pubsub topics create"):
            things["topic", name] = {}
        elif words.startswith("pubsub subscriptions create"):
            things["subscription", name] = {
                "topic": flag["topic"], "endpoint": flag.get("push-endpoint"), "account": flag.get("push-auth-service-account"),
                "audience": flag.get("push-auth-token-audience"), "ack": flag.get("ack-deadline"), "dead": flag.get("dead-letter-topic"),
                "attempts": flag.get("max-delivery-attempts"), "pauses": [flag.get("min-retry-delay"), flag.get("max-retry-delay")],
                "kept": f"{int(flag['message-retention-duration'][:-1]) * 86400}s", "ends": flag["expiration-period"] != "never",
            }
        elif words.startswith(("run deploy", "run jobs create")):
            get = lambda key, flag=flag: flag[key].split(",") if key == "args" else flag[key]
            path, _, secret = flag["set-secrets"].partition("=")
            told = container(get, parts(flag["set-env-vars"].removeprefix("^|^"), "|"), [path, secret])
            told["account"] = flag["service-account"]
            if "jobs" in words:
                told |= {key: flag[key] for key in ("tasks", "parallelism", "max-retries")} | {"timeout": flag["task-timeout"]}
            else:
                told |= {key: flag[key] for key in ("concurrency", "max-instances", "timeout", "ingress")}
                told["throttled"] = "no-cpu-throttling" not in flag
                assert "no-allow-unauthenticated" in flag
            things["job" if "jobs" in words else "service", name] = told
        elif words.startswith("scheduler jobs create"):
            things["schedule", name] = {"when": [flag["schedule"], flag["time-zone"]], "topic": flag["topic"].split("/")[-1], "attributes": parts(flag["attributes"])}
        elif words.startswith("storage buckets notifications create"):
            things["notification", name] = {"topic": flag["topic"].split("/")[-1], "of": flag["event-types"], "prefix": flag["object-prefix"]}
        else:
            verbs = ("describe", "get-iam-policy", "list", "secrets versions add", "storage service-agent")
            assert any(verb in words for verb in verbs), f"a call that nothing is held against: {call}"
    return things, grants


# Kind of Terraform's grant: the commands of gcloud, and which attribute says on what.
GRANTS = {
    "google_storage_bucket_iam_member": ("storage buckets", "bucket"),
    "google_secret_manager_secret_iam_member": ("secrets", "secret_id"),
    "google_cloud_run_v2_service_iam_member": ("run services", "name"),
    "google_service_account_iam_member": ("iam service-accounts", "service_account_id"),
    "google_pubsub_topic_iam_member": ("pubsub topics", "topic"),
    "google_pubsub_subscription_iam_member": ("pubsub subscriptions", "subscription"),
}


def of_terraform(module):
    things, grants = {}, set()
    for kind, _, body in module.made():
        block = lambda *path, body=body: step(body, path)
        if kind in GRANTS:
            group, on = GRANTS[kind]
            grants.add((body["role"], body["member"], group, body[on], block("condition", "expression") or ""))
        elif kind == "google_project_service":
            things["service of Google", body["service"]] = {}
        elif kind == "google_storage_bucket":
            things["bucket", body["name"]] = {"location": body["location"], "guarded": body["uniform_bucket_level_access"] and body["public_access_prevention"] == "enforced"}
        elif kind == "google_service_account":
            things["account", body["account_id"]] = {"for": body["display_name"]}
        elif kind == "google_secret_manager_secret":
            things["secret", body["secret_id"]] = {"replication": "automatic" if "auto" in body["replication"][0] else "?"}
        elif kind == "google_pubsub_topic":
            things["topic", body["name"]] = {}
        elif kind == "google_pubsub_subscription":
            text = lambda value: None if value is None else str(value)
            things["subscription", body["name"]] = {
                "topic": body["topic"], "endpoint": block("push_config", "push_endpoint"), "account": block("push_config", "oidc_token", "service_account_email"),
                "audience": block("push_config", "oidc_token", "audience"), "ack": text(body.get("ack_deadline_seconds")), "dead": block("dead_letter_policy", "dead_letter_topic"),
                "attempts": text(block("dead_letter_policy", "max_delivery_attempts")), "pauses": [block("retry_policy", "minimum_backoff"), block("retry_policy", "maximum_backoff")],
                "kept": body["message_retention_duration"], "ends": block("expiration_policy", "ttl") != "",
            }
        elif kind in ("google_cloud_run_v2_service", "google_cloud_run_v2_job"):
            job = kind.endswith("job")
            outer = body["template"][0]
            inner = outer["template"][0] if job else outer
            held = inner["containers"][0]
            get = lambda key, held=held: held["resources"][0]["limits"][key] if key in ("cpu", "memory") else held[key]
            volume, item = inner["volumes"][0]["secret"][0], inner["volumes"][0]["secret"][0]["items"][0]
            mount = [f"{held['volume_mounts'][0]['mount_path']}/{item['path']}", f"{volume['secret']}:{item['version']}"]
            told = container(get, held["env"], mount) | {"account": inner["service_account"], "timeout": inner["timeout"].removesuffix("s")}
            if job:
                told |= {"tasks": str(outer["task_count"]), "parallelism": str(outer["parallelism"]), "max-retries": str(inner["max_retries"])}
            else:
                ingress = {"INGRESS_TRAFFIC_INTERNAL_ONLY": "internal", "INGRESS_TRAFFIC_ALL": "all"}[body["ingress"]]
                told["throttled"] = held["resources"][0].get("cpu_idle", True)
                told |= {"concurrency": str(inner["max_instance_request_concurrency"]), "max-instances": str(inner["scaling"][0]["max_instance_count"]), "ingress": ingress}
            things["job" if job else "service", body["name"]] = told
        elif kind == "google_cloud_scheduler_job":
            things["schedule", body["name"]] = {
                "when": [body["schedule"], body["time_zone"]], "topic": block("pubsub_target", "topic_name"), "attributes": block("pubsub_target", "attributes"),
            }
        elif kind == "google_storage_notification":
            things["notification", body["bucket"]] = {"topic": body["topic"], "of": ",".join(body["event_types"]), "prefix": body["object_name_prefix"]}
        else:
            sys.exit(f"Terraform makes a {kind}, which nothing is held against")
    return things, grants


def step(body, path):
    for key in path:
        body = body[0] if isinstance(body, list) else body
        body = (body or {}).get(key)
    return body


def differences(case, ours, theirs):
    for kind, left, right in (("things", ours[0], theirs[0]), ("grants", dict.fromkeys(ours[1]), dict.fromkeys(theirs[1]))):
        for key in sorted(left.keys() | right.keys(), key=str):
            if key not in left or key not in right:
                yield f"{case}: {kind}: {key} only in {'setup.sh' if key in left else 'Terraform'}"
            elif left[key] != right[key]:
                yield f"{case}: {key}: setup.sh {left[key]}, Terraform {right[key]}"


def read_by_gcloud(calls, work):
    """gcloud reads commands without running them; it needs no login and no network for that."""
    if not shutil.which("gcloud"):
        print("not read by gcloud itself: it is not installed here")
        return
    commands = sorted({shlex.join(["gcloud", *call]) for call in calls})
    (work / "commands.json").write_text(json.dumps([{"command_string": command} for command in commands]))
    environment = os.environ | {"CLOUDSDK_CONFIG": str(work / "config"), "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true"}
    command = ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={work}/commands.json"]
    read = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    try:
        answers = json.loads(read.stdout)
    except ValueError:
        print(f"not read by gcloud itself: this one cannot ({(read.stderr or read.stdout).strip()[:200]})")
        return
    wrong = [f"{answer['command_string']}\n    {answer.get('error_message')}" for answer in answers if not answer["success"]]
    if wrong or len(answers) != len(commands):
        sys.exit("gcloud does not understand:\n" + "\n".join(wrong))
    print(f"gcloud understands all {len(commands)} commands")


def main():
    work = pathlib.Path(sys.argv[1]).resolve()
    calls, troubles = [], []
    for number, case in enumerate(CASES):
        of_case = recorded(work / f"case{number}", NEEDED | case)
        calls += of_case
        ours, theirs = of_setup(of_case), of_terraform(terraform.Module(ROOT / "deploy/terraform", NEEDED | case))
        troubles += differences(case, ours, theirs)
        print(f"{case or 'defaults'}: {len(ours[0])} things, {len(ours[1])} grants")
    if troubles:
        sys.exit("\n".join(troubles))
    print("setup.sh and Terraform agree")
    read_by_gcloud(calls, work)


main()
