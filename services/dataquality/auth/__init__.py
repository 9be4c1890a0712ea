"""Who you are and what you may do: tokens, passwords, users, roles, rules."""
