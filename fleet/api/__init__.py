"""The REST API of the fleet."""
