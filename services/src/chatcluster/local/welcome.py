"""What is said once everything is up: where it is, and what to try.

Owns that text. Pure.
"""

from chatcluster.local.settings import EACH, Settings


def text(settings: Settings) -> str:
    """The addresses, and an example to copy into another terminal."""
    websockets = " ".join(f"ws://127.0.0.1:{settings.websocket(n)}/ws" for n in range(EACH))
    tcps = " ".join(f"127.0.0.1:{settings.tcp(n)}" for n in range(EACH))
    return f"""
ChatCluster is up.

  page        http://127.0.0.1:{settings.api_port}/
  REST        http://127.0.0.1:{settings.api_port}/v1/docs
  websocket   {websockets}
  TCP         {tcps}
  metrics     http://127.0.0.1:{settings.health_port}/metrics (api), and the six ports after it
  data        {settings.data}

Try it in another terminal:

  api=http://127.0.0.1:{settings.api_port}
  token=$(curl -s $api/user/register -d '{{"userName":"ada-'$RANDOM'","passWord":"secret"}}' |
    sed 's/.*"data":"\\([^"]*\\)".*/\\1/')
  curl -s $api/v1/rooms/room:1/messages -H "Authorization: Bearer $token" -H "Idempotency-Key: hello-1" \\
    -H 'Content-Type: application/json' -d '{{"text":"Hello, room 1"}}'
  curl -s "$api/v1/rooms/room:1/messages?limit=10" -H "Authorization: Bearer $token"

Ctrl-C stops everything; the data stay.

"""
