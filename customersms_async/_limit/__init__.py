"""The rate limit: law, queues, stores and their losses. Reaches values, ports; the law is pure."""
