"""A shop with an outbox, and invoices that are written once.

An order and the message about it are rows of one transaction: both are there, or neither. A relay
publishes the message; billing writes the invoice and the record that the message was handled in
one transaction too. So each order has one invoice, wherever either process dies.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import leveret
from leveret.idempotency.sqlalchemy_records import seen_table
from leveret.outbox import Outbox

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from leveret.outbox import Relay

TOPOLOGY = Path(__file__).with_name("topology.yaml")


class ShopTable(DeclarativeBase):
    """The tables of the shop's database."""


class Order(ShopTable):
    """What a customer ordered."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]
    cents: Mapped[int]


#: Its table stands beside those of the shop.
outbox = Outbox(ShopTable.metadata)


class BillingTable(DeclarativeBase):
    """The tables of billing's database."""


class Invoice(BillingTable):
    """What a customer owes for an order. No constraint says that an order has one."""

    __tablename__ = "invoices"
    id: Mapped[int] = mapped_column(primary_key=True)
    order: Mapped[int]
    cents: Mapped[int]


seen_table(BillingTable.metadata)  # made with the others, by create_all or a migration


class Shop:
    """Takes orders."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        ShopTable.metadata.create_all(engine)

    def place(self, session: Session, customer: str, cents: int) -> Order:
        """Write an order, and the message about it, in the caller's transaction."""
        order = Order(customer=customer, cents=cents)
        session.add(order)
        session.flush()  # the database gives it its number
        said = {"order": order.id, "customer": customer, "cents": cents}
        outbox.add(session, "orders", "order.placed", said, key=customer)
        return order

    def relay(self, broker: leveret.Service) -> Relay:
        """Return what publishes from the outbox: a context manager, with a thread of its own."""
        return outbox.relay(self._engine, broker)

    def unpublished(self) -> int:
        """Return how many messages wait in the outbox."""
        with Session(self._engine) as session:
            return outbox.waiting(session)


class Billing:
    """Writes invoices; `written` gets the order of each message that was handled."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.written: SimpleQueue[int] = SimpleQueue()
        BillingTable.metadata.create_all(engine)

    def on_placed(self, delivery: leveret.Delivery) -> None:
        """Write an invoice, unless this message has one."""
        said = delivery.json()
        with Session(self._engine) as session, session.begin():
            if delivery.once(session):
                session.add(Invoice(order=said["order"], cents=said["cents"]))
        self.written.put(said["order"])

    def invoices(self) -> list[int]:
        """Return the orders that there are invoices for."""
        with Session(self._engine) as session:
            return list(session.scalars(select(Invoice.order).order_by(Invoice.id)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, leveret.open(TOPOLOGY) as broker:
        shop_engine = create_engine(f"sqlite:///{folder}/shop.db")
        billing_engine = create_engine(f"sqlite:///{folder}/billing.db")
        shop, billing = Shop(shop_engine), Billing(billing_engine)
        with shop.relay(broker), broker.subscribe("bill", billing.on_placed):
            with Session(shop_engine) as session:
                shop.place(session, "ann", 19_900)
                session.commit()
                shop.place(session, "bob", 4_900)
                session.rollback()  # bob thought better of it
                shop.place(session, "ann", 2_500)
                session.commit()
            for _ in range(2):
                billing.written.get()
        print("orders with an invoice:", billing.invoices())
        shop_engine.dispose()
        billing_engine.dispose()
