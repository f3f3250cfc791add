# shellcheck shell=bash
# Shared by the batch jobs of slurm/ and condor/, which source it from the root of the repository or of an archive.

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    # shellcheck source=scripts/help.sh
    source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
    print_comment "$0"
    exit
fi

# load_modules NAME…: loads modules, also where the shell does not know the function `module`, as in a job that does not
# have the environment of a login. Fails with a sentence if it is not found.
load_modules() {
    local options=$- file status=0
    # The scripts of the site use unset variables, and programs that fail.
    set +eu
    for file in /etc/profile.d/{z00_lmod,lmod,modules}.sh "${LMOD_PKG:-}/init/bash" "${MODULESHOME:-}/init/bash"; do
        if declare -F module >/dev/null; then break; fi
        # shellcheck source=/dev/null
        if [[ -r $file ]]; then source "$file"; fi
    done
    if declare -F module >/dev/null; then
        module load "$@" || status=$?
    else
        echo "KAON_MODULES is set, but 'module' is not defined here: source the script of your site that defines it" \
            "before scripts/jobs.sh, or set MODULESHOME" >&2
        status=1
    fi
    [[ $options != *e* ]] || set -e
    [[ $options != *u* ]] || set -u
    return "$status"
}

# load_libraries ROOT: loads the modules of KAON_MODULES and the paths that scripts/setup.sh has found. kaon starts
# parallel.threads threads itself; libraries must not start more.
load_libraries() {
    if [[ -n ${KAON_MODULES:-} ]]; then
        # shellcheck disable=SC2086  # split into one word per module
        load_modules $KAON_MODULES || return
    fi
    if [[ -e $1/.build/environment.sh ]]; then
        # shellcheck source=/dev/null
        source "$1/.build/environment.sh"
    fi
    export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
}

# check_resume WORD…: fails with a sentence if a word sets run.resume to anything but auto.
check_resume() {
    local word
    for word in "$@"; do
        [[ $word == run.resume=* && $word != run.resume=auto ]] || continue
        echo "$word: every start of the job would use it again; leave it out, and the job continues from the latest" \
            "checkpoint in run.directory" >&2
        return 1
    done
}

# read_overrides FILE NUMBER ADVICE: sets the array `overrides` to the words of a line of a sweep, counted from 1. Fails
# with a sentence, which ends with the advice if there is no such line.
read_overrides() {
    local line words
    if [[ ! -r $1 ]]; then
        echo "$1 is not a readable file; scripts/sweep-lines.sh prints the lines of a sweep" >&2
        return 1
    fi
    line=$(sed -n "${2}p" "$1")
    if [[ -z ${line//[[:space:]]/} ]]; then
        echo "$1 has no line $2; $3" >&2
        return 1
    fi
    # xargs splits the line into words like a shell, including quotes, without running anything.
    words=$(xargs -n 1 printf '%s\n' <<<"$line" 2>/dev/null) || {
        echo "line $2 of $1 has an unmatched quote" >&2
        return 1
    }
    mapfile -t overrides <<<"$words"
}
