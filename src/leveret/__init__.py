"""An embeddable, RabbitMQ-compatible AMQP 0-9-1 routing broker."""
