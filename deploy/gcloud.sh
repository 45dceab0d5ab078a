#!/usr/bin/env bash
# How setup.sh talks to gcloud: looking and changing are two things, and a thing is only made or changed where looking
# says so. Sourced by setup.sh, which sets project, region and dry_run.
# shellcheck disable=SC2154 # set by who sources this

command -v gcloud >/dev/null || die 3 'there is no gcloud here: https://cloud.google.com/sdk/docs/install'
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
refused='PERMISSION_DENIED|does not have .*(permission|access)|\b40[13]\b|active account|[Rr]eauthentication|credentials'
absent='NOT_FOUND|not found|[Cc]annot find|does not exist|could not be found'
unborn='SERVICE_DISABLED|has not been used in project|API \[[a-z.]*\] not enabled'

failed() { # COMMAND…
    printf '%s\n' "$(<"$errors")" >&2
    if grep -Eq "$refused" "$errors"; then
        die 4 "refused: gcloud $*. Log in (gcloud auth login) as an owner of $project, and run this again."
    fi
    die 3 "failed: gcloud $*. What was made until here stays; run this again."
}

# Asks. 0: it is there, as $seen says; 1: it is not. Any other answer ends the run: unreadable is not absent.
look() {
    seen=''
    if seen=$(gcloud "$@" --project="$project" --quiet 2>"$errors" </dev/null); then return 0; fi
    # Where an API is not on yet there is nothing.
    if grep -Eq "$unborn" "$errors"; then return 1; fi
    if grep -Eq "$absent" "$errors" && ! grep -Eq "$refused" "$errors"; then return 1; fi
    failed "$@"
}

show() {
    printf '+ gcloud'
    printf ' %q' "$@" --project="$project"
    printf '\n'
}

# Changes something, or only says how. What was made or switched on seconds ago is not known everywhere yet: grants to
# it, and calls of a new service, are tried again.
change() {
    show "$@"
    [ -z "$dry_run" ] || return 0
    local attempt
    for attempt in 1 2 3 4 5 6; do
        if gcloud "$@" --project="$project" --quiet >/dev/null 2>"$errors" </dev/null; then return 0; fi
        case " $* " in
        *' add-iam-policy-binding '*) grep -Eq "$absent|$unborn" "$errors" || break ;;
        *) grep -Eq "$unborn" "$errors" || break ;;
        esac
        [ "$attempt" = 6 ] || sleep "${SETUP_PAUSE:-5}"
    done
    failed "$@"
}

there() { printf '= %s\n' "$*"; }

# Makes what knows no change: GROUP NAME FLAGS-OF-CREATE…
ensure() {
    local group=$1 thing=$2
    shift 2
    # shellcheck disable=SC2086 # a group is several words
    if look $group describe "$thing" '--format=value(name)'; then
        there "$group $thing"
    else
        # shellcheck disable=SC2086
        change $group create "$thing" "$@"
    fi
}

# Makes it, or sets it anew when a label says that it was set otherwise: GROUP NAME FLAGS… -- FLAGS-OF-CREATE…
follow() {
    local group=$1 thing=$2 where='' create=create update=update again=--update-labels label=labels flags=() first=()
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        flags+=("$1")
        shift
    done
    [ $# -lt 2 ] || first=("${@:2}")
    local stamp
    stamp=$(printf '%s\n' "${flags[@]}" | cksum | tr ' ' -)
    case $group in run*) where=--region=$region again=--labels label=metadata.labels ;; esac
    # shellcheck disable=SC2086
    if look $group describe "$thing" ${where:+"$where"} "--format=value($label.setup)"; then
        if [ "$seen" = "$stamp" ]; then
            there "$group $thing"
            return
        fi
        first=()
    else
        update=$create again=--labels
    fi
    # A service is deployed, whether it is there or not.
    if [ "$group" = 'run services' ]; then group=run update=deploy; fi
    # shellcheck disable=SC2086
    change $group $update "$thing" ${where:+"$where"} "${flags[@]}" ${first[@]+"${first[@]}"} "$again=setup=$stamp"
}

# Gives a role on one thing alone: MEMBER ROLE CONDITION GROUP NAME
grant() {
    local member=$1 role=$2 condition=$3 group=$4 thing=$5 flags=() extra=()
    # As it is listed; without a condition a space stands where that would be.
    local binding="$role $member${condition:+ $condition}"
    case $group in
    run*) flags=("--region=$region") ;;
    'storage buckets')
        # Beside others with a condition, one without has to say so.
        extra=(--condition=None)
        [ -z "$condition" ] || extra=("--condition=title=zoom-udm,expression=$condition")
        ;;
    esac
    # shellcheck disable=SC2086
    if look $group get-iam-policy "$thing" ${flags[@]+"${flags[@]}"} '--flatten=bindings[].members' \
        '--format=value[separator=" "](bindings.role,bindings.members,bindings.condition.expression)' &&
        grep -Fxq -e "$binding" -e "$binding " <<< "$seen"; then
        there "$role on $thing: $member"
    else
        # shellcheck disable=SC2086
        change $group add-iam-policy-binding "$thing" ${flags[@]+"${flags[@]}"} "--member=$member" \
            "--role=$role" ${extra[@]+"${extra[@]}"}
    fi
}
