"""The stack as containers: a compose document made from the plan, and the engine that runs it."""
