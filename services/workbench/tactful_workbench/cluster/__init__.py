"""The size for one machine or many: Kafka and PostgreSQL, each service a process. Composition roots of `serve
ingest|trigger|dispatch|console`: each loads what it needs and no more."""
