"""Moves the port that pika connects to when a test names none."""

from __future__ import annotations

import os

import pika.connection

pika.connection.Parameters.DEFAULT_PORT = int(os.environ["UPSTREAM_PORT"])
