#!/usr/bin/env bash
# Sets up collection and ingestion on Google Cloud, as described in deploy/README.md. Safe to re-run: existing resources
# are kept, missing ones are created, and changed settings are updated.
set -euo pipefail

usage() {
    cat <<'END'
Usage: deploy/setup.sh [--dry-run] FLAGS

Required (as a flag or as the variable next to it):
  --project ID                      GOOGLE_CLOUD_PROJECT
  --region REGION                   GOOGLE_CLOUD_REGION
  --image IMAGE                     IMAGE           by digest (…@sha256:…) or tag
  --bucket BUCKET                   GCS_BUCKET      created if missing
  --zoom-account-id ID              ZOOM_ACCOUNT_ID
  --zoom-client-id ID               ZOOM_CLIENT_ID
  --zoom-client-secret-file FILE|-  ZOOM_CLIENT_SECRET_FILE   required until stored; `-`: standard input

Optional:                                                                    [default]
  --logs LIST                       COLLECT_LOGS    operation[,sign-in]       [operation]
  --prefix PREFIX/                  GCS_PREFIX      raw operation logs        [zoom/operationlogs/]
  --state-key KEY                   STATE_KEY       outside PREFIX            [zoom/collector/state.json]
  --output-bucket BUCKET            bucket of the events                      [BUCKET]
  --output-prefix PREFIX/           events; rejects and ledger next to it     [zoom/udm/]
  --location LOCATION               location of created buckets               [REGION]
  --name NAME                       prefix of all resource names              [zoom-udm]
  --schedule CRON                   collection schedule, UTC                  [*/15 * * * *]
  --notify                          ingest new objects immediately, and missed ones hourly
  --tasks N                         tasks of the backfill job, 1 to 16        [4]
  --ingress internal|all            ingress setting of the service            [internal]
  --feed-service-account EMAIL      grant this SecOps service account read access
  --webhook                         a second, public service that receives Zoom's webhooks
  --zoom-webhook-secret-file FILE|- ZOOM_WEBHOOK_SECRET_TOKEN_FILE   required until stored, with --webhook
  --rotate-secret                   store the given secrets as new versions
  --dry-run                         print the commands without running them
  --help

Secrets are read from a file or standard input. They never appear on a command line or in output.
Exit codes: 0 success, 2 usage or missing settings, 3 gcloud failed, 4 credentials or permission
END
}

# Prints an error and exits: CODE MESSAGE
die() {
    printf 'setup.sh: %s\n' "$2" >&2
    exit "$1"
}

# --- settings -------------------------------------------------------------------------------------------------------

project=${GOOGLE_CLOUD_PROJECT-} region=${GOOGLE_CLOUD_REGION-} image=${IMAGE-} bucket=${GCS_BUCKET-}
zoom_account_id=${ZOOM_ACCOUNT_ID-} zoom_client_id=${ZOOM_CLIENT_ID-}
zoom_client_secret_file=${ZOOM_CLIENT_SECRET_FILE-}
logs=${COLLECT_LOGS:-operation} prefix=${GCS_PREFIX:-zoom/operationlogs/} state_key=${STATE_KEY:-zoom/collector/state.json}
output_bucket='' output_prefix=zoom/udm/ location='' name=zoom-udm schedule='*/15 * * * *' tasks=4 ingress=internal
feed_service_account='' notify='' rotate_secret='' dry_run=''
webhook='' zoom_webhook_secret_file=''

