# shellcheck shell=bash
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by the scripts here and under tests/ and demo/: one environment, whatever the caller's is.

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Unbuffered stdin makes pipelining slow, and without bytecode every start of Python compiles everything anew.
unset PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV
# A user's own settings of Ansible must not decide what a test finds.
unset AGENTLESS_OCI_ROOT
while read -r name; do
    unset "$name"
done < <(compgen -e ANSIBLE_)

# Shims that choose an interpreter by the current folder mislead interpreter discovery; the real ones stay.
clean_path=
IFS=: read -ra entries <<<"$PATH"
for entry in "${entries[@]}"; do
    case $entry in
    */shims | */.venv/bin) ;;
    *) clean_path=${clean_path:+$clean_path:}$entry ;;
    esac
done
export PATH="$checkout/.venv/bin:$clean_path:/usr/sbin:/sbin"
unset clean_path entries entry name

export LC_ALL=C.UTF-8 ANSIBLE_CONFIG="$checkout/ansible.cfg" PY_COLORS=0 ANSIBLE_NOCOLOR=1 MOLECULE_NO_LOG=0

# become_root SCRIPT ARGUMENTS… : returns for root. Anybody else gets the script run by sudo, and what it made given to
# them; then this ends.
become_root() {
    local code=0
    [ "$(id -u)" = 0 ] && return
    echo "Containers are root's business: going on under sudo."
    sudo -E "$@" || code=$?
    sudo chown -R "$(id -u):$(id -g)" "$checkout/.venv"
    exit $code
}
