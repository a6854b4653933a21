"""The library httpx, blocking and concurrent."""

import asyncio
import sys

import httpx

api, mode = sys.argv[1:]
echo = api + "/_simulator/echo"
JSON = {"title": "größer", "n": 1}
CONTENT = (bytes(range(251)) * 41778)[: 10 << 20]
options = {"timeout": 60, "headers": {"Connection": "close"} if mode == "close" else {}}


def pieces():
    for at in range(0, len(CONTENT), 50_000):
        yield CONTENT[at : at + 50_000]


with httpx.Client(**options) as session:

    def ask(method, url, **more):
        answer = session.request(method, url, **more)
        assert answer.status_code == 200, (method, url, answer.status_code, answer.text)
        return answer

    for _ in range(3):
        assert ask("GET", api + "/workspaces").json()["success"] is True
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = ask(method, echo, json=JSON)
        assert answer.json() == JSON, method
        assert answer.headers["X-Echo-Method"] == method
    assert ask("HEAD", api + "/workspaces").content == b""
    assert ask("GET", api + "/_simulator/gzip").json()["success"] is True
    assert ask("GET", api + "/_simulator/bytes?n=10485760").content == CONTENT
    assert ask("GET", api + "/_simulator/bytes?n=10485760&chunked=1").content == CONTENT
    assert ask("POST", echo, content=CONTENT).content == CONTENT
    assert ask("POST", echo, content=pieces()).content == CONTENT


async def together():
    async with httpx.AsyncClient(**options) as session:
        answers = await asyncio.gather(*(session.get(api + "/workspaces") for _ in range(50)))
        assert [answer.status_code for answer in answers] == [200] * 50


asyncio.run(together())