while [ $# -gt 0 ]; do
    flag=${1%%=*}
    case $flag in
    --help)
        usage
        exit
        ;;
    --notify) notify=yes ;;
    --webhook) webhook=yes ;;
    --rotate-secret) rotate_secret=yes ;;
    --dry-run) dry_run=yes ;;
    --project | --region | --image | --bucket | --zoom-account-id | --zoom-client-id | --zoom-client-secret-file | \
        --logs | --prefix | --state-key | --output-bucket | --output-prefix | --location | --name | --schedule | --tasks | \
        --ingress | --feed-service-account | --zoom-webhook-secret-file)
        case $1 in
        *=*) value=${1#*=} ;;
        *)
            [ $# -gt 1 ] || die 2 "$flag requires a value"
            value=$2
            shift
            ;;
        esac
        variable=${flag#--}
        printf -v "${variable//-/_}" %s "$value"
        ;;
    *) die 2 "unknown argument $1; see --help" ;;
    esac
    shift
done
bucket=${bucket#gs://} output_bucket=${output_bucket#gs://}
output_bucket=${output_bucket:-$bucket} location=${location:-$region}

# All invalid settings are collected and reported together.
invalid=''
report() { invalid="$invalid${invalid:+; }$1"; }
# Checks that a setting has a value: FLAG VARIABLE VALUE
require() {
    [ -n "$3" ] || report "$1 or $2 is required"
}
# Checks the format of a setting, unless it is empty: FLAG VALUE PATTERN EXPECTED
validate() {
    [ -z "$2" ] || LC_ALL=C grep -Exq -- "$3" <<< "$2" || report "$1 is '$2'; expected $4"
}
require --project GOOGLE_CLOUD_PROJECT "$project"
require --region GOOGLE_CLOUD_REGION "$region"
require --image IMAGE "$image"
require --bucket GCS_BUCKET "$bucket"
require --zoom-account-id ZOOM_ACCOUNT_ID "$zoom_account_id"
require --zoom-client-id ZOOM_CLIENT_ID "$zoom_client_id"
validate --project "$project" '[a-z][a-z0-9-]{4,28}[a-z0-9]' 'a project ID'
validate --region "$region" '[a-z]+-[a-z]+[0-9]+' 'a region like us-central1'
validate --image "$image" '[^ ,|]+[@:][^ ,|/]+' 'an image with a digest or a tag'
validate --bucket "$bucket" '[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]' "a bucket's name"
validate --output-bucket "$output_bucket" '[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]' "a bucket's name"
validate --logs "$logs" 'operation|operation,sign-in' 'operation or operation,sign-in'
validate --prefix "$prefix" '([A-Za-z0-9._=-]+/)+' 'directories like zoom/operationlogs/'
validate --output-prefix "$output_prefix" '([A-Za-z0-9._=-]+/)+' 'directories like zoom/udm/'
validate --state-key "$state_key" '([A-Za-z0-9._=-]+/)+[A-Za-z0-9._=-]+[.]json' 'an object name like zoom/collector/state.json'
validate --zoom-account-id "$zoom_account_id" '[A-Za-z0-9_-]+' "a Zoom ID"
validate --zoom-client-id "$zoom_client_id" '[A-Za-z0-9_-]+' "a Zoom ID"
validate --name "$name" '[a-z][a-z0-9-]{0,18}[a-z0-9]' 'up to 20 lower-case letters, digits and hyphens'
# The service's first run creates a ledger of 16 partitions, which is the maximum number of tasks that can share it.
validate --tasks "$tasks" '[1-9]|1[0-6]' 'a number from 1 to 16'
validate --ingress "$ingress" 'internal|all' 'internal or all'
validate --feed-service-account "$feed_service_account" '[^ ,:@]+@[^ ,:@]+' 'an e-mail address without serviceAccount:'
# Sign-ins and webhooks are stored next to operation logs. Ingest reads these directories of their common parent, and
# nothing else that is there.
source_prefix=$prefix raw_prefixes=("$prefix") ingest_flags=
if [ "$logs" != operation ] || [ -n "$webhook" ]; then
    source_prefix=${prefix%/} directory=${source_prefix##*/} source_prefix=${source_prefix%"${source_prefix##*/}"}
    # The name that `collect` uses.
    sign_ins=signins
    [ "$directory" = operationlogs ] || sign_ins=$directory-signins
    [ "$logs" = operation ] || raw_prefixes+=("$source_prefix$sign_ins/")
    [ -z "$webhook" ] || raw_prefixes+=("${source_prefix}webhooks/")
    [ -n "$source_prefix" ] ||
        report "--prefix $prefix has no parent directory for sign-ins or webhooks; use two directories like zoom/operationlogs/"
fi
[ "$source_prefix" = "$prefix" ] ||
    for raw_prefix in "${raw_prefixes[@]}"; do ingest_flags="$ingest_flags --include=${raw_prefix#"$source_prefix"}**"; done
ingest_flags=${ingest_flags# }
webhook_prefix=${source_prefix}webhooks/
for raw_prefix in "${raw_prefixes[@]}"; do
    # A feed that reads the prefix would ingest the state and the events as logs, and could delete them.
    case $state_key in "$raw_prefix"*) report "--state-key $state_key is inside --prefix $raw_prefix, which feeds read" ;; esac
    # The program may replace or delete any object next to the state, so raw records must not be stored there.
    case $raw_prefix in "${state_key%/*}/"*) report "--prefix $raw_prefix is inside the directory of --state-key $state_key" ;; esac
    [ "$output_bucket" = "$bucket" ] || continue
    case $output_prefix in "$raw_prefix"*) report "--output-prefix $output_prefix is inside --prefix $raw_prefix" ;; esac
    case $raw_prefix in "$output_prefix"*) report "--prefix $raw_prefix is inside --output-prefix $output_prefix" ;; esac
