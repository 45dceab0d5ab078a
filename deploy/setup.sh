#!/usr/bin/env bash
# Sets up collecting and ingesting on Google Cloud, as deploy/README.md describes it. May be run again at any time: what
# is there is left, what is missing is made, what was set otherwise is set anew.
set -euo pipefail

usage() {
    cat <<'END'
Usage: deploy/setup.sh [--dry-run] FLAGS

Needed (a flag, or the variable behind it):
  --project ID                      GOOGLE_CLOUD_PROJECT
  --region REGION                   GOOGLE_CLOUD_REGION
  --image IMAGE                     IMAGE           by digest (…@sha256:…) or tag
  --bucket BUCKET                   GCS_BUCKET      made if there is none
  --zoom-account-id ID              ZOOM_ACCOUNT_ID
  --zoom-client-id ID               ZOOM_CLIENT_ID
  --zoom-client-secret-file FILE|-  ZOOM_CLIENT_SECRET_FILE   until Secret Manager has a value; `-` is standard input

May be given:
  --prefix PREFIX/                  GCS_PREFIX      raw records               [zoom/operationlogs/]
  --state-key KEY                   STATE_KEY       outside of PREFIX         [zoom/collector/state.json]
  --output-bucket BUCKET            events          [the same]
  --output-prefix PREFIX/           events; rejects and ledger lie beside it  [zoom/udm/]
  --location LOCATION               of buckets that are made                  [REGION]
  --name NAME                       what all names begin with                 [zoom-udm]
  --schedule CRON                   when to collect, UTC                      [*/15 * * * *]
  --notify                          each new object is ingested at once; hourly, what was missed
  --tasks N                         tasks of the backfill job, 1 to 16        [4]
  --ingress internal|all            from where the service can be reached     [internal]
  --feed-service-account EMAIL      SecOps' account may read the bucket
  --rotate-secret                   store the secret again, as a new version
  --dry-run                         look, and print the commands that would change something
  --help

The secret is read from a file or standard input; it is on no command line and is never printed.
Exit codes: 0 done, 2 usage or missing settings, 3 gcloud failed, 4 credentials or permission
END
}

die() { # CODE MESSAGE
    printf 'setup.sh: %s\n' "$2" >&2
    exit "$1"
}

# --- settings -------------------------------------------------------------------------------------------------------

project=${GOOGLE_CLOUD_PROJECT-} region=${GOOGLE_CLOUD_REGION-} image=${IMAGE-} bucket=${GCS_BUCKET-}
zoom_account_id=${ZOOM_ACCOUNT_ID-} zoom_client_id=${ZOOM_CLIENT_ID-}
zoom_client_secret_file=${ZOOM_CLIENT_SECRET_FILE-}
prefix=${GCS_PREFIX:-zoom/operationlogs/} state_key=${STATE_KEY:-zoom/collector/state.json}
output_bucket='' output_prefix=zoom/udm/ location='' name=zoom-udm schedule='*/15 * * * *' tasks=4 ingress=internal
feed_service_account='' notify='' rotate_secret='' dry_run=''

