#!/usr/bin/env bash
# Builds GenreBeam's Flex Template for Dataflow, runs it, or schedules it for every night:
#
#   launch.sh build                                    the image and the template
#   launch.sh run LIBRARY REPORT [NAME=VALUE ...]      one job, now
#   launch.sh nightly LIBRARY REPORT [NAME=VALUE ...]  one job every night, by Cloud Scheduler
#
# LIBRARY and REPORT are gs:// folders. metadata.json has the NAMEs, such as existing=merge.
# These environment variables say where the job runs and on which machines:
#
#   PROJECT, REGION, BUCKET   of the job; BUCKET is the name of a bucket for template and staging
#   REPOSITORY                in Artifact Registry (default: genrebeam)
#   GPU                       yes: an NVIDIA L4 in each worker (default: no)
#   MACHINE                   machine type (default: n2-standard-8, with GPU g2-standard-8)
#   MAX_WORKERS               most workers at a time (default: 10)
#   SERVICE_ACCOUNT           account that runs the jobs; nightly jobs need it
#   SCHEDULE, TIME_ZONE       of nightly jobs (default: 0 3 * * *, Etc/UTC)
set -euo pipefail

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
checkout=$here/../..

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

die() {
    printf 'launch.sh: %s\n' "$1" >&2
    exit 2
}

# need NAME ...: environment variables that must be set.
need() {
    for name in "$@"; do
        [ -n "${!name:-}" ] || die "$name is not set"
    done
}

build() {
    docker build --file "$here/Dockerfile" --target "$kind" --tag "$image" "$checkout"
    docker push "$image"
    gcloud dataflow flex-template build "$template" --project "$PROJECT" \
        --image "$image" --sdk-language PYTHON --metadata-file "$here/metadata.json"
}

# read_parameters LIBRARY REPORT [NAME=VALUE ...]: check them and add what the workers need.
read_parameters() {
    [ $# -ge 2 ] || usage
    for folder in "$1" "$2"; do
        [[ $folder =~ ^gs://[a-z0-9] ]] || die "$folder: not a folder in Cloud Storage (gs://...)"
    done
    parameters=("library=$1" "report=$2")
    shift 2
    for parameter in "$@"; do
        [[ $parameter =~ ^([a-z0-9_]+)=. ]] || die "$parameter: not NAME=VALUE"
        grep -q "\"name\": \"${BASH_REMATCH[1]}\"" "$here/metadata.json" ||
            die "${BASH_REMATCH[1]}: not a parameter of the template, see metadata.json"
        [[ $parameter != library=* && $parameter != report=* ]] ||
            die "$parameter: the library and the report come first, without a name"
        [[ $parameter != *"|"* ]] || die "$parameter: cannot hold a |"
    done
    vcpus=${machine##*-}
    [[ $vcpus =~ ^[1-9][0-9]*$ ]] || die "$machine: its name must end with the number of vCPUs"
    parameters+=("$@")
    # Each worker has one SDK process with the network, and one decoder for each vCPU.
    unless_given "processes=$vcpus"
    unless_given "sdk_container_image=$image"
    unless_given number_of_worker_harness_threads=2
    unless_given disk_size_gb=50
    [ "$kind" = cpu ] || unless_given \
        "dataflow_service_options=worker_accelerator=type:nvidia-l4;count:1;install-nvidia-driver"
}

unless_given() {
    for parameter in "${parameters[@]}"; do
        [[ $parameter != "${1%%=*}="* ]] || return 0
    done
    parameters+=("$1")
}

run() {
    gcloud dataflow flex-template run "genrebeam-$(date -u +%Y%m%d-%H%M%S)" \
        --project "$PROJECT" --region "$REGION" \
        --template-file-gcs-location "$template" \
        --staging-location "gs://$BUCKET/staging" --temp-location "gs://$BUCKET/tmp" \
        --worker-machine-type "$machine" --max-workers "$max_workers" \
        --additional-experiments "$experiments" \
        ${SERVICE_ACCOUNT:+--service-account-email "$SERVICE_ACCOUNT"} \
        --parameters "^|^$(IFS='|' && printf '%s' "${parameters[*]}")"
}

# The job has the same name every night: Dataflow refuses a second one while the first still runs.
nightly() {
    need SERVICE_ACCOUNT
    job=genrebeam-nightly
    verb=create
    if gcloud scheduler jobs describe "$job" --project "$PROJECT" --location "$REGION" \
        >/dev/null 2>&1; then
        verb=update
    fi
    header=--headers
    [ $verb = create ] || header=--update-headers
    gcloud scheduler jobs "$verb" http "$job" --project "$PROJECT" --location "$REGION" \
        --schedule "${SCHEDULE:-0 3 * * *}" --time-zone "${TIME_ZONE:-Etc/UTC}" \
        --uri "https://dataflow.googleapis.com/v1b3/projects/$PROJECT/locations/$REGION/flexTemplates:launch" \
        --http-method POST "$header" Content-Type=application/json \
        --oauth-service-account-email "$SERVICE_ACCOUNT" \
        --message-body "$(launch_request "$job")"
}

# launch_request JOB: the request to Dataflow, as JSON.
launch_request() {
    python3 - "$1" "$template" "gs://$BUCKET" "$machine" "$max_workers" "$experiments" \
        "$SERVICE_ACCOUNT" "${parameters[@]}" <<'PYTHON'
import json
import sys

job, template, bucket, machine, max_workers, experiments, account, *parameters = sys.argv[1:]
launch = {
    "jobName": job,
    "containerSpecGcsPath": template,
    "parameters": dict(parameter.split("=", 1) for parameter in parameters),
    "environment": {
        "stagingLocation": f"{bucket}/staging",
        "tempLocation": f"{bucket}/tmp",
        "machineType": machine,
        "maxWorkers": int(max_workers),
        "additionalExperiments": experiments.split(","),
        "serviceAccountEmail": account,
    },
}
print(json.dumps({"launchParameter": launch}))
PYTHON
}

[ $# -ge 1 ] || usage
command=$1
shift
case $command in
    build) [ $# -eq 0 ] || usage ;;
    run | nightly) ;;
    *) usage ;;
esac
need PROJECT REGION BUCKET

case ${GPU:-no} in
    yes) kind=gpu machine=${MACHINE:-g2-standard-8} ;;
    no) kind=cpu machine=${MACHINE:-n2-standard-8} ;;
    *) die "GPU must be yes or no" ;;
esac
max_workers=${MAX_WORKERS:-10}
[[ $max_workers =~ ^[1-9][0-9]*$ ]] || die "MAX_WORKERS=$max_workers: not a whole number from 1 up"
# Otherwise Dataflow starts a process for each vCPU; each would load the network and want the GPU.
experiments=use_runner_v2,no_use_multiple_sdk_containers
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$checkout/genrebeam/__init__.py")
image=$REGION-docker.pkg.dev/$PROJECT/${REPOSITORY:-genrebeam}/genrebeam-$kind:$version
template=gs://$BUCKET/templates/genrebeam-$kind-$version.json

[ "$command" = build ] || read_parameters "$@"
"$command"
