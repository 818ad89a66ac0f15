"""Requests and answers that are to be told alike, whether they go the short way or the long way."""

from __future__ import annotations

import gzip
import time
import zlib
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Callable

from requests.adapters import HTTPAdapter
from requests.cookies import create_cookie
from urllib3.util.retry import Retry

from scripted_server import Answer, Asked
from two_ways import Case, RawServer

if TYPE_CHECKING:
    import requests

CLOSE = RawServer.CLOSE
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

REPEATED = b"vary: a\r\nVary: b\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\nX-Empty:\r\nX-Odd: \xe9\r\n"


def redirect(to: str, status: int = 307, body: bytes = b"moved", **headers: str) -> Callable[[Asked], Answer]:
    """Point from /v1 elsewhere, `{host}` being the server's address by another name; all else is answered."""

    def answer(asked: Asked) -> Answer:
        if not asked.path.startswith("/v1"):
            return Answer(201, b"made")
        host = "localhost:" + asked.headers["Host"].rpartition(":")[2]
        location = to.replace("{host}", host)
        return Answer(status, body, {"Location": location, **{n.replace("_", "-"): v for n, v in headers.items()}})

    return answer


def header(name: str, value: Any) -> Callable[[requests.Session], object]:
    return lambda session: session.headers.update({name: value})


def adapter(**options: Any) -> Callable[[requests.Session], object]:
    return lambda session: session.mount("http://", HTTPAdapter(**options))


def retries(**options: Any) -> Callable[[requests.Session], object]:
    return adapter(max_retries=Retry(backoff_factor=0, allowed_methods=None, **options))


def cookies(*given: Any) -> Callable[[requests.Session], object]:
    return lambda session: [session.cookies.set_cookie(each) for each in given]


def cookie(name: str, value: str, **options: Any) -> Any:
    return create_cookie(name, value, **{"domain": "127.0.0.1", **options})  # type: ignore[no-untyped-call]


def deny_cookies(session: requests.Session) -> None:
    session.cookies.set_cookie(cookie("old", "1"))
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))


SET_COOKIE = Answer(200, b"", {"Set-Cookie": "ticket=t1; Path=/"})
CUT = Answer(200, b"half", {"Content-Length": "100", "Connection": "close"})

