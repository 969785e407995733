"""Mixed load from six client processes that are killed and restarted, and what must hold after it.

`python -m benchmarks.soak --minutes 30`: a server of its own, clients of four libraries that write
down what they sent, what was confirmed and what they received, and a judge that reads it.
"""