done
if [ -n "$webhook" ]; then
    zoom_webhook_secret_file=${zoom_webhook_secret_file:-${ZOOM_WEBHOOK_SECRET_TOKEN_FILE-}}
elif [ -n "$zoom_webhook_secret_file" ]; then
    report '--zoom-webhook-secret-file requires --webhook'
fi
[ "$zoom_client_secret_file$zoom_webhook_secret_file" != -- ] ||
    report '--zoom-client-secret-file and --zoom-webhook-secret-file are both standard input'
# Reads a secret: FLAG FILE
read_secret() {
    value=''
    if [ "$2" = - ]; then
        value=$(cat)
    elif [ -r "$2" ]; then
        value=$(cat -- "$2")
    fi
    [ -n "$value" ] || report "$1 $2 cannot be read or is empty"
}
secret_value='' webhook_secret_value=''
if [ -n "$zoom_webhook_secret_file" ]; then
    read_secret --zoom-webhook-secret-file "$zoom_webhook_secret_file"
    webhook_secret_value=$value
fi
if [ -n "$zoom_client_secret_file" ]; then
    read_secret --zoom-client-secret-file "$zoom_client_secret_file"
    secret_value=$value
elif [ -n "$invalid" ] || { [ -n "$rotate_secret" ] && [ -z "$webhook_secret_value" ]; }; then
    require --zoom-client-secret-file ZOOM_CLIENT_SECRET_FILE ''
fi
[ -z "$invalid" ] || die 2 "missing or invalid settings: $invalid; see --help"

# shellcheck source=deploy/gcloud.sh
. "$(dirname "$0")/gcloud.sh"

# --- steps ----------------------------------------------------------------------------------------------------------

secret=$name-client-secret run_account=$name-run@$project.iam.gserviceaccount.com
push_account=$name-push@$project.iam.gserviceaccount.com
run_member=serviceAccount:$run_account push_member=serviceAccount:$push_account

query projects describe "$project" '--format=value(projectNumber)' || fail projects describe "$project"
number=$result
pubsub_agent=serviceAccount:service-$number@gcp-sa-pubsub.iam.gserviceaccount.com
storage_agent=serviceAccount:service-$number@gs-project-accounts.iam.gserviceaccount.com
# The URL that Cloud Run will give the service; it is known before the service exists.
url=https://$name-$number.$region.run.app

# Check that secret values are available before creating anything.
webhook_secret=$name-webhook-secret webhook_version=''
find_version "$secret" "$secret_value" --zoom-client-secret-file
client_version=$version
if [ -n "$webhook" ]; then
    find_version "$webhook_secret" "$webhook_secret_value" --zoom-webhook-secret-file
    webhook_version=$version
