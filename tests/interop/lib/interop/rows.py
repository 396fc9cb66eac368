"""The messages inside a `.c1z` as a control plane gets them: SQLite rows with a protobuf each."""

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import zstandard

MAGIC = b"C1ZF\0"


def blobs(path: Path, table: str) -> Iterator[tuple[str, bytes]]:
    """External id and message of each row of `resources`, `entitlements`, `grants` or `resource_types`."""
    packed = path.read_bytes()
    if not packed.startswith(MAGIC):
        raise ValueError(f"{path} is no c1z of version 1")
    with tempfile.NamedTemporaryFile(suffix=".db") as database:
        database.write(zstandard.ZstdDecompressor().decompressobj().decompress(packed[len(MAGIC) :]))
        database.flush()
        connection = sqlite3.connect(database.name)
        try:
            yield from connection.execute(f"select external_id, data from v1_{table} order by external_id")
        finally:
            connection.close()


def blob(path: Path, table: str, external_id: str) -> bytes:
    """The message of one row."""
    return dict(blobs(path, table))[external_id]
