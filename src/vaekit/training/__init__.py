"""The loop and what it stands on: schedules, precision, checkpoints, events, diagnosis."""
