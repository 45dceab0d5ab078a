#!/usr/bin/env bash
# Functions that setup.sh uses to call gcloud. Queries and changes are separate: a resource is created or changed only if
# a query shows that this is necessary. Sourced by setup.sh, which sets project, region, dry_run and rotate_secret.
# shellcheck disable=SC2154 # set by setup.sh

command -v gcloud >/dev/null || die 3 'gcloud is not installed: see https://cloud.google.com/sdk/docs/install'
gcloud_stderr=$(mktemp)
trap 'rm -f "$gcloud_stderr"' EXIT
denied_pattern='PERMISSION_DENIED|does not have .*(permission|access)|\b40[13]\b|active account|[Rr]eauthentication|credentials'
not_found_pattern='NOT_FOUND|not found|[Cc]annot find|does not exist|could not be found'
api_disabled_pattern='SERVICE_DISABLED|has not been used in project|API \[[a-z.]*\] not enabled'

# Exits with the error of the last gcloud command: COMMAND…
fail() {
    printf '%s\n' "$(<"$gcloud_stderr")" >&2
    if grep -Eq "$denied_pattern" "$gcloud_stderr"; then
        die 4 "permission denied: gcloud $*; log in (gcloud auth login) as an owner of $project and run setup.sh again"
    fi
    die 3 "command failed: gcloud $*; fix the cause and run setup.sh again, which keeps the resources created so far"
}

# Queries a resource: returns 0 and sets $result if it exists, returns 1 if it does not. Exits on any other error,
# because a resource that cannot be read may still exist: COMMAND…
query() {
    result=''
    if result=$(gcloud "$@" --project="$project" --quiet 2>"$gcloud_stderr" </dev/null); then return 0; fi
    # No resources exist while the API is disabled.
    if grep -Eq "$api_disabled_pattern" "$gcloud_stderr"; then return 1; fi
    if grep -Eq "$not_found_pattern" "$gcloud_stderr" && ! grep -Eq "$denied_pattern" "$gcloud_stderr"; then return 1; fi
    fail "$@"
}

# Prints a command as it could be pasted into a shell: COMMAND…
print_command() {
    printf '+ gcloud'
    printf ' %q' "$@" --project="$project"
    printf '\n'
}

# Prints a command and, unless this is a dry run, executes it. New accounts and newly enabled APIs take some seconds to
# propagate, so grants to them and calls of them are retried: COMMAND…
apply() {
    print_command "$@"
    [ -z "$dry_run" ] || return 0
    local attempt
    for attempt in 1 2 3 4 5 6; do
        if gcloud "$@" --project="$project" --quiet >/dev/null 2>"$gcloud_stderr" </dev/null; then return 0; fi
        case " $* " in
        *' add-iam-policy-binding '*) grep -Eq "$not_found_pattern|$api_disabled_pattern" "$gcloud_stderr" || break ;;
        *) grep -Eq "$api_disabled_pattern" "$gcloud_stderr" || break ;;
        esac
        [ "$attempt" = 6 ] || sleep "${SETUP_PAUSE:-5}"
    done
    fail "$@"
}

# Reports a resource that needs no change: DESCRIPTION
unchanged() { printf '= %s\n' "$*"; }

# Creates a resource that is never updated: GROUP NAME CREATE-FLAGS…
create_if_missing() {
    local group=$1 resource=$2
    shift 2
    # shellcheck disable=SC2086 # a group consists of several words
    if query $group describe "$resource" '--format=value(name)'; then
        unchanged "$group $resource"
    else
        # shellcheck disable=SC2086
        apply $group create "$resource" "$@"
    fi
}

# Creates a resource, or updates it if its label shows that the flags have changed: GROUP NAME FLAGS… -- CREATE-FLAGS…
create_or_update() {
    local group=$1 resource=$2 region_flag='' action=update labels_flag=--update-labels label=labels flags=() create_flags=()
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        flags+=("$1")
        shift
    done
    [ $# -lt 2 ] || create_flags=("${@:2}")
    local checksum
    checksum=$(printf '%s\n' "${flags[@]}" | cksum | tr ' ' -)
    case $group in run*) region_flag=--region=$region labels_flag=--labels label=metadata.labels ;; esac
    # shellcheck disable=SC2086
    if query $group describe "$resource" ${region_flag:+"$region_flag"} "--format=value($label.setup)"; then
        if [ "$result" = "$checksum" ]; then
            unchanged "$group $resource"
            return
        fi
        create_flags=()
    else
        action=create labels_flag=--labels
    fi
    # `run deploy` both creates and updates a service.
    if [ "$group" = 'run services' ]; then group=run action=deploy; fi
    # shellcheck disable=SC2086
    apply $group $action "$resource" ${region_flag:+"$region_flag"} "${flags[@]}" \
        ${create_flags[@]+"${create_flags[@]}"} "$labels_flag=setup=$checksum"
}

# Grants a role on a single resource: MEMBER ROLE CONDITION GROUP NAME
grant() {
    local member=$1 role=$2 condition=$3 group=$4 resource=$5 flags=() extra=()
    # The format of the policy listing, which ends in a space if the binding has no condition.
    local binding="$role $member${condition:+ $condition}"
    case $group in
    run*) flags=("--region=$region") ;;
    'storage buckets')
        # gcloud requires --condition=None if the policy contains conditional bindings.
        extra=(--condition=None)
        [ -z "$condition" ] || extra=("--condition=title=zoom-udm,expression=$condition")
        ;;
    esac
    # shellcheck disable=SC2086
    if query $group get-iam-policy "$resource" ${flags[@]+"${flags[@]}"} '--flatten=bindings[].members' \
        '--format=value[separator=" "](bindings.role,bindings.members,bindings.condition.expression)' &&
        grep -Fxq -e "$binding" -e "$binding " <<< "$result"; then
        unchanged "$role on $resource: $member"
    else
        # shellcheck disable=SC2086
        apply $group add-iam-policy-binding "$resource" ${flags[@]+"${flags[@]}"} "--member=$member" \
            "--role=$role" ${extra[@]+"${extra[@]}"}
    fi
}

# Sets $version to the newest enabled version of a secret, or to nothing if there is none; exits if there is none and no
# value is given: SECRET VALUE FLAG
find_version() {
    version=''
    if query secrets versions list "$1" --filter=state=enabled --limit=1 '--format=value(name)'; then
        version=${result##*/}
    fi
    [ -n "$version$2" ] || die 2 "Secret Manager has no value for $1; pass $3 FILE, or - for standard input"
}

# Stores a secret, grants a member access to it, and sets $version to the version to use. A service reads its secret when
# an instance starts, so its settings name the version: a new version deploys a new revision, which reads it:
# SECRET VALUE VERSION MEMBER
store_secret() {
    create_if_missing secrets "$1" --replication-policy=automatic
    version=$3
    if [ -n "$version" ] && { [ -z "$rotate_secret" ] || [ -z "$2" ]; }; then
        unchanged "secret $1 has a value (--rotate-secret adds a new version)"
    else
        print_command secrets versions add "$1" --data-file=-
        if [ -n "$dry_run" ]; then
            version=$((${version:-0} + 1))
        else
            # printf is a shell builtin, so the value does not appear on a command line.
            version=$(printf '%s' "$2" | gcloud secrets versions add "$1" --data-file=- '--format=value(name)' \
                --project="$project" --quiet 2>"$gcloud_stderr") || fail secrets versions add "$1"
            version=${version##*/}
        fi
    fi
    grant "$4" roles/secretmanager.secretAccessor '' secrets "$1"
}
