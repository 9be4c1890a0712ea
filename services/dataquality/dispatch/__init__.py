"""What is asked and answered: tasks, results, and the events that tell nodes of them."""
