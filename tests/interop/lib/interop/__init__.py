"""What the checks by third parties share: processes, the public `baton` CLI, and the expected content of a sync."""
