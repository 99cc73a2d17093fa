"""Running Drover on one machine: its processes, the demo, and what is wrong with an installation."""
