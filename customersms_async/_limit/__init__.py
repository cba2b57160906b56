"""The rate limit: law, queues, stores, recovery. May import values and ports; the law is pure."""
