"""A server with a data directory that is killed again and again under load, and what must hold.

`python -m benchmarks.crash --kills 300`: each life ends with SIGKILL at a random moment. What its
clients know by then (sent, confirmed, delivered, acknowledged, declared) is compared with what the
directory holds, and with all that later lives deliver.
"""
