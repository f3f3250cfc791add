# shellcheck shell=bash
# --help and --version of the scripts. Source it before the arguments are read:
#
#     source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
#
# `--help` prints the comment at the top of the sourcing script, `--version` the version of kaon. A script without
# arguments then calls `refuse_arguments "$@"`.

# print_comment FILE: prints the comment at the top of a file.
print_comment() {
    sed -n '/^#!/d; /^# shellcheck/d; /^#SBATCH/d; /^#/!q; s/^# \{0,1\}//; p' "$1"
}

# refuse_arguments ARGUMENTS…: ends the script if there are any.
refuse_arguments() {
    (($# > 0)) || return 0
    printf "%s: unknown argument '%s'; see --help\n" "$(basename "$0" .sh)" "$1" >&2
    exit 2
}

case ${1:-} in
    -h | --help)
        print_comment "${BASH_SOURCE[1]:-${BASH_SOURCE[0]}}"
        exit
        ;;
    --version)
        sed -n 's/.*kaonVersion = "\(.*\)".*/kaon \1/p' \
            "$(dirname "${BASH_SOURCE[0]}")/../Sources/System/Version.swift"
        exit
        ;;
esac
