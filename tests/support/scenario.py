"""What a scenario is: a function that takes a World, registered under a name that a person can read."""

import time


class Failure(Exception):
    """What was expected did not happen. The text is the whole report."""


class Skip(Exception):
    """The scenario has no meaning here. The text says why."""


REGISTRY = {}


def scenario(name):
    """Registers the function below it. Names are unique: two scenarios of one name would hide each other."""

    def register(function):
        if name in REGISTRY:
            raise ValueError(f"two scenarios are called {name!r}")
        REGISTRY[name] = function
        return function

    return register


def expect(condition, sentence):
    if not condition:
        raise Failure(sentence)


def expect_equal(actual, wanted, what):
    if actual != wanted:
        raise Failure(f"{what}: expected {wanted!r}, got {actual!r}")


def expect_raises(kinds, action, what):
    """Returns the exception, so that the caller can look at its text."""
    try:
        action()
    except kinds as error:
        return error
    raise Failure(f"{what}: expected a failure, but it went through")


def eventually(question, within, what):
    """Asks until the answer is true and returns it; fails after `within` seconds, quoting the last answer."""
    deadline = time.monotonic() + within
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {within:g} s (last answer: {answer!r})")
        time.sleep(0.02)
