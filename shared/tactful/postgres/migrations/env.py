"""How Alembic runs revisions: each in a transaction, so that one may build its indexes between two of them."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], transactional_ddl=True, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
