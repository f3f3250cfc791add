# shellcheck shell=bash
# Installs packages of the system. Source it from a script that defines `fail`.

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    # shellcheck source=scripts/help.sh
    source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
    print_comment "$0"
    exit
fi

# install_packages PACKAGE…: installs the packages with apt-get or dnf, through sudo if necessary.
install_packages() {
    local as_root=() manager=dnf
    if command -v apt-get >/dev/null; then manager=apt-get; fi
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "not found: $*; load modules that have them, or ask an administrator to" \
            "run: $manager install $*"
        as_root=(sudo)
    fi
    echo "$(basename "$0" .sh): installing $*"
    if [[ $manager == dnf ]]; then
        "${as_root[@]}" dnf install -y -q "$@" ||
            fail "dnf cannot install $*; on RHEL and its relatives enable EPEL and CRB first:" \
                "dnf install epel-release && crb enable"
        return
    fi
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}
