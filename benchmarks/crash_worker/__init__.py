"""A worker process that is killed again and again: each effect once, in order per key.

`python -m benchmarks.crash_worker --kills 100`. In one process are a broker with a data directory,
the relay of an outbox that publishes to it, and a worker that writes effects into a database. What
is in that database when the last process has ended by itself is judged.
"""
