"""The jobs of the soak in four libraries, each in its own idioms."""
