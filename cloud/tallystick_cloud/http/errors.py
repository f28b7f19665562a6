"""What a refused call is told: status, a stable code, the cause and the next step, as problem JSON or an HTML page.

It never shows a stack trace or an internal message, and it never decides who may do what.

Tree:  Problem
         BadRequest 400 · SignInNeeded 401 · Forbidden 403 · NotFound 404 · NotAllowed 405 · Conflict 409
         BodyTooLarge 413 · NotValid 422 · Busy 503 · Broken 500"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request: where it is (dotted path) and why it was refused."""

    field: str
    reason: str


class Problem(Exception):
    """A refusal a caller can act upon (RFC 9457); subclasses fix status, code, title and the usual next step."""

    status = 400
    code = "bad-request"
    title = "This request cannot be answered"
    next_step = "Check the request and send it again."

    def __init__(
        self, detail: str, *, next_step: str = "", code: str = "", fields: tuple[FieldError, ...] = ()
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.next_step = next_step or type(self).next_step
        self.code = code or type(self).code
        self.fields = fields

    def body(self) -> dict[str, object]:
        """The members of the problem+json document."""
        found: dict[str, object] = {
            "type": f"urn:tallystick:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "next_step": self.next_step,
        }
        if self.fields:
            found["errors"] = [{"field": one.field, "reason": one.reason} for one in self.fields]
        return found


class BadRequest(Problem):
    """The request is malformed."""


class SignInNeeded(Problem):
    """Nobody is signed in, or the credential is unknown or expired."""

    status, code, title = 401, "sign-in-needed", "Please sign in"
    next_step = "Sign in and open the link again."


class Forbidden(Problem):
    """The caller is known but may not do this here."""

    status, code, title = 403, "forbidden", "This is not yours to open"
    next_step = "Ask a community manager for the role named here."


class NotFound(Problem):
    """There is nothing at this address."""

    status, code, title = 404, "not-found", "There is nothing here"
    next_step = "Check the address, or start from the situation room."


class NotAllowed(Problem):
    """The address exists, the method does not."""

    status, code, title = 405, "method-not-allowed", "This address does not take that method"
    next_step = "See /v1/openapi.json for what each address takes."


class Conflict(Problem):
    """Somebody else was first, or the state does not allow it."""

    status, code, title = 409, "conflict", "This was already done"
    next_step = "Load the page again to see the present state."


class BodyTooLarge(Problem):
    """More bytes than the route takes."""

    status, code, title = 413, "too-large", "This is too large"
    next_step = "Send it in smaller pieces."


class NotValid(Problem):
    """A field of the request is missing or wrong."""

    status, code, title = 422, "not-valid", "A field is missing or wrong"
    next_step = "Correct the fields named under 'errors' and send it again."


class Busy(Problem):
    """The server takes no more of this now."""

    status, code, title = 503, "busy", "Too many at once"
    next_step = "Try again in a few seconds."


class NotReady(Problem):
    """The server has just started and waits for its database."""

    status, code, title = 503, "not-ready", "Not ready yet"
    next_step = "Wait a little and load the page again; the server goes on by itself as soon as the database answers."


class Broken(Problem):
    """Our fault; the cause is in the server's log under the reference given."""

    status, code, title = 500, "broken", "Something broke on our side"
    next_step = "Try again; if it stays, tell whoever runs this server the reference."
