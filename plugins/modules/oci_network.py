#!/usr/bin/python
# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: oci_network
short_description: Manage the networks of containers
version_added: 0.2.0
author:
  - agentless.oci contributors (@agentless-oci)
description:
  - Makes a network that O(agentless.oci.oci_container#module:networks) can name, changes it or removes it. A network is
    a CNI configuration list on disk, the plugins of the host's package C(containernetworking-plugins) do the rest.
  - A network is made when the first container is connected to it. Until then it is a file, and nothing runs.
  - The packet filter's rules for a bridge are made with it, once for all containers, in the chains of CNI's firewall
    plugin. What the administrator puts into the chain C(CNI-ADMIN) comes before them. They let containers out, and in
    only what they have asked for and their published ports, also on a host that forwards nothing else. Other networks'
    containers are kept apart. On a host with firewalld, that plugin is told of each container instead.
  - A task describes the whole network. Only what this collection chooses by itself, the subnet and the name of the
    bridge, stays as it is when a task leaves it out.
extends_documentation_fragment:
  - agentless.oci.attributes
  - agentless.oci.attributes.actiongroup_oci
  - agentless.oci.root
attributes:
  check_mode:
    support: full
    details:
      - A subnet that is to be chosen is the one that is free at that moment.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the network, at most 128 letters, digits, C(_), C(.) and C(-).
      - The network V(bridge) need not be declared. It is made with defaults when the first container wants it.
    type: str
    required: true
    aliases: [network_name]
  state:
    description:
      - With V(present) the network is as declared.
      - With V(absent) there is no such network.
    type: str
    choices: [absent, present]
    default: present
  driver:
    description:
      - With V(bridge) containers are behind a bridge of the host, which forwards for them and publishes their ports.
        Bridges are kept apart from each other.
      - With V(macvlan) and V(ipvlan) they are in the network of O(parent) themselves.
    type: str
    choices: [bridge, macvlan, ipvlan]
    default: bridge
  subnet:
    description:
      - Addresses of the network, as V(10.91.7.0/24).
      - By default, with O(driver=bridge), one that neither this host's routes nor other networks of containers use.
    type: str
  gateway:
    description:
      - Address of the gateway, with O(driver=bridge) the bridge's own. By default the first one of the subnet.
    type: str
  ip_range:
    description:
      - The part of the subnet that containers get addresses from. By default all of it.
    type: str
    aliases: [iprange]
  ipv6:
    description:
      - Whether containers get IPv6 addresses too.
    type: bool
    default: false
    aliases: [enable_ipv6]
  subnet_v6:
    description:
      - IPv6 addresses of the network. By default, with O(ipv6), unique local ones that are chosen at random.
    type: str
  gateway_v6:
    description:
      - IPv6 address of the gateway. By default the first one of the subnet.
    type: str
  ipam_config:
    description:
      - Subnets as C(community.docker.docker_network) takes them, instead of O(subnet) and the options like it.
    type: list
    elements: dict
    suboptions:
      subnet:
        description: The subnet, of either kind.
        type: str
        required: true
      gateway:
        description: Address of the gateway.
        type: str
      iprange:
        description: The part of it that containers get addresses from.
        type: str
        aliases: [ip_range]
  internal:
    description:
      - Whether containers reach each other only. The host is not in the network then, and no port can be published.
    type: bool
    default: false
  mtu:
    description:
      - Largest packet. By default the bridge's, or O(parent)'s.
    type: int
  interface_name:
    description:
      - Name of the bridge. By default the first of V(aoci0), V(aoci1) and so on that is free.
    type: str
  parent:
    description:
      - The host's interface that leads to the network of V(macvlan) and V(ipvlan).
    type: str
  mode:
    description:
      - Mode of V(macvlan) (V(bridge), V(private), V(vepa), V(passthru)) or V(ipvlan) (V(l2), V(l3), V(l3s)). By default
        the first one.
    type: str
  vlan:
    description:
      - VLAN of the containers' ports of the bridge.
    type: int
  driver_options:
    description:
      - O(mtu), O(parent), O(mode), O(vlan) and O(interface_name) as other modules take them, for example
        C(com.docker.network.bridge.name).
    type: dict
    aliases: [opt]
  labels:
    description:
      - Labels of the network, recorded with it. A change of these alone disconnects nobody.
    type: dict
  conflist:
    description:
      - A CNI configuration list, or one plugin's configuration, instead of all the options above, for any other plugin.
      - Capabilities that its plugins declare are used, C(ips), C(mac), C(portMappings) and C(aliases).
    type: dict
  force:
    description:
      - Disconnect the containers that are in the way. The next run of M(agentless.oci.oci_container) connects them to
        the changed network.
      - Without it a network that containers are connected to is neither removed nor changed, and the task fails.
    type: bool
    default: false
notes:
  - Directories of the host's environment variable E(AGENTLESS_OCI_CNI_PATH) are searched for plugins before
    C(/usr/lib/cni), C(/opt/cni/bin) and C(/usr/libexec/cni).
seealso:
  - module: agentless.oci.oci_container
"""

EXAMPLES = r"""
- name: A network with addresses that are chosen
  agentless.oci.oci_network:
    name: front

- name: A network that leads nowhere, for a database
  agentless.oci.oci_network:
    name: back
    subnet: 10.91.7.0/24
    internal: true

- name: Containers in the network of the host itself
  agentless.oci.oci_network:
    name: lan
    driver: macvlan
    parent: eth0
    subnet: 192.0.2.0/24
    gateway: 192.0.2.1
    ip_range: 192.0.2.192/27

- name: Any other plugin
  agentless.oci.oci_network:
    name: link
    conflist:
      cniVersion: 1.0.0
      plugins:
        - type: ptp
          ipMasq: true
          ipam:
            type: host-local
            ranges: [[{subnet: 10.99.0.0/24}]]

- name: Remove a network, whoever is connected to it
  agentless.oci.oci_network:
    name: front
    state: absent
    force: true
"""

RETURN = r"""
network:
  description: The network as it is now, or in check mode would be. Empty if there is none.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: success
    driver:
      description: Its driver, of a raw conflist the first plugin.
      type: str
      returned: success
    subnets:
      description: Its subnets, the IPv4 one first.
      type: list
      elements: str
      returned: success
    gateways:
      description: The gateway of each.
      type: list
      elements: str
      returned: success
    ranges:
      description: First and last address for containers, where that is not the whole subnet.
      type: list
      elements: str
      returned: success
    internal:
      description: Whether it leads nowhere.
      type: bool
      returned: success
    interface:
      description: Name of its bridge.
      type: str
      returned: success
    parent:
      description: The host's interface that leads to it.
      type: str
      returned: success
    mode:
      description: Mode of C(macvlan) and C(ipvlan).
      type: str
      returned: success
    vlan:
      description: VLAN, 0 for none.
      type: int
      returned: success
    mtu:
      description: Largest packet, 0 for the default.
      type: int
      returned: success
    labels:
      description: Its labels.
      type: dict
      returned: success
    containers:
      description: Names of the containers that are connected to it.
      type: list
      elements: str
      returned: success
    path:
      description: The file that it is.
      type: str
      returned: success
    conflist:
      description: What is in that.
      type: dict
      returned: success
  sample:
    name: back
    driver: bridge
    subnets: [10.91.7.0/24]
    gateways: [10.91.7.1]
    internal: true
    interface: aoci1
    containers: [database, web]
actions:
  description: What was done, or in check mode would be done, step by step. Empty if nothing had to be.
  returned: success
  type: list
  elements: str
  sample: ["created network back"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.agentless.oci.plugins.module_utils import core
from ansible_collections.agentless.oci.plugins.module_utils.network.options import ARGUMENT_SPEC

# What AnsibleModule takes; the action plugin validates with it, too.
MODULE = {"argument_spec": ARGUMENT_SPEC, "supports_check_mode": True}


def main() -> None:
    module = AnsibleModule(**MODULE)
    core.enter(module, f"network {module.params['name']}")
    from ansible_collections.agentless.oci.plugins.module_utils.network.module import run

    run(module)


if __name__ == "__main__":
    main()
