"""What the agents do: classes that get their clients (database, HTTP, SMTP) in `__init__`."""