while [ $# -gt 0 ]; do
    flag=${1%%=*}
    case $flag in
    --help)
        usage
        exit
        ;;
    --notify) notify=yes ;;
    --rotate-secret) rotate_secret=yes ;;
    --dry-run) dry_run=yes ;;
    --project | --region | --image | --bucket | --zoom-account-id | --zoom-client-id | --zoom-client-secret-file | \
        --prefix | --state-key | --output-bucket | --output-prefix | --location | --name | --schedule | --tasks | \
        --ingress | --feed-service-account)
        case $1 in
        *=*) value=${1#*=} ;;
        *)
            [ $# -gt 1 ] || die 2 "$flag needs a value"
            value=$2
            shift
            ;;
        esac
        variable=${flag#--}
        printf -v "${variable//-/_}" %s "$value"
        ;;
    *) die 2 "$1 is no flag of this; see --help" ;;
    esac
    shift
done
bucket=${bucket#gs://} output_bucket=${output_bucket#gs://}
output_bucket=${output_bucket:-$bucket} location=${location:-$region}

troubles=''
trouble() { troubles="$troubles${troubles:+; }$1"; }
needs() { # FLAG VARIABLE VALUE
    [ -n "$3" ] || trouble "$1 is not given (nor $2 set)"
}
fits() { # FLAG VALUE PATTERN EXPECTED
    [ -z "$2" ] || LC_ALL=C grep -Exq -- "$3" <<< "$2" || trouble "$1 is '$2'; expected $4"
}
needs --project GOOGLE_CLOUD_PROJECT "$project"
needs --region GOOGLE_CLOUD_REGION "$region"
needs --image IMAGE "$image"
needs --bucket GCS_BUCKET "$bucket"
needs --zoom-account-id ZOOM_ACCOUNT_ID "$zoom_account_id"
needs --zoom-client-id ZOOM_CLIENT_ID "$zoom_client_id"
fits --project "$project" '[a-z][a-z0-9-]{4,28}[a-z0-9]' 'a project id'
fits --region "$region" '[a-z]+-[a-z]+[0-9]+' 'a region like us-central1'
fits --image "$image" '[^ ,|]+[@:][^ ,|/]+' 'an image with a digest or a tag'
fits --bucket "$bucket" '[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]' "a bucket's name"
fits --output-bucket "$output_bucket" '[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]' "a bucket's name"
fits --prefix "$prefix" '([A-Za-z0-9._=-]+/)+' 'directories like zoom/operationlogs/'
fits --output-prefix "$output_prefix" '([A-Za-z0-9._=-]+/)+' 'directories like zoom/udm/'
fits --state-key "$state_key" '([A-Za-z0-9._=-]+/)+[A-Za-z0-9._=-]+[.]json' 'a place like zoom/collector/state.json'
fits --zoom-account-id "$zoom_account_id" '[A-Za-z0-9_-]+' "an id of Zoom's"
fits --zoom-client-id "$zoom_client_id" '[A-Za-z0-9_-]+' "an id of Zoom's"
fits --name "$name" '[a-z][a-z0-9-]{0,18}[a-z0-9]' 'up to 20 small letters, digits and dashes'
# The service's first run makes a ledger of 16 parts, and tasks share it by parts.
fits --tasks "$tasks" '[1-9]|1[0-6]' 'a number from 1 to 16'
fits --ingress "$ingress" 'internal|all' 'internal or all'
fits --feed-service-account "$feed_service_account" '[^ ,:@]+@[^ ,:@]+' 'an address without serviceAccount:'
# A feed that reads the data would take the state and the events for logs, and may delete them.
case $state_key in "$prefix"*) trouble "--state-key $state_key lies within --prefix $prefix, where feeds read" ;; esac
# Beside the state anything may be replaced or removed: no raw record may lie there.
case $prefix in "${state_key%/*}/"*) trouble "--prefix $prefix lies within the directory of --state-key $state_key" ;; esac
if [ "$output_bucket" = "$bucket" ]; then
    case $output_prefix in "$prefix"*) trouble "--output-prefix $output_prefix lies within --prefix $prefix" ;; esac
    case $prefix in "$output_prefix"*) trouble "--prefix $prefix lies within --output-prefix $output_prefix" ;; esac
fi
secret_value=''
if [ -n "$zoom_client_secret_file" ]; then
    if [ "$zoom_client_secret_file" = - ]; then
        secret_value=$(cat)
    elif [ -r "$zoom_client_secret_file" ]; then
        secret_value=$(cat -- "$zoom_client_secret_file")
    fi
    [ -n "$secret_value" ] || trouble "--zoom-client-secret-file $zoom_client_secret_file cannot be read or is empty"
elif [ -n "$troubles$rotate_secret" ]; then
    needs --zoom-client-secret-file ZOOM_CLIENT_SECRET_FILE ''
fi
[ -z "$troubles" ] || die 2 "settings are missing or wrong: $troubles. See --help."

# shellcheck source=deploy/gcloud.sh
. "$(dirname "$0")/gcloud.sh"

# --- the steps ------------------------------------------------------------------------------------------------------

secret=$name-client-secret run_account=$name-run@$project.iam.gserviceaccount.com
push_account=$name-push@$project.iam.gserviceaccount.com
run_member=serviceAccount:$run_account push_member=serviceAccount:$push_account

look projects describe "$project" '--format=value(projectNumber)' || failed projects describe "$project"
number=$seen
pubsub_agent=serviceAccount:service-$number@gcp-sa-pubsub.iam.gserviceaccount.com
storage_agent=serviceAccount:service-$number@gs-project-accounts.iam.gserviceaccount.com
# Cloud Run's address of a service, known before there is one.
url=https://$name-$number.$region.run.app

# Before anything is made: whether the secret will be there.
secret_stored=''
if look secrets versions list "$secret" --filter=state=enabled --limit=1 '--format=value(name)' && [ -n "$seen" ]; then
    secret_stored=yes
elif [ -z "$secret_value" ]; then
    die 2 "Secret Manager has no value of $secret yet: give --zoom-client-secret-file FILE, or - for standard input"
