"""Reading .proto files."""

import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc
from interop import places
from interop.processes import Failure

# The parts of the SDK's protocol that a connector and its control plane speak; the others are of files and tools.
SPOKEN = ("c1/config/v1", "c1/connector/v2", "c1/connectorapi/baton/v1", "c1/ratelimit/v1")


def compiled(directories: list[Path]) -> FileDescriptorSet:
    """The messages of the first directory; the others hold what it imports."""
    first = directories[0]
    files = [str(file) for part in SPOKEN for file in sorted((first / part).glob("*.proto"))]
    if not files:
        raise Failure(f"no .proto files below {first}")
    well_known = resources.files("grpc_tools") / "_proto"
    # Google's status is not in the SDK's tree
    paths = [f"--proto_path={path}" for path in (*directories, places.REPOSITORY / "proto", well_known)]
    with tempfile.NamedTemporaryFile() as output:
        if protoc.main(["protoc", *paths, f"--descriptor_set_out={output.name}", *files]) != 0:
            raise Failure(f"the .proto files below {first} cannot be compiled")
        return FileDescriptorSet.FromString(Path(output.name).read_bytes())
