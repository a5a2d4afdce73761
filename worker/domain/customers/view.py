"""How a user's saved payment methods look to others."""

from contracts.views import CustomerView, MethodView
from worker.domain.customers.record import Customer, SavedMethod


def customer_view(customer: Customer) -> CustomerView:
    """Show a user what is saved, the newest first."""
    return CustomerView(user_id=customer.user_id, methods=tuple(map(_method_view, customer.methods)))


def _method_view(method: SavedMethod) -> MethodView:
    expires = f"{method.exp_month:02d}/{method.exp_year}" if method.exp_month and method.exp_year else None
    return MethodView(
        payment_method=method.id,
        type=method.type,
        brand=method.brand,
        last4=method.last4,
        expires=expires,
        default=method.default,
    )
