"""Import files of every shape, as hypothesis draws them."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from dataquality.model.rules import BUILT_IN_ROLES

# Any text that a database can hold, among them those that YAML or JSON would take for something else.
ODD = [
    *("no", "~", "null", "1e5", "0x1f", "010", "<<", "=", "- a", "a: b", "# a", "'", '"', "\\", "all", "super", "new"),
    *(" a ", "a\n", "\na\n\n b", "\t", "\u2028", "\u0085", "\ufeffa", "\x7f", "\x07", "😀", "%", "&a", "*a", "!!str"),
]
TEXTS = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)
# Few, so that roles of one name meet.
_SAME = ["boss", "super"]
NAMES = TEXTS.filter(bool)
_VISIBLE = st.characters(categories=["L", "N", "P", "S"], exclude_characters="\u115f\u1160\u2800\u3164\uffa0")
USERNAMES = st.one_of(
    st.sampled_from([word for word in ODD if word.isprintable() and word == word.strip()]),
    st.text(_VISIBLE, min_size=1, max_size=12),
)
"""No blank at an end, nothing that cannot be seen: others are refused."""
RULES = st.one_of(st.just("all"), st.lists(st.sampled_from(["task/view/global", "port/view/global"]), unique=True))


def full(**values: Any) -> dict[str, Any]:
    """Without what says nothing: empty texts and missing things."""
    return {key: value for key, value in values.items() if value not in ("", None)}


@st.composite
def role(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """A role of that name."""
    return full(name=name, description=draw(TEXTS), rules=draw(RULES))


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """What an import file can say, in the form that an export gives it."""
    free = NAMES.filter(lambda name: name not in (*BUILT_IN_ROLES, "root"))
    role_names = st.one_of(st.sampled_from(_SAME), free)
    shared = [draw(role(name)) for name in draw(st.lists(role_names, max_size=2, unique=True))]
    names = draw(st.lists(free, min_size=1, max_size=3, unique=True))
    own = {name: draw(own_roles(role_names)) for name in names}
    keys = [(None, one["name"]) for one in shared] + [(None, "Viewer")]
    keys += [(name, one["name"]) for name in names for one in own[name]]
    usernames = iter(draw(st.lists(USERNAMES.filter(lambda name: name != "root"), min_size=6, max_size=6, unique=True)))
    organizations: list[dict[str, Any]] = []
    for name in names:
        users = [draw(user(next(usernames), name, keys, own[name])) for _ in range(draw(st.integers(0, 2)))]
        details = {field: draw(TEXTS) for field in ("domain", "address1", "country")}
        key = draw(st.sampled_from(["", "a2V5", "bGluZQpicmVhaw=="]))
        texts = full(name=name, **details, public_key=key)
        organizations.append({**texts, "roles": own[name], **full(users=users or None)})
    return {**full(roles=shared or None), "organizations": organizations, "collaborations": draw(collaborations(names))}


@st.composite
def own_roles(draw: st.DrawFn, names: st.SearchStrategy[str]) -> list[dict[str, Any]]:
    """The roles of an organization; `super` is always among them."""
    chosen = draw(st.lists(names, max_size=2, unique=True))
    return [draw(role(name)) for name in dict.fromkeys([*chosen, "super"])]


@st.composite
def user(
    draw: st.DrawFn, username: str, organization: str, keys: Sequence[tuple[str | None, str]], own: list[dict[str, Any]]
) -> dict[str, Any]:
    """A user of an organization that has these roles of its own; `keys` are all roles there are."""
    roles = [shortest(organization, key, own) for key in draw(st.lists(st.sampled_from(keys), max_size=3, unique=True))]
    rules = draw(st.lists(st.sampled_from(["task/view/global", "port/view/global"]), unique=True))
    email = f"{username}@a.nl" if draw(st.booleans()) else ""
    texts = {key: draw(TEXTS) for key in ("firstname", "lastname")}
    return {**full(username=username, **texts, email=email), "roles": roles, **full(rules=rules or None)}


def shortest(own: str, key: tuple[str | None, str], roles: list[dict[str, Any]]) -> Any:
    """How a user of the organization `own`, which has these roles, is given a role."""
    owner, name = key
    hidden = owner is None and name in [one["name"] for one in roles]
    return name if owner in (own, None) and not hidden else {"name": name, "organization": owner}


@st.composite
def collaborations(draw: st.DrawFn, organizations: list[str]) -> list[dict[str, Any]]:
    """Collaborations of some of these organizations, with and without nodes."""
    found: list[dict[str, Any]] = []
    for name in draw(st.lists(NAMES, max_size=2, unique=True)):
        members = draw(st.lists(st.sampled_from(organizations), unique=True))
        # In the order of the ids, which is that of the organizations.
        places = [
            {"name": one, "api_key": draw(st.sampled_from(["new", "none"]))} for one in organizations if one in members
        ]
        for place in places:
            if place["api_key"] == "new":
                place |= full(node_name=draw(TEXTS))
        found.append({"name": name, "encrypted": draw(st.booleans()), "participants": places})
    return found


def normal(document: dict[str, Any]) -> dict[str, Any]:
    """With roles and rules, which are sets, in one order; and without the organization that every database has."""
    for organization in document["organizations"]:
        for user in organization.get("users", []):
            user["roles"].sort(key=repr)
            user.get("rules", []).sort()
    for one in [*document.get("roles", []), *(role for org in document["organizations"] for role in org["roles"])]:
        one["rules"] = one["rules"] if one["rules"] == "all" else sorted(one["rules"])
    document["organizations"] = [one for one in document["organizations"] if one["name"] != "root"]
    return document
