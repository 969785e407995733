"""A partitioned queue keeps the order of each key, while workers start, stop, fail and die."""

from __future__ import annotations

import asyncio
import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import leveret
import leveret.aio
from leveret import Broker, ManualClock, Properties
from leveret.config import loads
from leveret.service.core import Core
from leveret.service.ordering import OrderedSubscription, Part, part_of, partitions
from leveret.service.received import Received

TEXT = """
queues:
  mails: {partitions: 3, by: header user}
  failed: {}
bindings: ["amq.topic[mail.#] -> mails"]
subscriptions:
  send: {queue: mails, concurrency: 4, retry: {attempts: 3, first: 10ms}, dead_letter: failed}
"""
#: Generous: what is waited for comes at once, but on a machine that is busy.
SOON_S = 60


@define
class Log:
    """What handlers did, and whether two of them were at work on one key."""

    wanted: int
    handled: dict[str, list[int]] = field(factory=dict)  # user -> numbers, in order
    overlaps: int = 0
    complete: threading.Event = field(factory=threading.Event)
    _at_work: set[str] = field(factory=set)
    _lock: threading.Lock = field(factory=threading.Lock)

    def begin(self, user: str) -> None:
        with self._lock:
            self.overlaps += user in self._at_work
            self._at_work.add(user)

    def end(self, user: str, number: int | None) -> None:
        with self._lock:
            self._at_work.discard(user)
            if number is not None:
                self.handled.setdefault(user, []).append(number)
            if sum(map(len, self.handled.values())) >= self.wanted:
                self.complete.set()


def user_of(delivery: Received) -> str:
    return str(delivery.headers["user"])


def publish(service: leveret.Service, count: int, users: int = 5) -> None:
    for number in range(count):
        service.publish("mails", "", number, headers={"user": f"u{number % users}"})


def in_order(count: int, users: int = 5) -> dict[str, list[int]]:
    return {f"u{user}": list(range(user, count, users)) for user in range(users)}


def test_the_parts_of_a_queue_are_found_in_the_broker() -> None:
    host = Broker.from_topology(loads(TEXT)).virtual_hosts["/"]
    assert partitions(host, "mails") == ("mails.1", "mails.2", "mails.3")
    assert partitions(host, "failed") == partitions(host, "amq.topic") == ()


def test_threads_handle_each_users_messages_in_order_one_at_a_time() -> None:
    log = Log(wanted=100)

    def handle(delivery: leveret.Delivery) -> None:
        log.begin(user_of(delivery))
        log.end(user_of(delivery), delivery.json())

    with leveret.open(loads(TEXT)) as service:
        publish(service, 50)
        with service.subscribe("send", handle), service.worker("mails", handle, concurrency=2):
            for number in range(50, 100):  # by the queue's name, too
                service.publish("", "mails", number, headers={"user": f"u{number % 5}"})
            assert log.complete.wait(SOON_S)
    assert log.handled == in_order(100)
    assert log.overlaps == 0


def test_tasks_handle_each_users_messages_in_order_one_at_a_time() -> None:
    log = Log(wanted=60)

    async def main() -> None:
        done = asyncio.Event()

        async def handle(delivery: Any) -> None:
            log.begin(user_of(delivery))
            await asyncio.sleep(0)
            log.end(user_of(delivery), delivery.json())
            if log.complete.is_set():
                done.set()

        async with leveret.aio.open(loads(TEXT)) as service:
            for number in range(60):
                await service.publish("mails", "", number, headers={"user": f"u{number % 5}"})
            worker = service.subscribe("send", handle)
            await asyncio.wait_for(done.wait(), SOON_S)
            await worker.stop()

    asyncio.run(main())
    assert log.handled == in_order(60)
    assert log.overlaps == 0


def test_what_fails_blocks_its_part_until_it_succeeds_or_is_given_up() -> None:
    log = Log(wanted=9)
    tried: list[tuple[int, int]] = []

    def handle(delivery: leveret.Delivery) -> None:
        number = delivery.json()
        log.begin(user_of(delivery))
        if user_of(delivery) == "u1":
            tried.append((number, delivery.attempt))
        failed = number == 1 or (number == 3 and delivery.attempt < 2)
        log.end(user_of(delivery), None if failed else number)
        if failed:
            raise ValueError("not yet")

    with leveret.open(loads(TEXT)) as service:
        publish(service, 10, users=2)
        with service.subscribe("send", handle):
            assert log.complete.wait(SOON_S)
        given_up = service.get("failed", timeout=SOON_S)
    assert tried == [(1, 1), (1, 2), (1, 3), (3, 1), (3, 2), (5, 1), (7, 1), (9, 1)]
    assert log.handled == {"u0": [0, 2, 4, 6, 8], "u1": [3, 5, 7, 9]}
    assert given_up is not None
    assert given_up.json() == 1
    assert given_up.last_error == "ValueError: not yet"
    deaths: Any = given_up.headers["x-death"]
    assert deaths[0]["queue"] in ("mails.1", "mails.2", "mails.3")


