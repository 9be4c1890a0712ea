"""Calls of the real clients and nodes whose routes a later piece of work brings, and which issue owns them."""

_VPN = "issue 3 leaves the rest of section 3.4 (vpn) to a later issue"
ALGORITHMS = dict.fromkeys(("vpn.get_addresses", "vpn.get_child_addresses", "vpn.get_parent_address"), _VPN)
NODES = dict.fromkeys(("get_vpn_config", "refresh_vpn_keypair"), _VPN)
