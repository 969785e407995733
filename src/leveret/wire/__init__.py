"""AMQP 0-9-1 as bytes: frames in, channel calls out; events in, frames out. No I/O."""
