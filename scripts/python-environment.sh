# shellcheck shell=bash
# Shared by the test scripts: the virtual environment of the Python tools, .build/python, which is created again only
# when the requirements change. Source it from the root of the repository after checks.sh:
#
#     source scripts/python-environment.sh
#     make_environment
#     "$environment/bin/python" …

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    # shellcheck source=scripts/help.sh
    source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
    print_comment "$0"
    exit
fi

# shellcheck source=scripts/packages.sh
source scripts/packages.sh

environment=$PWD/.build/python

# A virtual environment needs Python and, on Debian and Ubuntu, the package python3-venv.
install_python() {
    command -v apt-get >/dev/null ||
        fail "Python 3 with the module venv not found; install it with your system's package manager"
    install_packages python3 python3-venv
}

make_environment() {
    local wanted
    wanted=$(cat python/pyproject.toml scripts/python-environment.sh | sha256sum)
    if [[ -x $environment/bin/python && $(cat "$environment/made-for" 2>/dev/null) == "$wanted" ]] &&
        "$environment/bin/python" -c 'import kaon_data' 2>/dev/null; then
        return
    fi
    echo "$(basename "$0" .sh): creating .build/python"
    rm -rf "$environment"
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_python
    python3 -m venv "$environment"
    # Editable, so that changes of the code need no new installation.
    "$environment/bin/pip" install --quiet --disable-pip-version-check --editable './python[test]'
    echo "$wanted" >"$environment/made-for"
}
