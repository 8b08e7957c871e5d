"""The head of a request: what is read, what is refused, and that nothing is guessed."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.translate import framing
from lamina.translate.framing import Head, RefusedError, read_head

HOST = b"Host: a\r\n"
GOOD = [
    (b"GET / HTTP/1.1\r\n" + HOST, 0),
    (b"GET / HTTP/1.0\r\n" + HOST, 0),
    (b"HEAD /a?b=%20&c HTTP/1.1\r\nhOST:a\r\n", 0),
    (b"GET / HTTP/1.1\r\nHost: \t a \t\r\nAccept:\r\n", 0),
    (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n", 0),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 007\r\n", 7),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nUser-Agent: \xe9\r\n", 5),
    (b"OPTIONS / HTTP/1.1\r\n" + HOST, 0),
]


def lines(*more: bytes, method: bytes = b"POST", target: bytes = b"/", version: bytes = b"1.1"):
    return b"\r\n".join([b"%s %s HTTP/%s" % (method, target, version), *more, b"", b""])


BAD = [
    # bodies that two readers would end at different places
    (lines(b"Host: a", b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400),
    (lines(b"Host: a", b"Transfer-Encoding: chunked", b"content-length: 0"), 400),
    (lines(b"Host: a", b"Content-Length: 5", b"Content-Length: 5"), 400),
    (lines(b"Host: a", b"Content-Length: 5", b"CONTENT-LENGTH: 6"), 400),
    (lines(b"Host: a", b"Content-Length: 5, 5"), 400),
    (lines(b"Host: a", b"Content-Length: 5, 6"), 400),
    (lines(b"Host: a", b"Content-Length: +5"), 400),
    (lines(b"Host: a", b"Content-Length: -5"), 400),
    (lines(b"Host: a", b"Content-Length: 0x5"), 400),
    (lines(b"Host: a", b"Content-Length: 5 5"), 400),
    (lines(b"Host: a", b"Content-Length: 1_0"), 400),
    (lines(b"Host: a", b"Content-Length: \xb2"), 400),
    (lines(b"Host: a", b"Content-Length: 5.0"), 400),
    (lines(b"Host: a", b"Content-Length:"), 400),
    (lines(b"Host: a", b"Content-Length: " + b"9" * 30), 413),
    (lines(b"Host: a", b"Content-Length: " + b"9" * 5000), 413),
    (lines(b"Host: a"), 411),
    (lines(b"Host: a", b"Transfer-Encoding: chunked"), 411),
    (lines(b"Host: a", b"Transfer-Encoding: Chunked", version=b"1.0"), 411),
    (lines(b"Host: a", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
    (lines(b"Host: a", b"Transfer-Encoding: gzip, chunked"), 501),
    (lines(b"Host: a", b"Transfer-Encoding: identity"), 501),
    (lines(b"Host: a", b"Transfer-Encoding: \x0bchunked"), 400),
    (lines(b"Host: a", b"Transfer-Encoding : chunked"), 400),
    (lines(b"Host: a", b"Content-Length : 5"), 400),
    (lines(b"Host: a", b"Content-Length: 5", method=b"GET"), 400),
    (lines(b"Host: a", b"Content-Length: 5", method=b"HEAD"), 400),
    (lines(b"Host: a", b"Transfer-Encoding: chunked", method=b"GET"), 400),
    (lines(b"Host: a", b"Transfer-Encoding: chunked", method=b"HEAD"), 400),
    # hosts
    (lines(method=b"GET"), 400),
    (lines(method=b"GET", version=b"1.0"), 400),
    (lines(b"Host: a", b"Host: a", method=b"GET"), 400),
    (lines(b"Host: a", b"host: b", method=b"GET"), 400),
    # lines
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    (b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
    (lines(b"Host: a", b"X: a\rb", method=b"GET"), 400),
    (lines(b"Host: a", b"X: a\x00b", method=b"GET"), 400),
    (lines(b"Host: a", b"X: a\x7fb", method=b"GET"), 400),
    (lines(b"Host: a", b" folded", method=b"GET"), 400),
    (lines(b"Host: a", b"\tfolded", method=b"GET"), 400),
    (lines(b" Host: a", method=b"GET"), 400),
    (lines(b"Host: a", b"no colon", method=b"GET"), 400),
    (lines(b"Host: a", b": no name", method=b"GET"), 400),
    (lines(b"Host: a", b"N(me: x", method=b"GET"), 400),
    (lines(b"Host: a", b"N\xc3\xa4me: x", method=b"GET"), 400),
    (b"\r\n" + lines(b"Host: a", method=b"GET"), 400),
    (b" " + lines(b"Host: a", method=b"GET"), 400),
    # request lines
    (b"\x16\x03\x01", 400),
    (b"GET\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    (b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (lines(b"Host: a", method=b"GET", target=b"/#top"), 400),
    (lines(b"Host: a", method=b"GET", target=b"http://a/"), 400),
    (lines(b"Host: a", method=b"GET", target=b"page.css"), 400),
    (lines(b"Host: a", method=b"OPTIONS", target=b"*"), 400),
    (lines(b"Host: a", method=b"CONNECT", target=b"a:80"), 501),
    (lines(b"Host: a", method=b"get"), 501),
    (lines(b"Host: a", method=b"TRACE"), 501),
    (lines(b"Host: a", method=b"GET", version=b"0.9"), 505),
    (lines(b"Host: a", method=b"GET", version=b"2.0"), 505),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (lines(b"Host: a", b"Content-Length: 5", b"Expect: gold"), 417),
    # sizes
    (lines(b"Host: a", method=b"GET", target=b"/" + b"a" * 9000), 414),
    (b"GET /" + b"a" * 9000, 414),
    (b"G" * 9000, 414),
    (lines(b"Host: a", b"X: " + b"a" * 20_000, method=b"GET"), 431),
    (b"GET / HTTP/1.1\r\nX: " + b"a" * 17_000, 431),
    (lines(b"Host: a", *[b"X: a"] * 200, method=b"GET"), 431),
]


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(framing).attempted
    assert not doctest.testmod(framing).failed


@pytest.mark.parametrize(("head", "length"), GOOD)
def test_heads_that_are_read(head, length) -> None:
    whole = head + b"\r\n"
    assert read_head(whole + b"the body") == Head(len(whole), length, False)
    for end in range(1, len(whole)):
        assert read_head(whole[:end]) is None


@pytest.mark.parametrize(("head", "status"), BAD)
def test_heads_that_are_refused(head, status) -> None:
    for received in (head, bytearray(head)):
        with pytest.raises(RefusedError) as raised:
            read_head(received)
        assert raised.value.status == status
        assert str(raised.value)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_who_waits_for_100(version) -> None:
    head = lines(b"Host: a", b"Content-Length: 5", b"Expect: 100-Continue", version=version)
    assert read_head(head) == Head(len(head), 5, version == b"1.1")


@given(st.binary(max_size=60), st.sampled_from([head for head, _ in BAD if len(head) < 200]))
def test_any_bytes_are_read_or_refused(more, head) -> None:
    at = len(more) % (len(head) + 1)
    for received in (more, head[:at] + more, head[:at] + more + head[at:]):
        try:
            found = read_head(received)
        except RefusedError as refused:
            assert 400 <= refused.status < 600
        else:
            assert found is None or 0 < found.size <= len(received)
