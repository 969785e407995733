"""Speed on the wire: `leveret serve` beside a RabbitMQ, by the same load, in turn."""
