"""The Python client: `async with Client.connect(url, token=...) as chat`. docs/client.md tells how to use it."""

from chatcluster.client.client import Client as Client
