#!/bin/sh
# Renew requirements/*.txt: every version pinned, every file hashed, for every platform, no index address.
set -eu
cd "$(dirname "$0")/.."
lock() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --custom-compile-command "scripts/lock.sh" "$@"
}
lock pyproject.toml --extra postgres --extra s3 --extra tracing -o requirements/node.txt
lock pyproject.toml --extra postgres --extra s3 --extra tracing --group dev -o requirements/dev.txt
