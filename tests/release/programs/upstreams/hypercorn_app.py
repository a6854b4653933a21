"""The application of application.go, for hypercorn. JOURNAL is a file."""

import asyncio
import hashlib
import os
import urllib.parse

_journal = os.open(os.environ["JOURNAL"], os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)


def _record(event, what):
    os.write(_journal, f"{event} {what}\n".encode())


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    query = dict(urllib.parse.parse_qsl(scope["query_string"].decode()))
    request_id = query.get("id", "")
    if scope["path"].startswith("/api/v2/early/"):
        _record("processed", request_id)
        await _answer(send, int(scope["path"].rsplit("/")[-1]), f"early {request_id}\n".encode())
    elif scope["path"] == "/api/v2/echo":
        await _echo(request_id, query, receive, send)
    else:
        await _answer(send, 200, b"{}\n")


async def _echo(request_id, query, receive, send):
    _record("begun", request_id)
    digest, length, more = hashlib.sha256(), 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            _record("cut", request_id)
            return
        digest.update(event.get("body", b""))
        length += len(event.get("body", b""))
        more = event.get("more_body", False)
    slow = int(query.get("slow", 0)) / 1000
    await asyncio.sleep(slow)
    _record("processed", request_id)
    filler = int(query.get("answer", 0))
    text = f"{request_id} {length} {digest.hexdigest()}\n"
    text += (request_id * (filler // len(request_id) + 1))[:filler]
    if query.get("stream") == "1":
        half = len(text) // 2
        await _answer(send, 200, text[:half].encode(), text[half:].encode(), slow / 2)
    else:
        await _answer(send, 200, text.encode())


async def _answer(send, status, content, rest=None, pause=0):
    length = [] if rest is not None else [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": length})
    await send({"type": "http.response.body", "body": content, "more_body": rest is not None})
    if rest is not None:
        await asyncio.sleep(pause)
        await send({"type": "http.response.body", "body": rest})