elif query run services describe "$name-webhook" "--region=$region" '--format=value(name)'; then
    # Without --webhook, new webhooks would be stored but no longer ingested.
    die 2 "the service $name-webhook exists, but --webhook is not given; pass --webhook, or stop receiving webhooks: \
gcloud run services delete $name-webhook --region=$region --project=$project"
fi

enable_apis() {
    local api missing=()
    query services list '--format=value(config.name)' --enabled || result=''
    for api in cloudscheduler iam pubsub run secretmanager storage; do
        # Not a pipe, because with pipefail it fails when grep exits before reading all input.
        grep -Fxq "$api.googleapis.com" <<< "$result" || missing+=("$api.googleapis.com")
    done
    if [ ${#missing[@]} = 0 ]; then unchanged 'all APIs are enabled'; else apply services enable "${missing[@]}"; fi
}

# Creates a bucket, or checks the settings of an existing one: BUCKET
create_bucket() {
    if ! query storage buckets describe "gs://$1" '--format=value(uniform_bucket_level_access,public_access_prevention)'; then
        apply storage buckets create "gs://$1" "--location=$location" --uniform-bucket-level-access \
            --public-access-prevention
        return
    fi
    # Other users of the bucket may rely on its settings, so an existing bucket is not changed.
    [ "$result" = "True	enforced" ] ||
        die 2 "gs://$1 exists without uniform access or public access prevention. Users who rely on its ACLs would \
lose access. If there are none, run: gcloud storage buckets update gs://$1 --uniform-bucket-level-access --public-access-prevention"
    unchanged "bucket gs://$1"
}

# Creates a service account: SUFFIX DISPLAY-NAME
create_account() {
    if query iam service-accounts describe "$name-$1@$project.iam.gserviceaccount.com" '--format=value(email)'; then
        unchanged "service account $name-$1"
    else
        apply iam service-accounts create "$name-$1" "--display-name=$2"
    fi
}

# Prints an IAM condition that matches object names with any of the prefixes: BUCKET PREFIX…
prefix_condition() {
    local in_bucket=$1 object_prefix expression=''
    shift
    for object_prefix; do
        expression="$expression${expression:+ || }resource.name.startsWith(\"projects/_/buckets/$in_bucket/objects/$object_prefix\")"
    done
    printf '%s' "$expression"
}

# The program can list, read and create raw records, but can replace or delete only its state and outputs.
grant_buckets() {
    local writable=("${state_key%/*}/")
    grant "$run_member" roles/storage.objectViewer '' 'storage buckets' "gs://$bucket"
    grant "$run_member" roles/storage.objectCreator '' 'storage buckets' "gs://$bucket"
    if [ "$output_bucket" = "$bucket" ]; then
        writable+=("$output_prefix" "${output_prefix%/}.")
    else
        grant "$run_member" roles/storage.objectUser '' 'storage buckets' "gs://$output_bucket"
    fi
    grant "$run_member" roles/storage.objectUser "$(prefix_condition "$bucket" "${writable[@]}")" 'storage buckets' "gs://$bucket"
    if [ -n "$feed_service_account" ]; then
        grant "serviceAccount:$feed_service_account" roles/storage.objectViewer '' 'storage buckets' "gs://$bucket"
    fi
}

# Settings that the service and the job share.
from=gs://$bucket/$source_prefix to=gs://$output_bucket/$output_prefix rejects=gs://$output_bucket/${output_prefix%/}.rejects/
variables="GOOGLE_CLOUD_PROJECT=$project|COLLECT_LOGS=$logs|GCS_BUCKET=$bucket|GCS_PREFIX=$prefix|STATE_KEY=$state_key"
variables="$variables|ZOOM_ACCOUNT_ID=$zoom_account_id|ZOOM_CLIENT_ID=$zoom_client_id"
variables="$variables|ZOOM_CLIENT_SECRET_FILE=/secrets/zoom-client-secret|INGEST_FROM=$from|INGEST_TO=$to|INGEST_REJECTS=$rejects"
variables="$variables|INGEST_FLAGS=$ingest_flags"
settings=(
    "--image=$image" "--service-account=$run_account" --cpu=1 --memory=1Gi "--set-env-vars=^|^$variables"
)

# One instance, because pushes that arrive during a run join it or wait for the next run of the same instance. The CPU
# is not throttled between requests, because a run continues when its caller disconnects. The program accepts
# unauthenticated requests because Cloud Run checks the token and strips its signature.
deploy_service() {
    create_or_update 'run services' "$name" "${settings[@]}" \
        --args=serve,--collect,--ingest,--allow-unauthenticated \
        --no-allow-unauthenticated "--ingress=$ingress" --concurrency=80 --max-instances=1 --timeout=600 \
        --no-cpu-throttling
    grant "$push_member" roles/run.invoker '' 'run services' "$name"
    grant "$pubsub_agent" roles/iam.serviceAccountOpenIdTokenCreator '' 'iam service-accounts' "$push_account"
}

# The public service for webhooks has an account of its own, which can create and read webhook objects and nothing else.
# It needs no token from callers, because the program checks Zoom's signature. One instance, because each instance
# recognizes only the repeated deliveries that it received itself.
deploy_webhook() {
    local account=$name-webhook@$project.iam.gserviceaccount.com condition
    condition=$(prefix_condition "$bucket" "$webhook_prefix")
    create_account webhook 'Zoom webhooks: reception'
    grant "serviceAccount:$account" roles/storage.objectCreator "$condition" 'storage buckets' "gs://$bucket"
    grant "serviceAccount:$account" roles/storage.objectViewer "$condition" 'storage buckets' "gs://$bucket"
    store_secret "$webhook_secret" "$webhook_secret_value" "$webhook_version" "serviceAccount:$account"
    create_or_update 'run services' "$name-webhook" "--image=$image" "--service-account=$account" --cpu=1 --memory=512Mi \
        "--set-env-vars=^|^GOOGLE_CLOUD_PROJECT=$project|ZOOM_WEBHOOK_SECRET_TOKEN_FILE=/secrets/zoom-webhook-secret" \
        "--set-secrets=/secrets/zoom-webhook-secret=$webhook_secret:$version" \
        "--args=serve,--webhook,--webhook-to=gs://$bucket/$webhook_prefix" \
        --no-allow-unauthenticated --ingress=all --concurrency=1000 --max-instances=1 --timeout=10
    grant allUsers roles/run.invoker '' 'run services' "$name-webhook"
}

# A killed task leaves a lease, and its next attempt exits at once until the lease expires. The lease is therefore short,
# and the number of retries is high enough to outlast it.
deploy_job() {
    create_or_update 'run jobs' "$name-backfill" "${settings[@]}" \
        "--args=ingest,$from,--to=$to,--rejects=$rejects,--max-age=none,--lease=30s${ingest_flags:+,${ingest_flags// /,}}" \
        "--tasks=$tasks" "--parallelism=$tasks" --max-retries=10 --task-timeout=3600
}

# Creates a topic and a push subscription to a path of the service; messages that fail repeatedly go to the dead-letter
# topic: NAME PATH ATTEMPTS
push_topic() {
    create_if_missing 'pubsub topics' "$name-$1"
    create_or_update 'pubsub subscriptions' "$name-$1" "--push-endpoint=$url$2" "--push-auth-service-account=$push_account" \
        "--push-auth-token-audience=$url" --ack-deadline=600 --min-retry-delay=10s --max-retry-delay=600s \
        "--dead-letter-topic=$name-dead-letter" "--max-delivery-attempts=$3" --expiration-period=never \
        --message-retention-duration=7d -- "--topic=$name-$1"
    grant "$pubsub_agent" roles/pubsub.subscriber '' 'pubsub subscriptions' "$name-$1"
}

dead_letter_topic() {
    create_if_missing 'pubsub topics' "$name-dead-letter"
    create_if_missing 'pubsub subscriptions' "$name-dead-letter" "--topic=$name-dead-letter" --expiration-period=never \
        --message-retention-duration=31d
    grant "$pubsub_agent" roles/pubsub.publisher '' 'pubsub topics' "$name-dead-letter"
}

# Creates or updates a schedule that publishes to the topic of the same name: NAME CRON
create_schedule() {
    local action=update attributes=--update-attributes expected
    expected=$(printf '%s\tEtc/UTC\tprojects/%s/topics/%s' "$2" "$project" "$1")
    if ! query scheduler jobs describe "$1" "--location=$region" \
        '--format=value(schedule,timeZone,pubsubTarget.topicName)'; then
        action=create attributes=--attributes
    elif [ "$result" = "$expected" ]; then
        unchanged "schedule $1"
        return
    fi
    # The attribute is needed because Pub/Sub rejects an empty message.
    apply scheduler jobs "$action" pubsub "$1" "--location=$region" "--schedule=$2" --time-zone=Etc/UTC \
        "--topic=projects/$project/topics/$1" "$attributes=run=all"
}

notify_on_new_objects() {
    # Cloud Storage's service agent is created on the first query; a grant to it fails before that.
    [ -n "$dry_run" ] || query storage service-agent || fail storage service-agent
    grant "$storage_agent" roles/pubsub.publisher '' 'pubsub topics' "$name-objects"
    query storage buckets notifications list "gs://$bucket" --format=json || result=''
    local listed='' raw_prefix missing=()
    if grep -Fq "/projects/$project/topics/$name-objects\"" <<< "$result"; then listed=$result; fi
    for raw_prefix in "${raw_prefixes[@]}"; do
        if grep -Fq "\"$raw_prefix\"" <<< "$listed"; then
            unchanged "notifications of gs://$bucket/$raw_prefix"
        else
            missing+=("$raw_prefix")
        fi
    done
    [ -z "$listed" ] || [ ${#missing[@]} -lt ${#raw_prefixes[@]} ] ||
        die 2 "gs://$bucket notifies topic $name-objects about a prefix other than ${raw_prefixes[*]}; find it with gcloud \
storage buckets notifications list gs://$bucket, delete it, and run setup.sh again"
    for raw_prefix in ${missing[@]+"${missing[@]}"}; do
        apply storage buckets notifications create "gs://$bucket" "--topic=projects/$project/topics/$name-objects" \
            --event-types=OBJECT_FINALIZE "--object-prefix=$raw_prefix" --payload-format=json --skip-topic-setup
    done
}

enable_apis
create_bucket "$bucket"
[ "$output_bucket" = "$bucket" ] || create_bucket "$output_bucket"
create_account run 'Zoom operation logs: collection and ingestion'
create_account push 'Zoom operation logs: push subscriptions'
grant_buckets
store_secret "$secret" "$secret_value" "$client_version" "$run_member"
settings+=("--set-secrets=/secrets/zoom-client-secret=$secret:$version")
deploy_service
dead_letter_topic
push_topic collect /collect 10
if [ -n "$notify" ]; then
    push_topic objects /ingest 20
    notify_on_new_objects
    create_schedule "$name-objects" '7 * * * *'
fi
create_schedule "$name-collect" "$schedule"
deploy_job
# Last, because an organization policy can refuse access for allUsers.
[ -z "$webhook" ] || deploy_webhook

printf '%s\n' "" "Service URL: $url" \
    "Collect now: gcloud scheduler jobs run $name-collect --location=$region --project=$project" \
    "Ingest existing objects: gcloud run jobs execute $name-backfill --region=$region --project=$project"
[ -z "$webhook" ] || printf '%s\n' "Webhook URL, for the app's event subscription: https://$name-webhook-$number.$region.run.app/webhook"
