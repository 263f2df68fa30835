"""Many processes: whose log the rows hold; and on PostgreSQL the words of each plugin beside its row, indexed."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

# As `find_words` does: letters without the marks over them, and nothing else than spaces between words. Left to itself
# the parser takes `name/slug` for a file and `wordpress.org` for a host, one word each; where the database's locale
# is C, it takes all that is not ASCII for letters.
MARKS = "[\u0300-\u036f]"
SIGNS = (
    r"[!-/:-@\[-`{-~"
    "\u0080-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7"
    "\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff\u3000-\u3004\u3008-\u3020\ufe10-\ufe6f\uff01-\uff0f]+"
)
# A text that is longer than anybody reads would be too long for the column.
PLAIN = f"regexp_replace(normalize(left(search_text, 100000), NFKD), '{MARKS}', '', 'g')"
WORDS = f"to_tsvector('simple'::regconfig, regexp_replace({PLAIN}, '{SIGNS}', ' ', 'g'))"


def upgrade() -> None:
    op.create_table(
        "log_owner",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("verifier_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_owner")),
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(f"ALTER TABLE plugins ADD COLUMN search_words tsvector GENERATED ALWAYS AS ({WORDS}) STORED")
    op.execute("CREATE INDEX ix_plugins_search_words ON plugins USING gin (search_words)")
