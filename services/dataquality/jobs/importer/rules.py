"""Rules as texts: `task/view/organization` is the rule to view the tasks of one's own organization."""

from dataquality.model import Operation, Scope
from dataquality.model.rules import RULES

ALL = "all"
"""Instead of a list of rules: all that there are."""


def rule_text(name: str, operation: Operation, scope: Scope) -> str:
    """How a file names this rule."""
    return f"{name}/{operation.name}/{scope.name}".lower()


RULE_TEXTS = tuple(rule_text(rule.name, rule.operation, rule.scope) for rule in RULES)