REQUESTS = {
    "post": Case(times=3),
    "get": Case(method="GET", body=None),
    "get with a body": Case(method="GET"),
    "head": Case(method="HEAD", body=None, times=2),
    "delete without a body": Case(method="DELETE", body=None),
    "post without a body": Case(body=None),
    "post with an empty body": Case(body=b""),
    "large body": Case(body=b"x" * 300_000, answers=[Answer(200, b"y" * 300_000)], times=2),
    "query": Case(path="/v1?x=1&y=/a?b"),
    "root": Case(path="/"),
    "no path": Case(path=""),
    "query without a path": Case(path="?x=1"),
    "escapes": Case(path="/v1/%7Ea%20b%2fc/%41?x=%7E%3d", is_short=False),
    "dot segments": Case(path="/v1/../a/./b", is_short=False),
    "odd characters": Case(path="/v1/a|b[c]\"d^`{e}/;p=1,2'(x)*!$&@:", is_short=False),
    "double slashes": Case(path="//v1//a", is_short=False),
    "empty query and fragment": Case(path="/v1?#a", is_short=False),
    "letters": Case(path="/v1/ü?ä=ö", is_short=False),
    "header that replaces the session's": Case(headers={"user-agent": "mine/1", "ACCEPT": "a/b", "Z": "", "a": "1"}),
    "header with odd characters": Case(headers={"X-Odd": "\t\"a\"; b='c',\x7f~"}, is_short=False),
    "header with a tab": Case(headers={"X-Odd": "a\tb"}, is_short=False),
    "name with a tab": Case(headers={"X\tOdd": "a"}, is_short=False),
    "header in latin-1": Case(headers={"X-Odd": "é"}, is_short=False),
    "header beyond latin-1": Case(headers={"X-Odd": "€"}, is_short=False),
    "header with a blank before": Case(headers={"X-Odd": " a"}, is_short=False),
    "header with a line break": Case(headers={"X-Odd": "a\r\nb: c"}, is_short=False),
    "name with a blank": Case(headers={"X Odd": "a"}),
    "name with a colon": Case(headers={"X:Odd": "a"}, is_short=False),
    "own host": Case(headers={"Host": "layer.example"}, answers=[SET_COOKIE], times=2, is_short=False),
    "own cookie": Case(headers={"cookie": "a=b"}, prepare=cookies(cookie("c", "d")), is_short=False),
    "own length": Case(headers={"Content-Length": "3"}, body=b"abc", is_short=False),
    "no time": Case(timeout=(0, 0), is_short=False),
    "time without end": Case(timeout=(None, None)),
}
SESSIONS: dict[str, Case] = {
    "header": Case(prepare=header("X-Team", "a")),
    "header that is removed": Case(prepare=header("User-Agent", None), is_short=False),
    "header of bytes": Case(prepare=header("X-Team", b"a"), is_short=False),
    "header with a blank before": Case(prepare=header("X-Team", " a"), is_short=False),
    "header that closes": Case(prepare=header("Connection", "close")),
    "plain dict of headers": Case(prepare=lambda session: setattr(session, "headers", {"a": "1", "accept": "b/c"})),
    "no headers": Case(prepare=lambda session: setattr(session, "headers", None), is_short=False),
    "no hooks": Case(prepare=lambda session: setattr(session, "hooks", None), is_short=False),
    "unknown hook": Case(prepare=lambda session: session.hooks.update({"request": [print]}), is_short=False),
    "no verification": Case(prepare=lambda session: setattr(session, "verify", False)),
    "environment of no interest": Case(prepare=lambda session: setattr(session, "trust_env", False)),
    "cookies": Case(prepare=cookies(cookie("a", "1"), cookie("b", '"2"', path="/v1"), cookie("c", "3", path="/x"))),
    "cookie of another host": Case(prepare=cookies(cookie("a", "1", domain="layer.example"))),
    "cookie that is too old": Case(prepare=cookies(cookie("a", "1", expires=1)), times=2),
    "cookie that is set": Case(answers=[SET_COOKIE, Answer(200)], times=2),
    "cookies that are denied": Case(answers=[SET_COOKIE], prepare=deny_cookies, times=2),
    "cookie with half an answer": Case(
        answers=[Answer(200, b"", {"Content-Length": "9", **SET_COOKIE.headers, "Connection": "close"})]
    ),
    "cookies as a dict": Case(prepare=lambda session: setattr(session, "cookies", {"a": "b"}), is_short=False),
    "no adapter": Case(prepare=lambda session: session.adapters.clear()),
    "blocking pool": Case(
        prepare=adapter(pool_maxsize=1, pool_block=True),
        times=6,
        answers=[
            Answer(200),
            CUT,
            Answer(200, b"no gzip", {"Content-Encoding": "gzip"}),
            Answer(cut=True),
            redirect("/there"),
        ],
    ),
    "closed in between": Case(times=3, between=lambda session: session.close()),
    "new adapter in between": Case(times=3, between=adapter()),
    "no tries but one": Case(
        answers=[Answer(503), Answer(200)], prepare=retries(total=3, status_forcelist=[503]), is_retried=False
    ),
}
ANSWERS = {
    "gzip": Case(answers=[Answer(200, gzip.compress(b"fine" * 9000), {"Content-Encoding": "gzip"})], times=2),
    "deflate": Case(answers=[Answer(200, zlib.compress(b"fine"), {"Content-Encoding": "deflate"})]),
    "gzip that is none": Case(answers=[Answer(200, b"fine", {"Content-Encoding": "gzip"}), Answer(200)], times=2),
    "gzip that is cut": Case(answers=[Answer(200, gzip.compress(b"fine" * 9)[:-9], {"Content-Encoding": "gzip"})]),
    "cut": Case(answers=[CUT, Answer(200)], times=2),
    "cut before it begins": Case(answers=[Answer(cut=True), Answer(200)], times=2),
    "late": Case(answers=[Answer(delay=30)], timeout=(1.0, 0.3)),
    "late in the middle": Case(answers=[Answer(200, b"half", {"Content-Length": "100"})], timeout=(1.0, 0.3)),
    "chunks": Case(answers=[CHUNKED + b"4\r\nfine\r\n0\r\nX-Trailer: 1\r\n\r\n"], times=2),
    "chunks that are cut": Case(answers=[CHUNKED + b"9\r\nfine" + CLOSE]),
    "chunks without an end": Case(answers=[CHUNKED + b"4\r\nfine\r\n" + CLOSE]),
    "chunks that are none": Case(answers=[CHUNKED + b"fine\r\n" + CLOSE]),
    "no length": Case(answers=[b"HTTP/1.0 200 OK\r\n\r\nfine" + CLOSE], times=2),
    "closed when idle": Case(answers=[OK + CLOSE], times=3, between=lambda _: time.sleep(0.1)),
    "204": Case(answers=[Answer(204, b"", {"Content-Length": "0"})], times=2),
    "304 that points elsewhere": Case(answers=[b"HTTP/1.1 304 Same\r\nLocation: /there\r\n\r\n"], times=2),
    "300 that points elsewhere": Case(answers=[Answer(300, b"many", {"Location": "/there"})]),
    "before the answer": Case(
        answers=[b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK]
    ),
    "unknown status": Case(answers=[b"HTTP/1.1 520 \r\nContent-Length: 0\r\n\r\n"]),
    "odd reason": Case(answers=[b"HTTP/1.1 200 \xc3\xa9t\xe9\r\nContent-Length: 0\r\n\r\n"]),
    "no reason": Case(answers=[b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"]),
    "repeated headers": Case(
        answers=[b"HTTP/1.1 200 OK\r\n" + REPEATED + b"Content-Length: 0\r\n\r\n"],
        times=2,
    ),
    "two lengths": Case(answers=[b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nfine" + CLOSE]),
    "no HTTP": Case(answers=[b"hello\r\n\r\n" + CLOSE]),
    "headers without end": Case(answers=[b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n" + CLOSE]),
    "retried": Case(answers=[Answer(503), Answer(200, b"fine")], prepare=retries(total=3, status_forcelist=[503])),
    "retried in vain": Case(answers=[Answer(503)], prepare=retries(total=1, status_forcelist=[503])),
    "retried in vain, and given": Case(
        answers=[Answer(503)], prepare=retries(total=1, status_forcelist=[503], raise_on_status=False)
    ),
    "retried after a cut": Case(answers=[Answer(cut=True), Answer(200)], prepare=retries(total=3)),
    "retried though late": Case(answers=[Answer(delay=30)], prepare=retries(total=1), timeout=(1.0, 0.3)),
    "not to be retried": Case(answers=[Answer(cut=True)], prepare=adapter(max_retries=Retry(total=False))),
    "wish that is none": Case(
        answers=[Answer(503, b"", {"Retry-After": "soon"})], prepare=retries(total=1, status_forcelist=[503])
    ),
}
REDIRECTS = {
    **{f"{status}": Case(answers=[redirect("/there", status)], times=2) for status in (301, 302, 303, 307, 308)},
    **{
        f"{status} of a get": Case(answers=[redirect("/there", status)], method="GET", body=None)
        for status in (301, 303)
    },
    "elsewhere": Case(answers=[redirect("http://{host}/there")], headers={"Authorization": "Bearer t"}),
    "elsewhere, confined": Case(answers=[redirect("http://{host}/there", Set_Cookie="a=1")], confined=True),
    "here, confined": Case(answers=[redirect("/there", Set_Cookie="a=1")], confined=True),
    "nowhere": Case(answers=[redirect("")], times=2),
    "no address": Case(answers=[redirect("http://[there/")]),
    "no address, confined": Case(answers=[redirect("http://[there/")], confined=True),
    "no port": Case(answers=[redirect("http://127.0.0.1:port/")]),
    "no scheme": Case(answers=[redirect("//{host}/there")]),
    "other scheme": Case(answers=[redirect("ftp://{host}/there")]),
    "odd letters": Case(answers=[redirect("/th\xc3\xa9re/%7e b?x=\xe9")]),
    "letters": Case(answers=[redirect("/th\xc3\xa9re")]),
    "cookie": Case(answers=[redirect("/there", Set_Cookie="a=1; Path=/")], times=2),
    "body that is cut": Case(answers=[redirect("/there", Content_Length="100", Connection="close")]),
    "body that is no gzip": Case(answers=[redirect("/there", Content_Encoding="gzip")], times=2),
    "body that is no gzip, not followed": Case(answers=[redirect("", Content_Encoding="gzip")]),
    "body that is no gzip, as a get": Case(answers=[redirect("/there", 302, Content_Encoding="gzip")]),
    "without retries": Case(
        answers=[redirect("/there"), Answer(503), Answer(200)],
        prepare=retries(total=3, status_forcelist=[503]),
        is_retried=False,
    ),
    "a loop": Case(answers=[redirect("/v1/x")], prepare=lambda session: setattr(session, "max_redirects", 3)),
}
CASES = {
    f"{group}: {name}": case
    for group, cases in (("request", REQUESTS), ("session", SESSIONS), ("answer", ANSWERS), ("redirect", REDIRECTS))
    for name, case in cases.items()
}
