# shellcheck shell=bash
# Installs Debian packages. Source it from a script that defines `fail`.

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    # shellcheck source=scripts/help.sh
    source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
    print_comment "$0"
    exit
fi

# install_packages PACKAGE…: installs the packages with apt-get, through sudo if necessary.
install_packages() {
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "needs root or sudo; ask an administrator to run: apt-get install $*"
        as_root=(sudo)
    fi
    echo "$(basename "$0" .sh): installing $*"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}
