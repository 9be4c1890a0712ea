"""Calls of the real clients and nodes whose routes a later piece of work brings, and which issue owns them."""

USERS = {
    "util.reset_my_password": "issue 4 (recover/lost, by mail)",
    "util.set_my_password": "issue 4 (recover/reset)",
    "util.reset_two_factor_auth": "issue 4 (recover/2fa/lost, by mail)",
    "util.set_two_factor_auth": "issue 4 (recover/2fa/reset)",
}
SIGN_IN = {"authenticate(mfa_code)": "issue 3 (two-factor sign-in, once its setting is there)"}
_VPN = "issue 3 leaves the rest of section 3.4 (vpn) to a later issue"
ALGORITHMS = dict.fromkeys(("vpn.get_addresses", "vpn.get_child_addresses", "vpn.get_parent_address"), _VPN)
NODES = dict.fromkeys(("get_vpn_config", "refresh_vpn_keypair"), _VPN)
