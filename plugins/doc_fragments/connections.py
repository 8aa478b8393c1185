# Copyright: (c) 2026, agentless.oci contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a container's network."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  network_mode:
    description:
      - With V(bridge), the default, it is connected to O(networks), or to the network C(bridge), which is made on first
        use; also C(default) and C(private), as Docker and podman call that.
      - With V(none) the container has a loopback interface of its own and nothing else.
      - With V(host) it uses the host's network, its C(/etc/hosts) and its C(/etc/resolv.conf).
      - With the name of a network made by M(agentless.oci.oci_network), or several separated by commas or as a list, it
        is connected to those. Settings may follow as podman has them, V(NAME:ip=10.91.7.10,mac=02:00:00:00:00:01) and
        C(alias=NAME), as O(networks) says them.
      - With V(container:NAME) it uses the network of another container that runs, and its C(/etc/hosts) and
        C(/etc/resolv.conf). When the other one is started anew, the next run of this task restarts this one.
      - With V(ns:/PATH) it uses the network namespace that is kept there.
      - V(bridge) and networks need the host's CNI plugins, the package C(containernetworking-plugins) or
        C(cni-plugins), and C(iptables). The role P(agentless.oci.host#role) installs both. On a host without them a
        container that does not say V(none) or V(host) is an error before anything is changed or pulled. Directories of
        the host's environment variable E(AGENTLESS_OCI_CNI_PATH) are searched for plugins first.
      - A container that has ended, or is stopped, gives back its addresses, ports and interfaces. It asks for the same
        again when it is started. While its restart policy starts it again it keeps them.
      - A container that was made when V(none) was the default, and whose task does not say otherwise, stays without a
        network until it is replaced for another reason.
    type: raw
    aliases: [network, net]
  networks:
    description:
      - Networks to connect the container to. The first one that is not internal has the default route, and the
        published ports. Changed in place, the running container is connected and disconnected.
      - Containers on one network find each other by name, by alias, by O(hostname) and by the beginning of the id.
        C(/etc/hosts) of the running containers is kept current for that.
    type: list
    elements: dict
    suboptions:
      name:
        description: The network's name.
        type: str
        required: true
      ipv4_address:
        description: A fixed address in it. By default a free one.
        type: str
      ipv6_address:
        description: A fixed IPv6 address in it.
        type: str
      aliases:
        description: Further names for the container in this network.
        type: list
        elements: str
      mac_address:
        description: MAC address of the interface in it.
        type: str
  published_ports:
    description:
      - Ports of the host that lead to the container, as V(8080:80), V(127.0.0.1:8080:80/udp), V(8000-8010:80-90),
        V([fd00::1]:8080:80), or V(80) for any free port of the host, which is found in the result. With a range for one
        port of the container, as in V(8000-8010:80), a free port of the range is taken. Put them in quotes.
      - A port that a process or another container has is an error before anything is stopped or replaced.
      - Nothing can be published on V(::1), as Linux does not forward what is sent there.
      - Changed in place, the running container is connected anew and keeps its addresses.
    type: list
    elements: str
    aliases: [ports, publish, published]
  publish_all_ports:
    description:
      - Publish each port that the image or O(exposed_ports) name and O(published_ports) does not on a free port of the
        host. V(all) as the only item of O(published_ports) is the same. Changed in place.
    type: bool
    aliases: [publish_all]
  default_host_ip:
    description:
      - Address of the host for those of O(published_ports) that name none.
    type: str
  exposed_ports:
    description:
      - Ports that the container listens on, as V(80), V(53/udp) or V(8000-8010). Recorded, and for
        O(publish_all_ports). Changed in place.
    type: list
    elements: str
    aliases: [exposed, expose]
  dns_servers:
    description:
      - Name servers for the container's C(/etc/resolv.conf). By default the host's, less those on its loopback
        interface, and with O(network_mode=none) none. Changed in place.
    type: list
    elements: str
    aliases: [dns]
  dns_opts:
    description:
      - Options for C(/etc/resolv.conf), as V(ndots:2). By default the host's. Changed in place.
    type: list
    elements: str
    aliases: [dns_option]
  dns_search_domains:
    description:
      - Search domains for C(/etc/resolv.conf). By default the host's, V(.) is for none. Changed in place.
    type: list
    elements: str
    aliases: [dns_search]
  etc_hosts:
    description:
      - Further names for C(/etc/hosts), a dictionary from host names to addresses. V(host-gateway) is the host's
        address as the container sees it. A list of V(NAME:ADDRESS) is the same. Changed in place.
    type: raw
    aliases: [add_hosts, extra_hosts]
  no_hosts:
    description:
      - Whether the container has the C(/etc/hosts) of its image, instead of one with its own name and those of the
        containers on its networks.
    type: bool
  ip:
    description:
      - Address in the first network, as O(networks[].ipv4_address) of it.
    type: str
  ip6:
    description:
      - IPv6 address in the first network, as O(networks[].ipv6_address) of it.
    type: str
  network_aliases:
    description:
      - Further names for the container in all its networks, as O(networks[].aliases) of each.
    type: list
    elements: str
    aliases: [network_alias]
  mac_address:
    description:
      - MAC address of the interface in the first network. Changed in place.
    type: str
"""
