"""Owning a partition: by a lease, at one's own clock if that is right, reading on where somebody stopped, ticking when nothing comes,
and telling the log what a slice asked for.

`memory` and `sqlite` hold what a store keeps for that beside a service's own rows (owners, outbox, who was erased), in PostgreSQL
`tactful.postgres.partitions` does."""
