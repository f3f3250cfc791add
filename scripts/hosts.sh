# shellcheck shell=bash
# Two simulated hosts: network namespaces of this machine with their own host names and a link between them. Source it
# from the root of the repository after checks.sh, as root:
#
#     source scripts/hosts.sh
#     need_hosts         # fails unless this machine can simulate hosts
#     make_hosts         # sets $folder; processes and namespaces are removed at the end of the script
#     set_link 1gbit     # limits the link
#     across "$both" bench …

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    # shellcheck source=scripts/help.sh
    source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
    print_comment "$0"
    exit
fi

folder=""
net=kaon-hosts-$$
hosts=(kaon-a kaon-b)
# Ranks for `across`: one on each host, or two on the first.
# shellcheck disable=SC2034  # used by the sourcing script
both=kaon-a:1,kaon-b:1
# shellcheck disable=SC2034
one=kaon-a:2

need_hosts() {
    local program
    ((EUID == 0)) || fail "needs root for network namespaces"
    for program in ip tc nsenter unshare mpirun; do
        command -v "$program" >/dev/null || fail "$program not found; install iproute2, util-linux and Open MPI"
    done
}

make_hosts() {
    local host number=0
    folder=$(mktemp -d /tmp/kaon-hosts.XXXXXX)
    mkdir "$folder/tmp"
    for host in "${hosts[@]}"; do ip netns add "$net-$host"; done
    ip link add eth0 netns "$net-${hosts[0]}" type veth peer name eth0 netns "$net-${hosts[1]}"
    printf '127.0.0.1 localhost\n' >"$folder/hosts"
    for host in "${hosts[@]}"; do
        number=$((number + 1))
        ip -n "$net-$host" addr add "10.193.78.$number/24" dev eth0
        ip -n "$net-$host" link set lo up
        ip -n "$net-$host" link set eth0 up
        echo "10.193.78.$number $host" >>"$folder/hosts"
    done
    # Replacement for ssh in mpirun: enter HOST COMMAND…; a shell parses the words of the command.
    cat >"$folder/enter" <<END
#!/bin/bash
host=\$1
shift
exec nsenter --net="/run/netns/$net-\$host" unshare --uts --mount bash -c '
    hostname "\$0" && mount --bind "$folder/hosts" /etc/hosts && exec bash -c "\$1"' "\$host" "\$*"
END
    chmod +x "$folder/enter"
}

# set_link RATE: limits the link in both directions, such as 1gbit; `unlimited` removes the limit.
set_link() {
    local host
    for host in "${hosts[@]}"; do
        tc -n "$net-$host" qdisc del dev eth0 root 2>/dev/null || true
        # The bucket must hold an unsegmented packet of the kernel, and the data of one clock tick.
        [[ $1 == unlimited ]] || tc -n "$net-$host" qdisc add dev eth0 root tbf rate "$1" burst 1mb latency 20ms
    done
}

processes() { ip netns pids "$net-$1" 2>/dev/null; }
host_is_empty() { [[ -z $(processes "$1") ]]; }

kill_host() {
    local process
    for process in $(processes "$1"); do kill -KILL "$process" 2>/dev/null || true; done
}

clean_up() {
    local host
    [[ -n $folder ]] || return 0
    for host in "${hosts[@]}"; do
        kill_host "$host"
        ip netns del "$net-$host" 2>/dev/null
    done
    rm -rf "$folder"
    folder=""
}

# across HOSTS ARGUMENTS…: runs kaon on two ranks on these hosts (a:1,b:1), started from the first.
across() {
    local where=$1 launch
    shift
    # ob1, tcp            messages between the hosts use TCP, as on a cluster without a faster network.
    # …_if_include        the network interface to use.
    # oob_tcp_keepalive_… a host silent for 10 + 2 × 5 seconds counts as lost; the default is eight minutes.
    launch=(mpirun --host "$where" -n 2 --bind-to none
        --mca plm rsh --mca plm_rsh_agent "$folder/enter" --mca orte_tmpdir_base "$folder/tmp"
        --mca pml ob1 --mca btl "tcp,self" --mca btl_tcp_if_include eth0 --mca oob_tcp_if_include eth0
        --mca oob_tcp_keepalive_time 10 --mca oob_tcp_keepalive_intvl 5 --mca oob_tcp_keepalive_probes 2
        "$KAON" "$@")
    exec "$folder/enter" "${hosts[0]}" "${launch[@]@Q}"
}
