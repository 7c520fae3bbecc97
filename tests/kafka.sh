#!/usr/bin/env bash
# A real Apache Kafka for the tests: one node in KRaft mode, broker and controller in one process, on 127.0.0.1 only.
#
#   tests/kafka.sh start DIR [OWNER_PID]   starts it (again) on the data in DIR and prints HOST:PORT once it answers
#   tests/kafka.sh stop DIR                ends it in an orderly way
#   tests/kafka.sh kill DIR                ends it with SIGKILL
#   tests/kafka.sh pause DIR | cont DIR    holds it still and lets it go on: a broker that hangs
#   tests/kafka.sh prepare                 only fetches the jars
#
# With OWNER_PID the broker ends and DIR is removed when that process has ended, however it ended. The jars come from
# Maven Central, once, into ${XDG_CACHE_HOME:-$HOME/.cache}/eaves/kafka. Exit code 3: something is missing (said on stderr).
set -euo pipefail

version=4.3.1
cache="${XDG_CACHE_HOME:-$HOME/.cache}/eaves/kafka/$version"

main() {
    local command="${1:-}" dir="${2:-}"
    case "$command" in
        prepare) prepare; return ;;
        start | stop | kill | pause | cont | watch) ;;
        *) sed -n '4,8s/^# *//p' "$0" >&2; exit 2 ;;
    esac
    [ -n "$dir" ] || fail 2 "which DIR?"
    case "$command" in
        start)
            prepare
            mkdir -p "$dir"
            start "$(cd "$dir" && pwd)" "${3:-}"
            ;;
        stop) signal TERM "$dir" && await_end "$dir" ;;
        kill) signal KILL "$dir" && await_end "$dir" ;;
        pause) signal STOP "$dir" ;;
        cont) signal CONT "$dir" ;;
        watch) watch "$dir" "${3:?}" ;;
    esac
}

fail() {
    echo "kafka.sh: $2" >&2
    exit "$1"
}

# The jars, if they are not there yet: fetched beside, then moved, so that a broken download leaves nothing behind.
prepare() {
    command -v java >/dev/null || fail 3 "java is missing (a JDK or JRE 17 or later; Debian: default-jre-headless)"
    [ -d "$cache" ] && return
    command -v mvn >/dev/null || fail 3 "mvn is missing, it fetches Apache Kafka (Debian: maven)"
    mkdir -p "${cache%/*}"
    local scratch
    scratch="$(mktemp -d "$cache.XXXXXX")"
    # shellcheck disable=SC2064 # the name of now is meant
    trap "rm -rf '$scratch'" EXIT
    pom >"$scratch/pom.xml"
    mvn --batch-mode --quiet --file "$scratch/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$scratch/jars" >&2 ||
        fail 3 "Maven could not fetch Apache Kafka $version"
    # Another process may have been quicker: its jars are as good.
    mv -T "$scratch/jars" "$cache" 2>/dev/null || [ -d "$cache" ]
    rm -rf "$scratch"
    trap - EXIT
}

pom() {
    cat <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>eaves.tests</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
XML
}

start() {
    local dir="$1" owner="$2"
    alive "$dir" && fail 2 "a broker is running in $dir"
    [ -f "$dir/server.properties" ] || configure "$dir"
    # The line to wait for is that of this start.
    : >"$dir/broker.log"
    setsid java -Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info \
        -cp "$cache/*" kafka.Kafka "$dir/server.properties" </dev/null >>"$dir/broker.log" 2>&1 &
    echo $! >"$dir/pid"
    await_answer "$dir"
    if [ -n "$owner" ] && [ ! -f "$dir/watched" ]; then
        : >"$dir/watched"
        setsid "$0" watch "$dir" "$owner" </dev/null >/dev/null 2>&1 &
    fi
    echo "127.0.0.1:$(cat "$dir/port")"
}

configure() {
    local dir="$1" port controller
    port="$(free_port)"
    controller="$(free_port)"
    while [ "$controller" = "$port" ]; do controller="$(free_port)"; done
    echo "$port" >"$dir/port"
    cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
inter.broker.listener.name=PLAINTEXT
log.dirs=$dir/data
num.partitions=4
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=200
PROPERTIES
    java -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$cache/*" \
        kafka.tools.StorageTool format --cluster-id "$(java_uuid)" \
        --config "$dir/server.properties" >"$dir/format.log" 2>&1 ||
        { rm -f "$dir/server.properties"; cat "$dir/format.log" >&2; fail 1 "could not format $dir/data"; }
}

# 16 random bytes in URL-safe base64, as Kafka writes its ids.
java_uuid() {
    head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '='
}

# A port below the range that the kernel gives to outgoing connections, so that none of those takes it while the
# broker is down.
free_port() {
    local port
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        listening "$port" || { echo "$port"; return; }
    done
}

listening() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

await_answer() {
    local dir="$1" tries
    for tries in $(seq 600); do
        grep -q "Kafka Server started" "$dir/broker.log" && listening "$(cat "$dir/port")" && return
        alive "$dir" || break
        sleep 0.1
    done
    tail -n 20 "$dir/broker.log" >&2
    alive "$dir" && signal KILL "$dir"
    fail 1 "the broker did not start ($tries looks)"
}

# A process that has ended but that nobody has waited for (state Z) is not alive.
alive() {
    local pid state
    pid="$(cat "$1/pid" 2>/dev/null)" && kill -0 "$pid" 2>/dev/null &&
        read -r _ _ state _ <"/proc/$pid/stat" && [ "$state" != Z ]
}

signal() {
    alive "$2" || fail 1 "no broker runs in $2"
    kill -s "$1" "$(cat "$2/pid")"
}

await_end() {
    local tries
    for tries in $(seq 300); do
        alive "$1" || { rm -f "$1/pid"; return 0; }
        sleep 0.1
    done
    kill -s KILL "$(cat "$1/pid")"
    rm -f "$1/pid"
    fail 1 "the broker had to be killed after $tries looks"
}

# Ends the broker and removes its folder once the owner is gone. A process of its own, in its own session: neither
# the end of the owner's terminal nor that of its process group takes it along.
watch() {
    while kill -0 "$2" 2>/dev/null; do sleep 0.5; done
    if alive "$1"; then kill -s KILL "$(cat "$1/pid")"; fi
    rm -rf "$1"
}

main "$@"
