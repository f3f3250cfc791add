#!/usr/bin/env bash
# Compares predictions of kaon-scaling with measurements on two simulated hosts with a limited link: network namespaces
# of this machine, with a rank of one thread each. Takes about seven minutes; the machine must be idle.
#
#     bash scripts/test-scaling.sh            # prints the tables of docs/scaling.md in Markdown
#     bash scripts/test-scaling.sh --update   # also writes them, and the figure, into the page
#
# The predictions use measurements of a single host, which both hosts make at the same time because they share the
# machine, before and after the others; the bandwidth that sums and weights reach on each link without overlap; and the
# time of the processor for the bytes sent, measured without a limit of the link.
#
# Needs root, iproute2, Open MPI and Python 3. KAON is the program (default: the release build, which is built first),
# KAON_SCALING_SECONDS the duration of each measurement (default 12). It fails if a prediction is more than 15 % from
# the measurement, and then leaves the page as it is. The last line is "N passed, N failed"; measurements and logs are
# kept in .build/test-logs/scaling. Processes and namespaces are always removed.
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
update=no
if [[ ${1:-} == --update ]]; then
    update=yes
    shift
fi
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/mpi-environment.sh
source scripts/mpi-environment.sh
# shellcheck source=scripts/checks.sh
source scripts/checks.sh
# shellcheck source=scripts/hosts.sh
source scripts/hosts.sh
# shellcheck source=scripts/python-environment.sh
source scripts/python-environment.sh

seconds=${KAON_SCALING_SECONDS:-12}
# The paper's model in the precision of the machine, with the threads of a host.
model=(parallel.threads=1 parallel.precision=auto)

# Settings: name, rate of the link, overlap, format of the exchanged gradients, jets of a rank.
settings=(
    "overlap 1gbit on fp32 64"
    "no-overlap 1gbit off fp32 64"
    "bf16 1gbit on bf16 64"
    "few-jets 1gbit on fp32 16"
    "slower 400mbit on fp32 64"
)

# single NAME HOST THREADS: measures a host alone.
single() {
    exec "$folder/enter" "$2" mpirun -n 1 --bind-to none --mca orte_tmpdir_base "$folder/tmp" "$KAON" bench --scaling \
        "${model[@]}" parallel.threads="$3" --seconds "$((seconds / 3 + 1))" --force \
        --json "$logs/$1.json" \
        >"$logs/$1.log" 2>&1
}

# alone NUMBER: measures a single host, on both at the same time.
alone() {
    local host job jobs=() status=0
    for host in "${hosts[@]}"; do
        single "$host-$1" "$host" 1 &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job" || status=$?; done
    return "$status"
}

# pair NAME JETS [key=value …]: measures steps with as many jets per rank on both hosts.
pair() {
    local name=$1 jets=$2
    shift 2
    (across "$both" bench "${model[@]}" training.batch_size=$((2 * jets)) "$@" --seconds "$seconds" \
        --json "$logs/$name.json" --force) >"$logs/$name.log" 2>&1
}

measure() {
    local setting name rate overlap exchange jets before=""
    for setting in "${settings[@]}"; do
        read -r name rate overlap exchange jets <<<"$setting"
        if [[ $rate != "$before" ]]; then
            set_link "$rate"
            check "measured: the link of $rate" pair "link-$rate" 8 parallel.overlap=false
            measured+=(--link "$rate" "$logs/link-$rate.json")
            before=$rate
        fi
        check "measured: $name" pair "$name" "$jets" parallel.reduce_precision="$exchange" \
            "parallel.overlap=$([[ $overlap == on ]] && echo true || echo false)"
        measured+=(--measured "$name" "$logs/$name.json" "$rate" "$overlap" "$exchange")
    done
}

# predictions COMMAND ARGUMENTS…: runs kaon-scaling on the measurements of single hosts.
predictions() {
    local command=$1
    shift
    (cd python && "$environment/bin/python" -m kaon_scaling "$command" "$logs"/kaon-?-?.json --format markdown "$@")
}

# compare: latency and overhead are those of TCP between two namespaces.
compare() {
    predictions compare --unlimited "$logs/unlimited.json" --latency 50us --overhead 15us "${measured[@]}" \
        --json "$logs/comparison.json" >"$logs/comparison.md"
}

# A cluster of nodes with 64 cores and 100 Gbit/s, in a fat tree whose up-links have half of the bandwidth.
cluster=(--memory 300GB --bandwidth 100gbit --latency 2us --oversubscription 2)

make_tables() {
    predictions measured >"$logs/node.md"
    predictions predict --ranks 64 --nodes 1,2,4,8,16,32 "${cluster[@]}" --figure "$logs/scaling.png" \
        >"$logs/predicted.md"
    printf '\n![Predicted strong and weak scaling](figures/scaling.png)\n' >>"$logs/predicted.md"
    predictions advise --threads-bench "$logs/threads.json" --nodes 1,4,16 "${cluster[@]}" >"$logs/advice.md"
}

# fill NAME: replaces the lines between the markers of a table in the page.
fill() {
    awk -v begin="<!-- $1:" -v file="$logs/$1.md" '
        index($0, begin) == 1 { print; print ""; while ((getline line < file) > 0) print line; print ""; inside = 1 }
        $0 == "<!-- end -->" { inside = 0 }
        !inside { print }' docs/scaling.md >"$logs/page.md"
    cp "$logs/page.md" docs/scaling.md
}

measured=()

need_hosts
prepare
make_environment
make_hosts

check "measured: single hosts" alone 1
set_link unlimited
check "measured: both hosts without a limit of the link" pair unlimited 8 parallel.overlap=false
measure
check "measured: single hosts again" alone 2
check "measured: a host with two threads" eval "(single threads ${hosts[0]} 2)"
((failed == 0)) || fail "a measurement failed; see ${logs#"$PWD/"}"

check "every prediction is within 15 % of the measurement" compare
check "predictions are made" make_tables
for table in node comparison predicted advice; do echo && cat "$logs/$table.md"; done
echo
if [[ $update == yes ]] && ((failed == 0)); then
    for table in node comparison predicted advice; do fill "$table"; done
    cp "$logs/scaling.png" docs/figures/scaling.png
fi
