"""What can go wrong on the way to a server, as values: what, how much, how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What goes wrong. Made by the functions below.

    Attributes:
        kind: Its name, which is the name of the function that makes it and of its count.
        amount: Seconds, bytes a second or bytes, whatever the kind asks for.
        jitter: How much `amount` may be off, either way.
        probability: How likely it hits an exchange, that is a request and its response.
    """

    kind: str
    amount: float = 0.0
    jitter: float = 0.0
    probability: float = 1.0


def latency(seconds: float, jitter: float = 0.0, probability: float = 1.0) -> Fault:
    """Hold each request back. That a client gives up meanwhile goes unnoticed: its request arrives late."""
    return Fault("latency", seconds, jitter, probability)


def bandwidth(rate: float, probability: float = 1.0) -> Fault:
    """Let so many bytes through a second, each way."""
    return Fault("bandwidth", rate, 0.0, probability)


def reset_after(count: int, probability: float = 1.0) -> Fault:
    """Reset both sides instead of passing more than so many bytes, request and response together."""
    return Fault("reset_after", count, 0.0, probability)


def black_hole(probability: float = 1.0) -> Fault:
    """Accept, and never read or answer. A connection that fell in stays in."""
    return Fault("black_hole", 0.0, 0.0, probability)


def refuse(*, cut: bool = True) -> Fault:
    """Close the listening socket; whatever is put in force next reopens it, on the same port.

    A door is open or shut, so there is no probability. With `cut`, every open connection is reset as well.
    """
    return Fault("refuse", float(cut))


def swallow_response(probability: float = 1.0) -> Fault:
    """Let the server have the request in full, drop its response, close: the client cannot tell what happened."""
    return Fault("swallow_response", 0.0, 0.0, probability)


def half_response(probability: float = 1.0) -> Fault:
    """Pass on the response's head and half of its body (without a body, half of the head), then close."""
    return Fault("half_response", 0.0, 0.0, probability)


def slow_close(seconds: float, probability: float = 1.0) -> Fault:
    """Pass on the response, lose what the client sends after it, and close so many seconds later."""
    return Fault("slow_close", seconds, 0.0, probability)
