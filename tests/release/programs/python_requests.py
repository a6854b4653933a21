"""The library requests, as most scripts use it."""

import sys

import requests

api, mode = sys.argv[1:]
echo = api + "/_simulator/echo"
JSON = {"title": "größer", "n": 1}
CONTENT = (bytes(range(251)) * 41778)[: 10 << 20]

session = requests.Session()
if mode == "close":
    session.headers["Connection"] = "close"


def ask(method, url, **options):
    answer = session.request(method, url, timeout=60, **options)
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
assert ask("POST", echo, data=CONTENT).content == CONTENT
pieces = (CONTENT[at : at + 50_000] for at in range(0, len(CONTENT), 50_000))
assert ask("POST", echo, data=pieces).content == CONTENT
assert ask("POST", echo, files={"file": CONTENT}).content.count(CONTENT) == 1
assert session.get(api + "/members/none?workspace_id=501", timeout=60).status_code >= 400
assert ask("GET", echo, params={"q": "a b&ü"}).json()["target"].endswith("?q=a+b%26%C3%BC")
if mode == "keep-alive":
    (pool,) = session.get_adapter(api).poolmanager.pools._container.values()
    assert pool.num_connections == 1, pool.num_connections
