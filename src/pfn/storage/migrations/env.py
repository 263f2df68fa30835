"""Alembic's entry: run the migrations on the connection ``pfn.storage.migrate`` hands over."""

from alembic import context

from pfn.storage.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
