"""What every service's store keeps of a partition beside its own rows: who owns it, what the log has yet to be told, and who was
erased. Each is the part of a store that `tactful.leases` and `tactful.outbox` ask for. In PostgreSQL: `tactful.postgres.partitions`."""
