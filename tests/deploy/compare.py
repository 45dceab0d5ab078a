"""Checks that deploy/setup.sh and deploy/terraform create the same resources, settings and role grants, and, if gcloud is
installed, that it accepts the commands of setup.sh.

    compare.py WORK-DIRECTORY

setup.sh runs with the fake gcloud, which records its calls. Both sides are reduced to a map, from (kind, name) to settings,
and a set of grants (role, member, resource kind, resource name, condition).
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
REQUIRED = {
    "project": "my-project",
    "region": "us-central1",
    "image": "us-docker.pkg.dev/p/r/zoom-udm@sha256:00",
    "bucket": "my-logs",
    "zoom_account_id": "account",
    "zoom_client_id": "client",
}
# setup.sh names the version that it stores; Terraform is told.
VERSIONS = {"client_secret_version": "1", "webhook_secret_version": "1"}
CASES = [
    {},
    {"notify": True, "feed_service_account": "feed@elsewhere.iam.gserviceaccount.com"},
    {"notify": True, "output_bucket": "my-events", "location": "EU", "name": "zoom", "tasks": 9, "schedule": "0 * * * *"},
    {"webhook": True, "notify": True, "name": "zoom"},
    {"webhook": True, "logs": "operation,sign-in", "prefix": "raw/of/zoom/"},
    {"notify": True, "logs": "operation,sign-in"},
    {"logs": "operation,sign-in", "prefix": "raw/of/zoom/", "output_prefix": "raw/events/"},
    {"prefix": "raw/", "output_prefix": "events/of/zoom/", "state_key": "own/there/state.json"},
]


def run_setup(work, settings):
    """Runs setup.sh for the first time with the settings; returns its gcloud calls as lists of arguments."""
    shutil.rmtree(work, ignore_errors=True)
    (work / "bin").mkdir(parents=True)
    (work / "bin/gcloud").write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'tests/deploy/fake_gcloud.py'))} \"$@\"\n")
    (work / "bin/gcloud").chmod(0o755)
    flags = [f"--{name.replace('_', '-')}" if value is True else f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    environment = {"PATH": f"{work}/bin:{os.environ['PATH']}", "GCLOUD_STATE": str(work), "SETUP_PAUSE": "0"}
    (work / "webhook-secret").write_text("hush-webhook")
    command = [ROOT / "deploy/setup.sh", *flags, "--zoom-client-secret-file=-"]
    if settings.get("webhook"):
        command.append(f"--zoom-webhook-secret-file={work}/webhook-secret")
    subprocess.run(command, env=environment, input="hush", text=True, check=True, stdout=subprocess.DEVNULL)
    return [json.loads(line) for line in (work / "calls").read_text().splitlines()]


def parse_pairs(text, separator=","):
    return dict(pair.split("=", 1) for pair in text.split(separator))


def container(get, environment, mount):
    """Returns the settings that a service and a job have in common."""
    return {"image": get("image"), "environment": environment, "secret": mount, "cpu": get("cpu"), "memory": get("memory"), "args": get("args")}


def resources_of_setup(calls):
    """Returns the resources and grants that the calls of setup.sh create."""
    resources, grants = {}, set()
    for call in calls:
        words = " ".join(word for word in call if not word.startswith("--"))
        flag = dict((word.removeprefix("--").split("=", 1) + [""])[:2] for word in call if word.startswith("--"))
        name = words.split()[-1].removeprefix("gs://")
        if "add-iam-policy-binding" in words:
            condition = flag.get("condition", "None").partition("expression=")[2]
            grants.add((flag["role"], flag["member"], words.split(" add-")[0], name, condition))
        elif words.startswith("services enable"):
            resources.update({("API", api): {} for api in words.split()[2:]})
        elif words.startswith("storage buckets create"):
            resources["bucket", name] = {"location": flag["location"], "private": {"uniform-bucket-level-access", "public-access-prevention"} <= set(flag)}
        elif words.startswith("iam service-accounts create"):
            resources["service account", name] = {"display name": flag["display-name"]}
        elif words.startswith("secrets create"):
            resources["secret", name] = {"replication": flag["replication-policy"]}
        elif words.startswith("pubsub topics create"):
            resources["topic", name] = {}
        elif words.startswith("pubsub subscriptions create"):
            resources["subscription", name] = {
                "topic": flag["topic"], "endpoint": flag.get("push-endpoint"), "account": flag.get("push-auth-service-account"),
                "audience": flag.get("push-auth-token-audience"), "ack": flag.get("ack-deadline"), "dead letter": flag.get("dead-letter-topic"),
                "attempts": flag.get("max-delivery-attempts"), "backoff": [flag.get("min-retry-delay"), flag.get("max-retry-delay")],
                "retention": f"{int(flag['message-retention-duration'][:-1]) * 86400}s", "expires": flag["expiration-period"] != "never",
            }
        elif words.startswith(("run deploy", "run jobs create")):
            get = lambda key, flag=flag: flag[key].split(",") if key == "args" else flag[key]
            path, _, secret = flag["set-secrets"].partition("=")
            settings = container(get, parse_pairs(flag["set-env-vars"].removeprefix("^|^"), "|"), [path, secret])
            settings["account"] = flag["service-account"]
            if "jobs" in words:
                settings |= {key: flag[key] for key in ("tasks", "parallelism", "max-retries")} | {"timeout": flag["task-timeout"]}
            else:
                settings |= {key: flag[key] for key in ("concurrency", "max-instances", "timeout", "ingress")}
                settings["throttled"] = "no-cpu-throttling" not in flag
                assert "no-allow-unauthenticated" in flag
            resources["job" if "jobs" in words else "service", name] = settings
        elif words.startswith("scheduler jobs create"):
            resources["schedule", name] = {"schedule": [flag["schedule"], flag["time-zone"]], "topic": flag["topic"].split("/")[-1], "attributes": parse_pairs(flag["attributes"])}
        elif words.startswith("storage buckets notifications create"):
            resources["notification", f"{name}/{flag['object-prefix']}"] = {"topic": flag["topic"].split("/")[-1], "events": flag["event-types"]}
        else:
            ignored = ("describe", "get-iam-policy", "list", "secrets versions add", "storage service-agent")
            assert any(action in words for action in ignored), f"compare.py does not handle this call: {call}"
    return resources, grants


# From the Terraform kind of a grant to the gcloud command group and the attribute that names the resource.
GRANTS = {
    "google_storage_bucket_iam_member": ("storage buckets", "bucket"),
    "google_secret_manager_secret_iam_member": ("secrets", "secret_id"),
    "google_cloud_run_v2_service_iam_member": ("run services", "name"),
    "google_service_account_iam_member": ("iam service-accounts", "service_account_id"),
    "google_pubsub_topic_iam_member": ("pubsub topics", "topic"),
    "google_pubsub_subscription_iam_member": ("pubsub subscriptions", "subscription"),
}


def resources_of_terraform(module):
    """Returns the resources and grants that a Terraform module creates."""
    resources, grants = {}, set()
    for kind, _, body in module.instances():
        block = lambda *path, body=body: nested(body, path)
        if kind in GRANTS:
            group, attribute = GRANTS[kind]
            grants.add((body["role"], body["member"], group, body[attribute], block("condition", "expression") or ""))
        elif kind == "google_project_service":
            resources["API", body["service"]] = {}
        elif kind == "google_storage_bucket":
            resources["bucket", body["name"]] = {"location": body["location"], "private": body["uniform_bucket_level_access"] and body["public_access_prevention"] == "enforced"}
        elif kind == "google_service_account":
            resources["service account", body["account_id"]] = {"display name": body["display_name"]}
        elif kind == "google_secret_manager_secret":
            resources["secret", body["secret_id"]] = {"replication": "automatic" if "auto" in body["replication"][0] else "?"}
        elif kind == "google_pubsub_topic":
            resources["topic", body["name"]] = {}
        elif kind == "google_pubsub_subscription":
            text = lambda value: None if value is None else str(value)
            resources["subscription", body["name"]] = {
                "topic": body["topic"], "endpoint": block("push_config", "push_endpoint"), "account": block("push_config", "oidc_token", "service_account_email"),
                "audience": block("push_config", "oidc_token", "audience"), "ack": text(body.get("ack_deadline_seconds")), "dead letter": block("dead_letter_policy", "dead_letter_topic"),
                "attempts": text(block("dead_letter_policy", "max_delivery_attempts")), "backoff": [block("retry_policy", "minimum_backoff"), block("retry_policy", "maximum_backoff")],
                "retention": body["message_retention_duration"], "expires": block("expiration_policy", "ttl") != "",
            }
        elif kind in ("google_cloud_run_v2_service", "google_cloud_run_v2_job"):
            job = kind.endswith("job")
            outer = body["template"][0]
            inner = outer["template"][0] if job else outer
            spec = inner["containers"][0]
            get = lambda key, spec=spec: spec["resources"][0]["limits"][key] if key in ("cpu", "memory") else spec[key]
            volume, item = inner["volumes"][0]["secret"][0], inner["volumes"][0]["secret"][0]["items"][0]
            mount = [f"{spec['volume_mounts'][0]['mount_path']}/{item['path']}", f"{volume['secret']}:{item['version']}"]
            settings = container(get, spec["env"], mount) | {"account": inner["service_account"], "timeout": inner["timeout"].removesuffix("s")}
            if job:
                settings |= {"tasks": str(outer["task_count"]), "parallelism": str(outer["parallelism"]), "max-retries": str(inner["max_retries"])}
            else:
                ingress = {"INGRESS_TRAFFIC_INTERNAL_ONLY": "internal", "INGRESS_TRAFFIC_ALL": "all"}[body["ingress"]]
                settings["throttled"] = spec["resources"][0].get("cpu_idle", True)
                settings |= {"concurrency": str(inner["max_instance_request_concurrency"]), "max-instances": str(inner["scaling"][0]["max_instance_count"]), "ingress": ingress}
            resources["job" if job else "service", body["name"]] = settings
        elif kind == "google_cloud_scheduler_job":
            resources["schedule", body["name"]] = {
                "schedule": [body["schedule"], body["time_zone"]], "topic": block("pubsub_target", "topic_name"), "attributes": block("pubsub_target", "attributes"),
            }
        elif kind == "google_storage_notification":
            resources["notification", f"{body['bucket']}/{body['object_name_prefix']}"] = {"topic": body["topic"], "events": ",".join(body["event_types"])}
        else:
            sys.exit(f"compare.py does not handle this Terraform resource: {kind}")
    return resources, grants


def nested(body, path):
    """Returns the attribute at a path of nested blocks, or None."""
    for key in path:
        body = body[0] if isinstance(body, list) else body
        body = (body or {}).get(key)
    return body


def differences(case, setup, terraform):
    """Yields a message for each difference between two pairs of resources and grants."""
    sections = (("resources", setup[0], terraform[0]), ("grants", dict.fromkeys(setup[1]), dict.fromkeys(terraform[1])))
    for kind, left, right in sections:
        for key in sorted(left.keys() | right.keys(), key=str):
            if key not in left or key not in right:
                yield f"{case}: {kind}: {key} only in {'setup.sh' if key in left else 'Terraform'}"
            elif left[key] != right[key]:
                yield f"{case}: {key}: setup.sh {left[key]}, Terraform {right[key]}"


def lint_with_gcloud(calls, work):
    """Lets gcloud parse the commands without running them, which needs neither a login nor a network."""
    if not shutil.which("gcloud"):
        print("skipped: gcloud lint (gcloud is not installed)")
        return
    commands = sorted({shlex.join(["gcloud", *call]) for call in calls})
    (work / "commands.json").write_text(json.dumps([{"command_string": command} for command in commands]))
    environment = os.environ | {"CLOUDSDK_CONFIG": str(work / "config"), "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true"}
    command = ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={work}/commands.json"]
    linted = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    try:
        results = json.loads(linted.stdout)
    except ValueError:
        print(f"skipped: gcloud lint (not supported by this version: {(linted.stderr or linted.stdout).strip()[:200]})")
        return
    errors = [f"{result['command_string']}\n    {result.get('error_message')}" for result in results if not result["success"]]
    if errors or len(results) != len(commands):
        sys.exit("gcloud rejects these commands:\n" + "\n".join(errors))
    print(f"gcloud accepts all {len(commands)} commands")


def main():
    work = pathlib.Path(sys.argv[1]).resolve()
    calls, found = [], []
    for number, case in enumerate(CASES):
        case_calls = run_setup(work / f"case{number}", REQUIRED | case)
        calls += case_calls
        from_setup, from_terraform = resources_of_setup(case_calls), resources_of_terraform(terraform.Module(ROOT / "deploy/terraform", REQUIRED | VERSIONS | case))
        found += differences(case, from_setup, from_terraform)
        print(f"{case or 'defaults'}: {len(from_setup[0])} resources, {len(from_setup[1])} grants")
    if found:
        sys.exit("\n".join(found))
    print("setup.sh and Terraform create the same resources")
    lint_with_gcloud(calls, work)


main()