fi

enable_apis() {
    local api missing=()
    look services list '--format=value(config.name)' --enabled || seen=''
    for api in cloudscheduler iam pubsub run secretmanager storage; do
        # No pipe: it would fail where grep has seen enough before all is written.
        grep -Fxq "$api.googleapis.com" <<< "$seen" || missing+=("$api.googleapis.com")
    done
    if [ ${#missing[@]} = 0 ]; then there 'all services are enabled'; else change services enable "${missing[@]}"; fi
}

make_bucket() { # BUCKET
    if ! look storage buckets describe "gs://$1" '--format=value(uniform_bucket_level_access,public_access_prevention)'; then
        change storage buckets create "gs://$1" "--location=$location" --uniform-bucket-level-access \
            --public-access-prevention
        return
    fi
    # Others may rely on how it is set: not changed behind their back.
    [ "$seen" = "True	enforced" ] ||
        die 2 "gs://$1 is there, without uniform access or public access prevention. Whoever relies on its ACLs would \
lose access. If nobody does: gcloud storage buckets update gs://$1 --uniform-bucket-level-access --public-access-prevention"
    there "bucket gs://$1"
}

make_account() { # NAME WHAT-FOR
    if look iam service-accounts describe "$name-$1@$project.iam.gserviceaccount.com" '--format=value(email)'; then
        there "account $name-$1"
    else
        change iam service-accounts create "$name-$1" "--display-name=$2"
    fi
}

# Names of objects below any of the given beginnings.
below() { # BUCKET BEGINNING…
    local of=$1 beginning all=''
    shift
    for beginning; do
        all="$all${all:+ || }resource.name.startsWith(\"projects/_/buckets/$of/objects/$beginning\")"
    done
    printf '%s' "$all"
}

# What lies in the data is listed, read and added; only beside it may anything be replaced or removed.
grant_buckets() {
    local own=("${state_key%/*}/")
    grant "$run_member" roles/storage.objectViewer '' 'storage buckets' "gs://$bucket"
    grant "$run_member" roles/storage.objectCreator '' 'storage buckets' "gs://$bucket"
    if [ "$output_bucket" = "$bucket" ]; then
        own+=("$output_prefix" "${output_prefix%/}.")
    else
        grant "$run_member" roles/storage.objectUser '' 'storage buckets' "gs://$output_bucket"
    fi
    grant "$run_member" roles/storage.objectUser "$(below "$bucket" "${own[@]}")" 'storage buckets' "gs://$bucket"
    if [ -n "$feed_service_account" ]; then
        grant "serviceAccount:$feed_service_account" roles/storage.objectViewer '' 'storage buckets' "gs://$bucket"
    fi
}

store_secret() {
    ensure secrets "$secret" --replication-policy=automatic
    if [ -n "$secret_stored" ] && [ -z "$rotate_secret" ]; then
        there "$secret has a value (--rotate-secret stores another)"
    else
        show secrets versions add "$secret" --data-file=-
        # printf is the shell's own: the value is on no command line.
        [ -n "$dry_run" ] || printf '%s' "$secret_value" | gcloud secrets versions add "$secret" --data-file=- \
            --project="$project" --quiet >/dev/null 2>"$errors" || failed secrets versions add "$secret"
    fi
    grant "$run_member" roles/secretmanager.secretAccessor '' secrets "$secret"
}

# What service and job are told alike.
from=gs://$bucket/$prefix to=gs://$output_bucket/$output_prefix rejects=gs://$output_bucket/${output_prefix%/}.rejects/
variables="GOOGLE_CLOUD_PROJECT=$project|GCS_BUCKET=$bucket|GCS_PREFIX=$prefix|STATE_KEY=$state_key"
variables="$variables|ZOOM_ACCOUNT_ID=$zoom_account_id|ZOOM_CLIENT_ID=$zoom_client_id"
variables="$variables|ZOOM_CLIENT_SECRET_FILE=/secrets/zoom-client-secret|INGEST_TO=$to|INGEST_REJECTS=$rejects"
settings=(
    "--image=$image" "--service-account=$run_account" --cpu=1 --memory=1Gi "--set-env-vars=^|^$variables"
    "--set-secrets=/secrets/zoom-client-secret=$secret:latest"
)

# One instance: pushes that come while a run goes on join it or wait for the next, which elsewhere they could not. Its
# processor is not taken away between requests: a run goes on when its caller has given up. Cloud Run checks who calls and
# then takes the signature off the token, so the program cannot check it again.
deploy_service() {
    follow 'run services' "$name" "${settings[@]}" \
        --args=serve,--collect,--ingest,--allow-unauthenticated \
        --no-allow-unauthenticated "--ingress=$ingress" --concurrency=80 --max-instances=1 --timeout=600 \
        --no-cpu-throttling
    grant "$push_member" roles/run.invoker '' 'run services' "$name"
    grant "$pubsub_agent" roles/iam.serviceAccountOpenIdTokenCreator '' 'iam service-accounts' "$push_account"
}

# A task that is killed leaves its lease behind, and its next try elsewhere ends at once while that lasts: the lease is
# short, and the tries are enough to outlast it.
deploy_job() {
    follow 'run jobs' "$name-backfill" "${settings[@]}" \
        "--args=ingest,$from,--to=$to,--rejects=$rejects,--max-age=none,--lease=30s" \
        "--tasks=$tasks" "--parallelism=$tasks" --max-retries=10 --task-timeout=3600
}

# A topic, and its messages pushed to a path of the service; what fails often enough goes to the dead letters.
push() { # NAME PATH ATTEMPTS
    ensure 'pubsub topics' "$name-$1"
    follow 'pubsub subscriptions' "$name-$1" "--push-endpoint=$url$2" "--push-auth-service-account=$push_account" \
        "--push-auth-token-audience=$url" --ack-deadline=600 --min-retry-delay=10s --max-retry-delay=600s \
        "--dead-letter-topic=$name-dead-letter" "--max-delivery-attempts=$3" --expiration-period=never \
        --message-retention-duration=7d -- "--topic=$name-$1"
    grant "$pubsub_agent" roles/pubsub.subscriber '' 'pubsub subscriptions' "$name-$1"
}

dead_letters() {
    ensure 'pubsub topics' "$name-dead-letter"
    ensure 'pubsub subscriptions' "$name-dead-letter" "--topic=$name-dead-letter" --expiration-period=never \
        --message-retention-duration=31d
    grant "$pubsub_agent" roles/pubsub.publisher '' 'pubsub topics' "$name-dead-letter"
}

schedule() { # NAME CRON
    local verb=update attributes=--update-attributes wanted
    wanted=$(printf '%s\tEtc/UTC\tprojects/%s/topics/%s' "$2" "$project" "$1")
    if ! look scheduler jobs describe "$1" "--location=$region" \
        '--format=value(schedule,timeZone,pubsubTarget.topicName)'; then
        verb=create attributes=--attributes
    elif [ "$seen" = "$wanted" ]; then
        there "schedule $1"
        return
    fi
    # Without data, but a message has to hold something.
    change scheduler jobs "$verb" pubsub "$1" "--location=$region" "--schedule=$2" --time-zone=Etc/UTC \
        "--topic=projects/$project/topics/$1" "$attributes=run=all"
}

notify_of_objects() {
    # Cloud Storage's agent is made when it is first asked for: until then nothing can be granted to it.
    [ -n "$dry_run" ] || look storage service-agent || failed storage service-agent
    grant "$storage_agent" roles/pubsub.publisher '' 'pubsub topics' "$name-objects"
    if look storage buckets notifications list "gs://$bucket" --format=json &&
        grep -Fq "/projects/$project/topics/$name-objects\"" <<< "$seen"; then
        grep -Fq "\"$prefix\"" <<< "$seen" ||
            die 2 "gs://$bucket notifies $name-objects of another prefix than $prefix: see gcloud storage buckets \
notifications list gs://$bucket, delete that one, and run this again"
        there "notifications of gs://$bucket/$prefix"
    else
        change storage buckets notifications create "gs://$bucket" "--topic=projects/$project/topics/$name-objects" \
            --event-types=OBJECT_FINALIZE "--object-prefix=$prefix" --payload-format=json --skip-topic-setup
    fi
}

enable_apis
make_bucket "$bucket"
[ "$output_bucket" = "$bucket" ] || make_bucket "$output_bucket"
make_account run 'Zoom operation logs: collects and ingests'
make_account push 'Zoom operation logs: pushes messages'
grant_buckets
store_secret
deploy_service
dead_letters
push collect /collect 10
if [ -n "$notify" ]; then
    push objects /ingest 20
    notify_of_objects
    schedule "$name-objects" '7 * * * *'
fi
schedule "$name-collect" "$schedule"
deploy_job

printf '%s\n' "" "The service: $url" \
    "Collect now:  gcloud scheduler jobs run $name-collect --location=$region --project=$project" \
    "Old objects:  gcloud run jobs execute $name-backfill --region=$region --project=$project"
