"""The comparison with a real RabbitMQ: the same steps on both sides, the same answers expected."""
