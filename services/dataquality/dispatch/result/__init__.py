"""Results: what each organization of a task is asked and answers."""
