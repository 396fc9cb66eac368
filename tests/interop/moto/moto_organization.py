"""moto with the organization and the IAM that the checks share."""

import contextlib
import logging
from collections.abc import Iterator
from urllib.request import Request, urlopen

import iam
from interop.aws import Clients
from moto.server import ThreadedMotoServer

from population import populate
from repair import RepairingProxy

REGION = "us-east-1"


@contextlib.contextmanager
def aws() -> Iterator[Clients]:
    """Serve a populated moto on a free loopback port; gives boto3 clients that reach it."""
    # a line per request otherwise
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    _, port = moto.get_host_and_port()
    # all servers of a process share what they hold
    urlopen(Request(f"http://127.0.0.1:{port}/moto-api/reset", method="POST")).close()
    proxy = RepairingProxy(port, Clients(f"http://127.0.0.1:{port}", REGION))
    try:
        clients = Clients(proxy.endpoint, REGION)
        organization = populate(clients)
        iam.populate(clients, list(organization.accounts)[1])
        yield clients
    finally:
        proxy.stop()
        moto.stop()
