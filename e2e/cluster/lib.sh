# Sourced by the scripts beside it: what they have in common.
# shellcheck shell=bash disable=SC2034

set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

KUBERNETES_VERSION=1.36.1
ETCD_VERSION=3.6.16
CONTAINERD_VERSION=2.4.2
RUNC_VERSION=1.4.0
COREDNS_VERSION=1.12.4
HELM_VERSION=4.3.1
CRANE_VERSION=0.22.1

# Binaries, by version: built once, and kept outside of the tree.
CACHE=${EXPORTPOOL_CACHE:-$HOME/.cache/exportpool}/cluster
BIN=$CACHE/bin-k$KUBERNETES_VERSION-e$ETCD_VERSION-c$CONTAINERD_VERSION-r$RUNC_VERSION-d$COREDNS_VERSION-h$HELM_VERSION

# Everything of a cluster that runs. One at a time on a machine: it has a bridge and addresses of its own. The path is
# short, as paths of sockets have to be.
RUN=/var/run/exportpool-cluster
BRIDGE=xp0
POD_NET=10.244.0.0/24
NODE_IP=10.244.0.1
SERVICE_NET=10.96.0.0/16
DNS_IP=10.96.0.10
NODE=node
REGISTRY=127.0.0.1:5001
# Its one rule, by which pods reach what is outside.
TABLE=exportpool-cluster
export KUBECONFIG_FILE=$RUN/admin.kubeconfig

say() { printf '%s\n' "$*" >&2; }

fail() {
  say "cluster: $*"
  exit 1
}

# wait_for SECONDS WHAT LOG COMMAND...: until the command succeeds.
wait_for() {
  local seconds=$1 what=$2 log=$3 end
  shift 3
  end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      say "cluster: $what: not within $seconds s; the end of $log:"
      tail -n 20 "$log" >&2 || true
      fail "look above, then: make cluster-down && make cluster"
    fi
    sleep 0.1
  done
}

# When a process began, in ticks since boot. With its id it names one process, and no later one.
began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# start NAME MEMORY COMMAND...: in the background, recorded by id and beginning. It keeps its heap below MEMORY where it
# can, takes one core, for tests run beside it, and holds no file of whoever asked for it (a lock, a jobserver of make).
start() {
  local name=$1 memory=$2 pid
  shift 2
  GOMEMLIMIT=$memory GOMAXPROCS=1 setsid nohup "$@" >"$RUN/log/$name" 2>&1 </dev/null \
    3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
  pid=$!
  echo "$pid $(began "$pid")" >"$RUN/pid/$name"
}

is_running() {
  local pid when
  [[ -f $RUN/pid/$1 ]] && read -r pid when <"$RUN/pid/$1" && [[ -n $when && $(began "$pid") == "$when" ]]
}

# stop NAME: SIGTERM, and after ten seconds SIGKILL.
stop() {
  local name=$1 pid end=$((SECONDS + 10))
  is_running "$name" || return 0
  pid=$(cut -d' ' -f1 "$RUN/pid/$name")
  kill "$pid" 2>/dev/null || true
  while is_running "$name"; do
    ((SECONDS < end)) || kill -9 "$pid" 2>/dev/null || true
    sleep 0.1
  done
  rm -f "$RUN/pid/$name"
}

kubectl() { "$BIN/kubectl" --kubeconfig "$KUBECONFIG_FILE" "$@"; }
# Its warning of the machine's cgroups is for whoever runs containerd for good.
ctr() { "$BIN/ctr" -a "$RUN/containerd.sock" -n k8s.io "$@" 2> >(grep -v 'cgroup v1 is deprecated' >&2); }
