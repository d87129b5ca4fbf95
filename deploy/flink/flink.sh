#!/usr/bin/env bash
# A small standalone Flink cluster on this machine, and GenreBeam on it:
#
#   flink.sh fetch                     build Beam's job server for Flink, once (Maven, 150 MB)
#   flink.sh start                     start a job manager, two task managers and Beam's job
#                                      server, or those of them that do not run
#   flink.sh tag LIBRARY [OPTION ...]  run genrebeam tag on this cluster
#   flink.sh status                    list what runs; exit code 1 if something is missing
#   flink.sh stop                      stop all of it
#
# Environment variables:
#
#   FLINK_PORT      port of Flink's page and REST interface; the next two ports are for the job
#                   manager and the job server (default: 8081)
#   XDG_CACHE_HOME  folder for genrebeam/flink, with the jar and logs (default: ~/.cache)
set -euo pipefail

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
checkout=$(dirname -- "$(dirname -- "$here")")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/genrebeam/flink
jar=$cache/target/flink-job-server.jar
services=(jobmanager taskmanager-1 taskmanager-2 jobserver)

usage() {
    sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

die() {
    printf 'flink.sh: %s\n' "$1" >&2
    exit 2
}

need_java() {
    java -version >/dev/null 2>&1 ||
        die "no Java found; Flink needs 11 or 17, on Debian and Ubuntu: apt install openjdk-17-jre-headless"
}

is_fetched() {
    [ -f "$jar" ] && cmp -s "$here/pom.xml" "$cache/pom.xml"
}

fetch() {
    if is_fetched; then
        echo "already there: $jar"
        return
    fi
    need_java
    command -v mvn >/dev/null || die "no Maven found; on Debian and Ubuntu: apt install maven"
    mkdir -p "$cache"
    rm -rf "$cache/target"
    # The copy records the versions in the jar beside it.
    cp "$here/pom.xml" "$cache/pom.xml"
    if ! mvn --quiet --batch-mode --file "$cache/pom.xml" package; then
        rm -rf "$cache/target"
        die "Maven could not build the job server, see above"
    fi
    echo "$jar"
}

# launch SERVICE: in its own process group, so that everything it starts ends with it.
launch() {
    command_of "$1"
    set -m
    nohup "${command[@]}" >"$state/$1.log" 2>&1 </dev/null &
    set +m
    echo $! >"$state/$1.pid"
}

# command_of SERVICE: put its command line into the array `command`.
command_of() {
    flink=(--configDir "$here" -D "rest.port=$port" -D "jobmanager.rpc.port=$rpc_port")
    case $1 in
        jobmanager)
            command=(java -Xmx512m -cp "$jar"
                org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint "${flink[@]}")
            ;;
        taskmanager-*)
            command=(java -Xmx512m -cp "$jar"
                org.apache.flink.runtime.taskexecutor.TaskManagerRunner "${flink[@]}"
                -D "taskmanager.resource-id=$1-$RANDOM")
            ;;
        jobserver)
            command=(java -jar "$jar" --flink-master="localhost:$port" --job-port="$job_port"
                --artifact-port=0 --expansion-port=0 --artifacts-dir="$state/artifacts")
            ;;
    esac
}

# The process group of a service, while anything of it runs. The system reuses numbers, so the
# processes have to be ours.
group_of() {
    group=$(cat "$state/$1.pid" 2>/dev/null) &&
        pgrep -g "$group" -f "flink-job-server|$here" >/dev/null &&
        echo "$group"
}

is_taken() {
    (: <>"/dev/tcp/localhost/$1") 2>/dev/null
}

need_free() {
    for taken in "$@"; do
        ! is_taken "$taken" ||
            die "port $taken is taken; set FLINK_PORT to the first of three free ones"
    done
}

start() {
    need_java
    command -v curl >/dev/null || die "no curl found; on Debian and Ubuntu: apt install curl"
    is_fetched || die "nothing to start yet; first: flink.sh fetch"
    [ -x "$checkout/.venv/bin/genrebeam" ] || die "not set up yet; first: run_local.sh --version"
    group_of jobmanager >/dev/null || need_free "$port" "$rpc_port"
    group_of jobserver >/dev/null || need_free "$job_port"
    mkdir -p "$state"
    trap 'stop; exit 3' INT TERM
    for service in "${services[@]}"; do
        group_of "$service" >/dev/null || launch "$service"
    done
    for _ in {1..120}; do
        ! is_complete || break
        for service in "${services[@]}"; do
            group_of "$service" >/dev/null || give_up "$service ended; the end of its log:" "$service"
        done
        sleep 0.5
    done
    is_complete || give_up "not everything started within a minute; the logs are in $state"
    trap - INT TERM
    status
}

# give_up MESSAGE [SERVICE]
give_up() {
    [ $# -eq 1 ] || tail -n 5 "$state/$2.log" >&2
    stop
    die "$1"
}

# Whether Flink knows both task managers, and the job server listens.
is_complete() {
    curl --silent --fail "http://localhost:$port/overview" 2>/dev/null |
        grep -q '"taskmanagers":2,' && is_taken "$job_port"
}

status() {
    missing=0
    for service in "${services[@]}"; do
        if group=$(group_of "$service"); then
            echo "$service: running (process $group)"
        else
            echo "$service: not running"
            missing=1
        fi
    done
    [ $missing -eq 1 ] || echo "Flink's page: http://localhost:$port"
    return $missing
}

stop() {
    groups=()
    for service in "${services[@]}"; do
        if group=$(group_of "$service"); then
            groups+=("-$group")
            kill -TERM -- "-$group" 2>/dev/null || true
        fi
    done
    for group in "${groups[@]}"; do
        for _ in {1..50}; do
            kill -0 -- "$group" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL -- "$group" 2>/dev/null || true
    done
    rm -rf "$state"/*.pid "$state/artifacts"
}

tag() {
    [ $# -ge 1 ] || usage
    status >/dev/null || die "the cluster is not complete; first: flink.sh start"
    exec "$checkout/.venv/bin/genrebeam" tag --parallelism=2 "$@" \
        --runner=FlinkRunner --job_endpoint="localhost:$job_port" \
        --environment_type=PROCESS --environment_config="{\"command\": \"$here/worker.sh\"}"
}

[ $# -ge 1 ] || usage
action=$1
shift
case $action in
    tag) ;;
    fetch | start | stop | status) [ $# -eq 0 ] || usage ;;
    *) usage ;;
esac
port=${FLINK_PORT:-8081}
[[ $port =~ ^[1-9][0-9]{3,4}$ ]] && [ "$port" -lt 65534 ] ||
    die "FLINK_PORT=$port: not a port from 1000 up"
rpc_port=$((port + 1)) job_port=$((port + 2))
state=$cache/cluster-$port
"$action" "$@"
