# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
import yaml
from ansible_collections.agentless.oci.plugins.doc_fragments import containers
from ansible_collections.agentless.oci.plugins.doc_fragments import foreign as foreign_fragment
from ansible_collections.agentless.oci.plugins.module_utils.container import fleetoptions, optionrow, options

PLUGINS = os.path.join(os.path.dirname(os.path.abspath(__file__)), *[".."] * 5, "plugins")


def load(path):
    """The YAML of every string in a module or fragment, by the name it is bound to."""
    with open(os.path.join(PLUGINS, path), encoding="utf-8") as file:
        source = file.read()
    found = {}
    for name in ("DOCUMENTATION", "EXAMPLES", "RETURN"):
        if f'{name} = r"""' in source:
            text = source.split(f'{name} = r"""', 1)[1].split('"""', 1)[0]
            found[name] = yaml.safe_load(text)
    return found


def fragment(name):
    """The documentation of a fragment."""
    if name == "foreign":
        return yaml.safe_load(foreign_fragment.ModuleDocFragment.DOCUMENTATION)
    return load(f"doc_fragments/{name}.py")["DOCUMENTATION"]


@pytest.fixture(scope="module")
def documented():
    documentation = load("modules/oci_container.py")["DOCUMENTATION"]
    own = documentation["options"]
    for name in documentation["extends_documentation_fragment"]:
        found = fragment(name.split(".")[2])
        assert not set(own) & set(found.get("options", {})), name
        own = {**own, **found.get("options", {})}
    return own


def same(spec, documentation, where):
    assert set(spec) == set(documentation), where
    for name, entry in spec.items():
        text = documentation[name]
        for key in ("type", "choices", "elements", "default", "aliases", "required"):
            assert entry.get(key) == text.get(key), f"{where}{name}: {key}"
        if "options" in entry:
            same(entry["options"], text["suboptions"], f"{where}{name}.")


def test_the_documentation_says_what_the_table_says(documented):
    same(options.argument_spec(), documented, "")


def test_the_documentation_of_a_set_says_what_its_table_says():
    own = {
        **load("modules/oci_containers.py")["DOCUMENTATION"]["options"],
        **load("doc_fragments/root.py")["DOCUMENTATION"]["options"],
        **yaml.safe_load(containers.ModuleDocFragment.DOCUMENTATION)["options"],
    }
    same(fleetoptions.argument_spec(), own, "")
    of_one = own["containers"]["suboptions"]
    assert "V(started)." in of_one["state"]["description"][-1]
    text = str(of_one)
    for name in fleetoptions.of_a_member():
        assert f"O({name}" not in text, "refers to an option of another module"


def test_what_is_changed_in_place_is_said(documented):
    for name, row in options.TABLE.items():
        text = " ".join(documented[name]["description"])
        assert ("Changed in place" in text) is (row.update != optionrow.RECREATE), name


def test_examples_use_only_options_there_are():
    names = set(options.argument_spec())
    for task in load("modules/oci_container.py")["EXAMPLES"]:
        assert set(task["agentless.oci.oci_container"]) <= names
    for task in load("modules/oci_containers.py")["EXAMPLES"]:
        given = task["agentless.oci.oci_containers"]
        assert set(given) <= set(fleetoptions.argument_spec())
        for container in [*given["containers"], given.get("defaults", {})]:
            assert set(container) <= set(fleetoptions.of_a_member())


def test_every_name_users_of_the_peers_know_is_an_alias_or_a_name():
    known = set(options.argument_spec())
    for entry in options.argument_spec().values():
        known.update(entry.get("aliases", []))
    assert {"workdir", "label", "group_add", "pid", "ipc", "cgroupns", "network", "net", "ulimit", "sysctl"} <= known
    assert {"device", "volume", "cap_add", "security_opt", "log_opt", "rm", "tls_verify", "ca_cert_dir"} <= known
