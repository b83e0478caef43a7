"""The small facts in SQL: which databases, collections and aliases there are. Collections' own state is elsewhere."""
