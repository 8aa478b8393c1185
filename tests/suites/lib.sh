# shellcheck shell=bash
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by the suites: one line on the screen and one in `results` for each check.
set -uo pipefail
suites=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$suites/../.." && pwd)
work=${AGENTLESS_OCI_TEST_DIR:?run it by hacking/run-tests}
failures=0

# check NAME COMMAND… : passed when the command ends with 0; what it printed is shown only when not.
check() {
    local name=$1 log=$work/$1.log begin=$SECONDS
    shift
    if "$@" >"$log" 2>&1 </dev/null; then
        echo "passed $name" >>"$work/results"
        printf '   ok      %s (%d s)\n' "$name" $((SECONDS - begin))
        return 0
    fi
    echo "failed $name $(grep -v '^[[:space:]]*$' "$log" | tail -n 1)" >>"$work/results"
    printf '   FAILED  %s\n' "$name"
    tail -n "${AGENTLESS_OCI_TEST_LINES:-80}" "$log" | sed 's/^/   | /'
    failures=$((failures + 1))
    return 1
}

skip() {
    echo "skipped $1 $2" >>"$work/results"
    printf '   skipped %s: %s\n' "$1" "$2"
}

# cannot NAME REASON: skipped where the machine lacks something; in CI (CI=true) a failure, since there all must run.
cannot() {
    if [ "${CI:-}" != true ]; then
        skip "$1" "$2"
        return
    fi
    echo "failed $1 $2" >>"$work/results"
    printf '   FAILED  %s: %s\n' "$1" "$2"
    failures=$((failures + 1))
}

# The real interpreters, 3.9 and later, as "VERSION PATH" lines: those of /usr first, then pyenv's.
interpreters() {
    local path version
    for path in /usr/bin/python3 /usr/bin/python3.[0-9]* /usr/local/bin/python3.[0-9]* \
        "${PYENV_ROOT:-$(getent passwd "$(id -u)" | cut -d: -f6)/.pyenv}"/versions/*/bin/python3; do
        [ -x "$path" ] || continue
        version=$("$path" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        case $version in 2.* | 3.[0-8]) continue ;; esac
        echo "$version $path"
    done | sort -s -V -k1,1 -u
}

# A copy of the checkout, uncommitted files included, at a path that Ansible and ansible-test take for the collection.
copy_collection() {
    local target=$1/ansible_collections/agentless/oci
    mkdir -p "$target"
    (cd "$checkout" && git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        [ -e "$file" ] && [ "${file#.tree/}" = "$file" ] && printf '%s\0' "$file"
    done | tar -c --null -T - | tar -x -C "$target")
}

finish() { exit $((failures > 0)); }
