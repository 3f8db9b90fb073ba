"""What can go wrong in the operator, named after the condition.

    OperatorError
    ├── InvalidSpec        the resource cannot be built as it is written
    ├── MissingSecret      a Secret that the spec names is not there, or lacks the key
    ├── Foreign            an object of a child's name exists and is somebody else's
    ├── Rejected           the API server does not take an object: its text says why
    ├── Forbidden          the operator may not do this: its RBAC lacks a rule
    └── ApiUnavailable     the API server did not answer, or not in time

Each has a `reason`, which is the reason of the condition that tells of it. Errors of client libraries stop at `kube`,
chained by `from`.
"""

from typing import ClassVar


class OperatorError(Exception):
    """The root."""

    reason: ClassVar[str] = "InternalError"


class InvalidSpec(OperatorError):
    """The resource cannot be built as it is written."""

    reason = "InvalidSpec"


class MissingSecret(OperatorError):
    """A Secret that the spec names is not there, or lacks the key."""

    reason = "MissingSecret"


class Foreign(OperatorError):
    """An object of a child's name exists and is somebody else's."""

    reason = "ForeignObject"


class Rejected(OperatorError):
    """The API server does not take an object."""

    reason = "Rejected"


class Forbidden(OperatorError):
    """The operator may not do this."""

    reason = "Forbidden"


class ApiUnavailable(OperatorError):
    """The API server did not answer, or not in time."""

    reason = "ApiUnavailable"
