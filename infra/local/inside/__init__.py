"""What runs as the first process of a replica, before the module's own."""