def test_a_worker_that_stops_keeps_its_part_until_its_handler_has_ended() -> None:
    log = Log(wanted=3)
    begun, go_on = threading.Event(), threading.Event()

    def slow(delivery: leveret.Delivery) -> None:
        log.begin(user_of(delivery))
        begun.set()
        assert go_on.wait(SOON_S)
        log.end(user_of(delivery), delivery.json())

    def fast(delivery: leveret.Delivery) -> None:
        log.begin(user_of(delivery))
        log.end(user_of(delivery), delivery.json())

    with leveret.open(loads(TEXT)) as service:
        first = service.worker("mails", slow)
        publish(service, 3, users=1)
        assert begun.wait(SOON_S)
        with service.worker("mails", fast):
            assert not first.stop(timeout=0)
            assert log.handled == {}
            go_on.set()
            assert log.complete.wait(SOON_S)
        assert first.stop(SOON_S)
    assert log.handled == {"u0": [0, 1, 2]}
    assert log.overlaps == 0


# --- every schedule, on one thread: workers are stepped by hand


@define(eq=False)
class SteppedWorker:
    """A worker whose handlers begin and end when the test says so."""

    core: Core
    line: list[Received] = field(factory=list)
    at_work: list[Received] = field(factory=list)
    subscription: OrderedSubscription[Received] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.subscription = OrderedSubscription(self.core, "mails", Received, self.line.append)
        self.subscription.start()
        self.core.broker.settle()

    def parts(self) -> list[Part[Received]]:
        return self.subscription._parts


class Schedules(RuleBasedStateMachine):
    """Messages of a few keys, handled by workers that come and go in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.broker = Broker.from_topology(loads(TEXT), clock=self.clock, seed=1)
        server: Any = SimpleNamespace(on_alarm=None, alarms={}, received=lambda size: None)
        self.core = Core(self.broker, server, nullcontext())
        self.workers: list[SteppedWorker] = []
        self.stopped: list[SteppedWorker] = []
        self.published: dict[str, int] = {}  # user -> how many
        self.acked: dict[str, int] = {}  # user -> how many, in order

    # -- what happens

    @rule(user=st.sampled_from("abcdef"))
    def publish(self, user: str) -> None:
        number = self.published.get(user, 0)
        self.published[user] = number + 1
        self.broker.basic_publish("mails", "", str(number), Properties(headers={"user": user}))

    @precondition(lambda self: len(self.workers) < 3)
    @rule()
    def start(self) -> None:
        self.workers.append(SteppedWorker(self.core))

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        self.workers.remove(worker)
        self.stopped.append(worker)
        worker.subscription.cancel()

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(self.workers))
        self.workers.remove(worker)
        worker.at_work.clear()  # its process is gone, and its handlers with it
        worker.line.clear()
        for part in worker.parts():
            part.channel.close()

    @precondition(lambda self: any(worker.line for worker in self.all()))
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([one for one in self.all() if one.line]))
        delivery = worker.line.pop(0)
        part = part_of(delivery)
        assert part is not None
        if not part.begin(delivery):
            return
        user = user_of(delivery)
        # In order: all before it are settled, and it is not.
        assert int(delivery.text()) == self.acked.get(user, 0)
        worker.at_work.append(delivery)

    @precondition(lambda self: any(worker.at_work for worker in self.all()))
    @rule(data=st.data())
    def ack_before_the_end(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from([one for one in self.all() if one.at_work]))
        self.ack(worker.at_work[0])
        self.broker.settle()

    def ack(self, delivery: Received) -> None:
        if not delivery.settled:
            delivery._ack()
            self.acked[user_of(delivery)] = self.acked.get(user_of(delivery), 0) + 1

    @precondition(lambda self: any(worker.at_work for worker in self.all()))
    @rule(data=st.data(), how=st.sampled_from(["ack", "ack", "requeue", "again"]))
    def end(self, data: st.DataObject, how: str) -> None:
        worker = data.draw(st.sampled_from([one for one in self.all() if one.at_work]))
        delivery = worker.at_work.pop(0)
        part = part_of(delivery)
        assert part is not None
        if delivery.settled:
            pass
        elif how == "again":
            part.again(delivery, delivery.message, self.clock.now_ms() + 1_000)
        elif how == "requeue":
            delivery._nack(requeue=True)
        else:
            self.ack(delivery)
        part.done(delivery)
        self.broker.settle()

    @rule()
    def time_passes(self) -> None:
        self.clock.advance(seconds=1)

    # -- what holds

    def all(self) -> list[SteppedWorker]:
        return [*self.workers, *self.stopped]

    @invariant()
    def one_handler_at_a_time_is_at_work_on_a_part(self) -> None:
        queues = [delivery.queue for worker in self.all() for delivery in worker.at_work]
        assert len(queues) == len(set(queues))

    def teardown(self) -> None:
        """Everything is handled in the end."""
        self.start_at_least_one()
        while any(worker.line or worker.at_work for worker in self.all()):
            for worker in self.all():
                while worker.line:
                    delivery = worker.line.pop(0)
                    part = part_of(delivery)
                    if part is not None and part.begin(delivery):
                        assert int(delivery.text()) == self.acked.get(user_of(delivery), 0)
                        worker.at_work.append(delivery)
                while worker.at_work:
                    delivery = worker.at_work.pop(0)
                    part = part_of(delivery)
                    assert part is not None
                    self.ack(delivery)
                    part.done(delivery)
            self.clock.advance(seconds=1)
        assert self.acked == self.published
        self.broker.check()

    def start_at_least_one(self) -> None:
        if not self.workers:
            self.workers.append(SteppedWorker(self.core))
        self.clock.advance(seconds=1)


TestSchedules = Schedules.TestCase
TestSchedules.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
