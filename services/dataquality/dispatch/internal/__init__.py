"""What other services ask of this one."""
