"""The rate limit: law, queues and stores. Reaches values and ports; the law is pure."""
