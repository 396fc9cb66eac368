"""One port for two servers: the token endpoint and gRPC share host and port.

The first bytes of a TLS connection name the protocols that the client speaks (ALPN). A client that could speak
HTTP/1.1 wants a token; one that insists on HTTP/2 is a gRPC channel. Bytes are passed on as they are: each server
behind does its own TLS.
"""

import contextlib
import socket
import struct
from threading import Thread

_HTTP_1_1 = b"\x08http/1.1"


class Front:
    """Listens on a free loopback port until `stop`."""

    def __init__(self, *, token_port: int, grpc_port: int) -> None:
        self._token_port = token_port
        self._grpc_port = grpc_port
        # connections of gRPC channels so far
        self.channels = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Close the port; open connections end with their servers."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            hello = _first_record(client)
            port = self._token_port if _HTTP_1_1 in hello else self._grpc_port
            self.channels += port == self._grpc_port
            with socket.create_connection(("127.0.0.1", port)) as server:
                server.sendall(hello)
                back = Thread(target=_pipe, args=(server, client), daemon=True)
                back.start()
                _pipe(client, server)
                back.join()


def _first_record(client: socket.socket) -> bytes:
    """The whole first TLS record: five bytes of header, the last two of them its length."""
    record = b""
    wanted = 5
    while len(record) < wanted:
        part = client.recv(wanted - len(record))
        if not part:
            raise OSError("the client left before it said hello")
        record += part
        if len(record) == 5:
            wanted += struct.unpack(">H", record[3:5])[0]
    return record


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
