#!/usr/bin/env bash
# Style checks: Swift formatting (.swift-format), line length, quotes in documented commands, the number of files in
# each folder of Sources, and the version in all files.
# `swift format -i -r -p Package.swift Plugins Sources Tests` fixes most findings of the first. The last line is
# "N passed, N failed".
set -euo pipefail
# shellcheck source=scripts/help.sh
source "$(dirname "${BASH_SOURCE[0]}")/help.sh"
refuse_arguments "$@"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/checks.sh
source scripts/checks.sh

max_columns=120
max_files=14

# list NAME PATTERN…: sets the array to the files that git tracks or would add, and fails if there are none.
list() {
    local -n found_files=$1
    shift
    mapfile -t found_files < <(git ls-files --cached --others --exclude-standard -- "$@")
    ((${#found_files[@]} > 0)) || fail "git lists no files $*"
}

formatted() {
    swift format lint --strict --parallel --recursive Package.swift Plugins Sources Tests 2>&1 | sed "s#^$PWD/##"
}

# within_columns FILE…: no line is longer than max_columns characters. In Markdown, tables and lines with a link may be.
within_columns() {
    local found
    found=$(LC_ALL=C.UTF-8 grep -nHE "^.{$((max_columns + 1)),}" -- "$@" |
        grep -vE '^[^:]+\.md:[0-9]+:(\||.*(\]\(|https?://))' | cut -c 1-160) || true
    [[ -z $found ]] || { echo "$found" && return 1; }
}

# No folder of Sources holds more than max_files source files directly.
small_folders() {
    local found
    found=$(dirname "${source_files[@]}" | sort | uniq -c |
        awk -v most="$max_files" '$1 > most { print $2 ": " $1 " files, at most " most " are allowed" }')
    [[ -z $found ]] || { echo "$found" && return 1; }
}

# quoted_lists FILE…: values with brackets or braces are quoted in documented commands: indented lines of Markdown and
# comments of configurations. Shells such as zsh and fish expand them.
quoted_lists() {
    local found
    found=$(grep -nHE "^( {4}|# {3,}).*(^|[[:space:]])[a-z_.]+=[[{]" -- "$@" | cut -c 1-160) || true
    [[ -z $found ]] || { echo "$found" && return 1; }
}

# CITATION.cff, the Python tools and the change log name the version of Sources/System/Version.swift: CHANGELOG.md as a
# released section or as the next release.
same_version() {
    local version
    version=$(sed -n 's/.*kaonVersion = "\(.*\)".*/\1/p' Sources/System/Version.swift)
    grep -qxF "version: $version" CITATION.cff || { echo "CITATION.cff: version is not $version" && return 1; }
    grep -qxF "version = \"$version\"" python/pyproject.toml ||
        { echo "python/pyproject.toml: version is not $version" && return 1; }
    grep -qF -e "## [$version]" -e "release will be $version." CHANGELOG.md ||
        { echo "CHANGELOG.md has no section for $version" && return 1; }
}

# parsed FILE…: succeeds if bash can parse every file.
parsed() {
    local file status=0
    for file in "$@"; do bash -n "$file" || status=1; done
    return "$status"
}

list source_files 'Sources/*.swift' 'Sources/*.c' 'Sources/*.h'
list swift_files '*.swift'
list c_files '*.c' '*.h'
list shell_files '*.sh' '*.sbatch' .ci/run
list python_files '*.py'
list markdown_files '*.md'
list yaml_files 'configs/*.yaml'

check "swift format" formatted
check "line length of Swift" within_columns "${swift_files[@]}"
check "line length of C" within_columns "${c_files[@]}"
check "line length of shell scripts" within_columns "${shell_files[@]}"
check "syntax of shell scripts" parsed "${shell_files[@]}"
check "line length of Python" within_columns "${python_files[@]}"
check "line length of Markdown" within_columns "${markdown_files[@]}"
check "quoted lists in documented commands" quoted_lists "${markdown_files[@]}" "${yaml_files[@]}"
check "files per folder of Sources" small_folders
check "version in all files" same_version
