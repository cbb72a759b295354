#!/usr/bin/env bash
# Makes cmd/mbox/default.pgo anew: what the compiler goes by when it builds the
# program (profile-guided optimisation). Workloads of perf are played from memory
# in all modes and profiled; the profiles are merged. To be run when the hot path
# has changed, on Linux.
#
#   perf/pgo.sh [SECONDS]    of each of twenty runs; 2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-2}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

go build -trimpath -pgo=off -o "$dir/mbox" ./cmd/mbox
for workload in "w1 -payload 0" "w1 -payload 1400" w4 w6 w8; do
  # shellcheck disable=SC2086 # flags of a workload are words of their own
  go run ./perf -write "$dir/t.pcap" -workload $workload
  for mode in track events read history; do
    (cd "$dir" && ./mbox bench -r t.pcap --mode "$mode" --duration "${seconds}s" --checksums label --profile cpu -q >/dev/null)
    mv "$dir/cpu.pprof" "$dir/${workload// /}-$mode.pprof"
  done
done
go tool pprof -proto "$dir"/*.pprof >cmd/mbox/default.pgo
ls -l cmd/mbox/default.pgo
