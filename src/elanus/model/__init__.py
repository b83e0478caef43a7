"""The vocabulary: types, schemas, columns, time, errors and limits. No I/O; imports nothing of ours."""
