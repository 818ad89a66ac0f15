"""Answers over a connection that was used before, to be told alike whether urllib3 reads them or the SDK does."""

from __future__ import annotations

import gzip
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.util import SKIP_HEADER
from urllib3.util.retry import Retry
from urllib3.util.wait import wait_for_read

from scripted_server import Answer
from shortcut_cases import ANSWERS, CHUNKED, OK, REDIRECTS, adapter, cookie, cookies, header, retries
from two_ways import Case, RawServer, nothing

if TYPE_CHECKING:
    import requests

CLOSE, RESET, PAUSE, LATE, EARLY = RawServer.CLOSE, RawServer.RESET, RawServer.PAUSE, RawServer.LATE, RawServer.EARLY
SHORT = (1.0, 0.3)
SECOND = 2
LARGE = b"x" * 12_000_000  # more than lies in the buffers of two sockets
PIECES = [OK[:at] + PAUSE + OK[at:] for at in range(1, len(OK))]


class Patient(Retry):
    """Waits and asks again whenever the server wishes it."""

    RETRY_AFTER_STATUS_CODES = frozenset({200})


def head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "".join(f"{line}\r\n" for line in (status, *lines, "")).encode("latin-1")


def fine(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    """Make an answer of four bytes."""
    return head(*lines, "Content-Length: 4", status=status) + b"fine"


def kept(*answers: bytes, **options: Any) -> Case:
    """Have some answers come after one that leaves the connection open, and before another one."""
    between = settle if len(answers) == 1 and answers[0].endswith((CLOSE, RESET, b"surplus")) else nothing
    return Case(**{"answers": [OK, *answers, OK], "times": len(answers) + 2, "between": between, **options})


def pools_of(session: requests.Session) -> list[Any]:
    """Give the pools of a session."""
    managers = [vars(adapter)["poolmanager"].pools for adapter in session.adapters.values()]
    return [pools[key] for pools in managers for key in pools.keys()]  # noqa: SIM118  (no dict)


def with_proxy_headers(session: requests.Session) -> None:
    """Set what urllib3 adds to each request, though there is no proxy."""
    for pool in pools_of(session):
        pool.proxy_headers = {"X-Proxy": "1"}


def leave_unread(session: requests.Session) -> None:
    """Give a connection back whose answer was not read."""
    time.sleep(0.05)  # the request after such a one fails before it is answered: the server has time to note it
    for pool in pools_of(session):
        answer = pool.urlopen("POST", "/v1", preload_content=False, retries=False)
        answer.release_conn()
        vars(session).setdefault("unread", []).append(answer)  # or it would be closed


def leave_unsent(session: requests.Session) -> None:
    """Give a connection back whose request was not sent."""
    for pool in pools_of(session):
        connection = pool._get_conn()
        connection.putrequest("POST", "/v1")
        pool._put_conn(connection)


def settle(session: requests.Session) -> None:
    """Wait for what is still to come after the second answer, be it the end."""
    for pool in pools_of(session):
        sockets = [connection.sock for connection in pool.pool.queue if connection is not None]
        for each in sockets if pool.num_requests == SECOND else []:
            assert each is None or wait_for_read(each, 5.0)


COMMON = {
    "plain": fine(),
    "made": fine("Location: /there", status="HTTP/1.1 201 Created"),
    "accepted": head("Content-Length: 0", status="HTTP/1.1 202 Accepted"),
    "headers": fine("Date: Mon, 2 Mar 2026 09:30:00 GMT", "x-request-id: 1", "X-B: a  b", "Content-Type: a/b; c=d"),
    "kept open": fine("Connection: Keep-Alive", "Keep-Alive: timeout=5"),
    "body in pieces": head("Content-Length: 4") + PAUSE + b"fin" + PAUSE + b"e",
    "long": head("Content-Length: 300000") + b"x" * 300_000,
    "reason": fine(status="HTTP/1.1 200 It's All Right"),
}
ODD = {
    "HTTP/1.0": fine(status="HTTP/1.0 200 OK"),
    "HTTP/1.0, kept open": fine("Connection: keep-alive", status="HTTP/1.0 200 OK"),
    "HTTP/1.0 that ends with the connection": head(status="HTTP/1.0 200 OK") + b"fine" + CLOSE,
    "HTTP/2": fine(status="HTTP/2 200 OK"),
    "small letters": fine(status="http/1.1 200 OK"),
    "other protocol": fine(status="ICY 200 OK"),
    "two blanks": fine(status="HTTP/1.1  200  OK "),
    "no reason": fine(status="HTTP/1.1 200"),
    "empty reason": fine(status="HTTP/1.1 200 "),
    "odd reason": fine(status="HTTP/1.1 200 \xe9t\xe9"),
    "status of two digits": fine(status="HTTP/1.1 20 OK"),
    "status of four digits": fine(status="HTTP/1.1 2000 OK"),
    "no status": fine(status="HTTP/1.1 OK"),
    "garbage": b"\0\xff<html>\r\n\r\n" + CLOSE,
    "empty line": b"\r\n" + fine() + CLOSE,
    "nothing": CLOSE,
    "half a status": b"HTTP/1.1 2" + CLOSE,
    "half a head": head("Content-Length: 4")[:-4] + CLOSE,
    "half a body": head("Content-Length: 4") + b"fi" + CLOSE,
    "half a body, later": head("Content-Length: 4") + PAUSE + b"fi" + PAUSE + CLOSE,
    "reset": RESET,
    "reset in the head": head("Content-Length: 4")[:20] + PAUSE + PAUSE + RESET,
    "reset in the body": head("Content-Length: 4") + b"fi" + PAUSE + PAUSE + RESET,
    "closed after it": fine() + CLOSE,
    "to be closed": fine("Connection: close") + CLOSE,
    "to be closed, and left open": fine("Connection: Close"),
    "other connection": fine("Connection: keep-alive, Upgrade"),
    "more than its length": fine() + b"more",
    "much more than its length": fine() + b"surplus" * 9000,
    "more than its length, later": fine() + PAUSE + b"surplus",
    "no length": head() + b"fine" + CLOSE,
    "empty length": head("Content-Length: ") + b"fine" + CLOSE,
    "odd length": head("Content-Length: +4") + b"fine" + CLOSE,
    "length with zeros": head("Content-Length: 0000000004") + b"fine",
    "negative length": head("Content-Length: -4") + b"fine" + CLOSE,
    "length that is none": head("Content-Length: four") + b"fine" + CLOSE,
    "same length twice": fine("content-length: 4"),
    "two lengths": head("Content-Length: 4, 5") + b"fine" + CLOSE,
    "length of a megabyte": head("Content-Length: 1048576") + b"x" * 1_048_576,
    "chunks": CHUNKED + b"4\r\nfine\r\n0\r\n\r\n",
    "chunks and a length": fine("Transfer-Encoding: chunked") + CLOSE,
    "no chunks": fine("Transfer-Encoding: identity"),
    "gzip": head("Content-Encoding: gzip", f"Content-Length: {len(gzip.compress(b'fine'))}") + gzip.compress(b"fine"),
    "no gzip": fine("Content-Encoding: gzip"),
    "gzip by no name": fine("Content-Encoding: identity"),
    "folded": fine("X-A: a", " b", "\tc"),
    "folded at once": head(" a: b", "Content-Length: 4") + b"fine",
    "empty value": fine("X-A:", "X-B: "),
    "no blank": fine("X-A:a"),
    "blanks around": fine("X-A:  a  ", "X-B:\ta\t"),
    "blank before the colon": fine("X-A : a") + CLOSE,
    "no colon": fine("what") + CLOSE,
    "no name": fine(": a") + CLOSE,
    "other letters": fine("X-A: \xe9\x85\xa0", "X-\xe9: a") + CLOSE,
    "control characters": fine("X-A: a\x0bb\x1cc\x85d"),
    "line feeds": fine("X-A: a").replace(b"\r\n", b"\n"),
    "carriage returns": fine("X-A: a\rX-B: b"),
    "repeated": fine("X-A: a", "x-a: b"),
    "many headers": fine(*(f"X-{number}: a" for number in range(90))),
    "too many headers": fine(*(f"X-{number}: a" for number in range(120))) + CLOSE,
    "long head": fine(*(f"X-{number}: {'a' * 900}" for number in range(40))),
    "too long a line": fine("X-A: " + "a" * 70_000) + CLOSE,
    "cookie": fine("Set-Cookie: a=1"),
    "wish to wait": fine("Retry-After: 1"),
    "100": head(status="HTTP/1.1 100 Continue") + fine(),
    "100, later": head(status="HTTP/1.1 100 Continue") + PAUSE + fine(),
    "103": head("Link: </a>", status="HTTP/1.1 103 Early Hints") + fine(),
    "204": head(status="HTTP/1.1 204 No Content"),
    "204 with a body": fine(status="HTTP/1.1 204 No Content") + CLOSE,
    "205": head("Content-Length: 0", status="HTTP/1.1 205 Reset Content"),
    "206": fine(status="HTTP/1.1 206 Partial Content"),
    "304": head("Content-Length: 4", status="HTTP/1.1 304 Not Modified"),
    "401": fine(status="HTTP/1.1 401 Unauthorized"),
    "413": EARLY + fine("Connection: close", status="HTTP/1.1 413 Too Large") + PAUSE + CLOSE,
    **{
        f"{status} with a wish to wait": fine("Retry-After: 1", status=f"HTTP/1.1 {status} Not Now")
        for status in (401, 429, 500, 503)
    },
}
KEPT = {
    **{name: kept(answer) for name, answer in COMMON.items()},
    **{name: kept(answer) for name, answer in ODD.items()},
    **{
        f"retried: {name}": kept(answer, prepare=retries(total=1, status_forcelist=[200, 429, 503], connect=0))
        for name, answer in ODD.items()
        if b"Retry-After" in answer or answer in {CLOSE, RESET}
    },
    "in pieces": kept(*PIECES),
    "byte by byte": kept(PAUSE.join(bytes([each]) for each in OK)),
    "retried though fine": kept(OK, OK, prepare=retries(total=3, status_forcelist=[200])),
    "wish to wait, granted": kept(
        fine("Retry-After: 0"), prepare=adapter(max_retries=Patient(1, allowed_methods=None))
    ),
    "late": kept(LATE, timeout=SHORT),
    "late, and then there": kept(LATE + OK, timeout=SHORT),
    "late in the head": kept(OK[:20] + LATE, timeout=SHORT),
    "late in the body": kept(OK[:-2] + LATE, timeout=SHORT),
    "late in the body, later": kept(OK[:-4] + PAUSE + b"f" + LATE, timeout=SHORT),
    "late, and retried": kept(LATE + CLOSE, prepare=retries(total=1), timeout=SHORT),
    "not read": kept(EARLY + LATE * 6 + CLOSE, body=LARGE, timeout=(2.0, 4.0)),
    "answered before it is read": kept(
        EARLY + fine("Connection: close") + PAUSE * 9 + CLOSE, body=LARGE, timeout=(9.0, 9.0)
    ),
    "head": kept(head("Content-Length: 4"), method="HEAD", body=None, answers=[head("Content-Length: 4")]),
    "get": kept(OK, method="GET", body=None),
    "delete": kept(OK, method="DELETE", body=None),
    "no body": kept(OK, body=None),
    "other method": kept(OK, method="M-SEARCH"),
    "method that is none": kept(OK, method="A B"),
    "cookies": kept(OK, prepare=cookies(cookie("a", "1"), cookie("b", "\xe92"))),
    "headers for a proxy": kept(OK, between=with_proxy_headers),
    "after one that was not read": kept(OK, between=leave_unread),
    "after one that was not sent": kept(OK, between=leave_unsent),
    "header that urllib3 skips": kept(OK, prepare=header("Accept-Encoding", SKIP_HEADER)),
    "header that urllib3 adds": kept(OK, prepare=lambda session: session.headers.clear()),
    "blocking pool": kept(
        *(ODD[name] for name in ("nothing", "half a body", "garbage", "reset", "chunks", "no gzip", "100", "401")),
        prepare=lambda session: session.mount("http://", HTTPAdapter(pool_maxsize=1, pool_block=True)),
    ),
    **{
        f"after another: {name}": replace(case, answers=[OK, *case.answers], times=case.times + 1)
        if isinstance(case.answers[0], bytes)
        else replace(case, answers=[Answer(200, b"fine"), *case.answers], times=case.times + 1)
        for name, case in {**ANSWERS, **REDIRECTS}.items()
    },
}
