"""AMQP 0-9-1 by hand: frames made and read with pika's codec, so that leveret's judges nothing."""
