"""Who may do what on the broker: a login per service, each with the rights that it needs and no others (docs/security.md).

Nobody may declare, delete or bind anything: all of it is in the broker's definitions (definitions.py), because a login that may
bind may read along, and one that may declare may delete. Who may move money is decided by who may write to
`payments.privileged`.
"""

from dataclasses import dataclass

from contracts import topology
from contracts.events import (
    PaymentAuthorizationExpiring,
    PaymentCanceled,
    PaymentDisputeClosed,
    PaymentDisputeDeadline,
    PaymentDisputeOpened,
    PaymentErased,
    PaymentFailed,
    PaymentFraudWarning,
    PaymentLateMoney,
    PaymentNeedsReview,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSucceeded,
)

DEFAULT_EXCHANGE = "amq.default"
"""What the broker calls the exchange without a name when it checks rights. Replies go through it, and so could a message to
any queue: only workers write to it. To ask for a reply, and to consume it, takes no right at all."""

ORDERS = topology.subscription("orders.payment-events", "payment.#")

NOTIFICATIONS = topology.subscription(
    "notifications.payment-events",
    *(
        event.TYPE
        for event in (
            PaymentSucceeded,
            PaymentFailed,
            PaymentCanceled,
            PaymentRefunded,
            PaymentRefundFailed,
            PaymentAuthorizationExpiring,
            PaymentDisputeOpened,
            PaymentDisputeDeadline,
            PaymentDisputeClosed,
            PaymentFraudWarning,
            PaymentLateMoney,
            PaymentNeedsReview,
            PaymentErased,
        )
    ),
)

SUBSCRIPTIONS = (ORDERS, NOTIFICATIONS)
"""The queues of the services that listen. One more service is one more of these and a login that reads it."""


@dataclass(frozen=True)
class Login:
    """One service. `password` is the setting with its password; a login without one cannot log in."""

    name: str
    password: str
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


WORKER = Login(
    "payments-worker",
    "RABBITMQ_PASSWORD_WORKER",
    # Commands, privileged ones and webhooks: what is replayed from the dead letters, or was missed, goes that way again.
    writes=(
        topology.EVENTS,
        topology.RETRY,
        topology.DEAD,
        topology.COMMANDS,
        topology.PRIVILEGED,
        topology.STRIPE,
        topology.PROBE,
        DEFAULT_EXCHANGE,
    ),
    reads=(
        *topology.INBOUND_QUEUES,
        topology.QUERIES_QUEUE,
        topology.QUARANTINE_QUEUE,
        topology.DEAD_LETTERS_QUEUE,
    ),
)

INGRESS = Login(
    "payments-ingress",
    "RABBITMQ_PASSWORD_INGRESS",
    writes=(topology.STRIPE, topology.COMMANDS, topology.QUERIES, topology.PROBE),
)
"""What faces the internet, ROUTES=webhook,public."""

ADMIN = Login(
    "payments-admin",
    "RABBITMQ_PASSWORD_ADMIN",
    writes=(topology.COMMANDS, topology.PRIVILEGED, topology.QUERIES, topology.PROBE),
)
"""The ingress of the administrators, ROUTES=admin."""

OPERATOR = Login(
    "payments-operator",
    "RABBITMQ_PASSWORD_OPERATOR",
    writes=(topology.PRIVILEGED,),
    tags=("monitoring",),
)
"""The command line `payments`, and the broker's management page: to look at, not to change."""

ORDER_SERVICE = Login(
    "order-service",
    "RABBITMQ_PASSWORD_ORDERS",
    writes=(topology.COMMANDS, topology.PRIVILEGED, topology.QUERIES),
    reads=(ORDERS.name,),
)

NOTIFICATION_SERVICE = Login("notification-service", "RABBITMQ_PASSWORD_NOTIFICATIONS", reads=(NOTIFICATIONS.name,))

LOGINS = (WORKER, INGRESS, ADMIN, OPERATOR, ORDER_SERVICE, NOTIFICATION_SERVICE)
