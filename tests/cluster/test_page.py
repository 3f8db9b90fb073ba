"""The chat page of a ChatCluster on a real cluster: what people with browsers see of it while their gateways go."""

from collections.abc import Awaitable, Callable

import pytest

from chatcluster_operator import names
from support import browser as browsers, traffic
from support.browser import Person
from support.cluster.cluster import Cluster
from support.cluster.kubectl import Manifest


@pytest.mark.usefixtures("release")
async def test_people_see_each_message_once_though_their_gateways_go(own_cluster: Cluster) -> None:
    """In a room the programs are killed in mid-conversation, in private the pods are deleted; a reload shows it all."""
    async with traffic.running(own_cluster, connect={"replicas": 2}) as site, browsers.chromium() as browser:
        url = await opened(site)
        people = [await Person.arrive(browser, url, name) for name in ("ada", "zoe")]
        ada, zoe = people

        room = await browsers.talk(people, lambda: all_go(site, traffic.kill))
        await ada.talk_to("zoe")
        await ada.say("psst")
        await zoe.page.click("#conversations button")
        for person in people:
            await person.sees("psst")
        private = await browsers.talk(people, lambda: all_go(site, site.delete))

        for person in people:
            await person.page.reload()
            await person.is_ready()
            await person.sees(*room)
            await person.page.click("#conversations button")
            await person.sees(*private)
        assert ada.errors == zoe.errors == []


async def opened(site: traffic.Site) -> str:
    """Have clients told where the gateways are; returns where the page is. Both are the Services' own addresses.

    An api that goes and does not know it yet may answer until it is gone.
    """
    connect = await site.address("connect")
    await site.change(exposure={"websocketURL": f"ws://{connect}:{names.PORTS['websocket']}/ws"})
    await site.becomes("Ready")
    await site.has(api=1)
    return f"http://{await site.address('api')}:{names.PORTS['api']}"


async def all_go(site: traffic.Site, end: Callable[[Manifest], Awaitable[None]]) -> None:
    """End every gateway that somebody is connected to."""
    pods = await site.holders()
    assert pods
    for pod in pods:
        await end(pod)
