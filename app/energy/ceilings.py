"""The ledger of ceilings: for each connector, the most it may still legally draw.

Rules (E is the ceiling, F the fallback installed by TxDefaultProfile):

- A limit in force is the last one the station accepted in this transaction; before the first, F.
- Every limit sent since and not answered may be in force too: E is the greatest of all.
- After an accepted decrease the old value counts until the draw is measured below the new one,
  or the car had its time to follow.
- A value whose lease may have lapsed may have become F, if F is installed: the greater counts for
  E, the lesser for what a message would surely lower. Once it has certainly lapsed, and the car
  has had its time to follow, it is F. One whose lease nobody has proven never certainly lapses.
- A draw measured above the limit in force raises E to that draw and a bit more.
- Idle: F once installed; else the rating; 0 for a station never seen, where a supply meter
  would show its draw as background.
- Offline: E as above, but never below F (it may restart alone, or start a transaction on F).
- Without pilot: the rating while a car is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from app.domain.station import ConnectorKey
from app.energy.ledger_entry import Entry, Sent, may_have_lapsed
from app.energy.settings import EnergySettings
from app.energy.site_model import ConnectorNode
from app.energy.site_state import ConnectorSample, ConnectorState


class Ceilings:
    """The ledger, fed by events; every query is a pure function of the events and ``now_s``."""

    def __init__(self, nodes: Iterable[ConnectorNode], settings: EnergySettings) -> None:
        self._settings = settings
        self._entries: dict[ConnectorKey, Entry] = {}
        self._number = 0
        self.replace_nodes(nodes)

    def replace_nodes(self, nodes: Iterable[ConnectorNode]) -> None:
        """Take over a changed configuration; what is known of remaining connectors stays."""
        entries: dict[ConnectorKey, Entry] = {}
        for node in nodes:
            entry = self._entries.get(node.key)
            if entry is None:
                entry = Entry(node)
            entry.node = node
            entries[node.key] = entry
        self._entries = entries

    # ------------------------------------------------------------- messages

    def sent(
        self,
        key: ConnectorKey,
        limit_ma: int,
        now_s: float,
        lease_until_s: float,
        *,
        proven: bool = True,
    ) -> int:
        """A limit leaves for the station: record it *before* the bytes go out.

        ``proven`` is whether the station is known to let a limit end with its lease. Returns the
        number by which its answer is reported.
        """
        self._number += 1
        entry = self._entries.get(key)
        if entry is None:
            return self._number
        previous = self._asked(entry, now_s)
        if previous is None or limit_ma > previous:
            entry.raised_s = now_s
        if limit_ma != previous:
            entry.changed_s = now_s
        entry.sent.append(Sent(self._number, limit_ma, now_s, lease_until_s, proven=proven))
        entry.trail.append((limit_ma, inf))
        return self._number

    def accepted(self, key: ConnectorKey, number: int, now_s: float) -> None:
        """The station accepted message ``number``: it and nothing older is in force."""
        entry = self._entries.get(key)
        if entry is None or number <= entry.confirmed_number:
            return
        found = next((sent for sent in entry.sent if sent.number == number), None)
        if found is None:
            return
        settings = self._settings
        was = entry.base(now_s, settings)
        entry.sent = [sent for sent in entry.sent if sent.number > number]
        entry.confirmed_ma = found.limit_ma
        entry.confirmed_number = number
        entry.confirmed_s = now_s
        entry.lease_until_s = found.lease_until_s
        entry.holds_until_s = found.holds_until_s
        entry.refusals = 0
        entry.failures = 0
        entry.failed_s = -inf
        self._settle(entry, was, now_s)
        self._close_trail(entry, found.limit_ma, now_s)

    def refused(self, key: ConnectorKey, number: int, now_s: float) -> None:
        """The station said no to message ``number``: it never came into force."""
        entry = self._entries.get(key)
        if entry is None:
            return
        found = next((sent for sent in entry.sent if sent.number == number), None)
        if found is None:
            return
        entry.sent.remove(found)
        entry.refusals += 1
        entry.failures += 1
        entry.failed_s = now_s

    def unanswered(self, key: ConnectorKey, number: int, now_s: float) -> None:
        """No answer to message ``number``: the station may or may not have applied it."""
        entry = self._entries.get(key)
        if entry is None:
            return
        found = next((sent for sent in entry.sent if sent.number == number), None)
        if found is None or found.lost:
            return
        # A station that stays silent must not make the ledger grow: equal values are one.
        for sent in entry.sent:
            if sent.lost and sent.limit_ma == found.limit_ma:
                found.lease_until_s = max(found.lease_until_s, sent.lease_until_s)
                found.holds_until_s = max(found.holds_until_s, sent.holds_until_s)
        entry.sent = [
            sent for sent in entry.sent if not (sent.lost and sent.limit_ma == found.limit_ma)
        ]
        found.lost = True
        entry.failures += 1
        entry.failed_s = now_s

    def fallback_sent(self, key: ConnectorKey, fallback_ma: int) -> None:
        """A TxDefaultProfile leaves for the station; a higher one counts from now on."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.fallback_pending_ma = max(fallback_ma, entry.fallback_pending_ma or 0)

    def fallback_installed(self, key: ConnectorKey, fallback_ma: int, now_s: float) -> None:
        """The station accepted the TxDefaultProfile (or is known to hold it from before)."""
        entry = self._entries.get(key)
        if entry is None:
            return
        was = entry.base(now_s, self._settings)
        entry.fallback_ma = fallback_ma
        entry.fallback_pending_ma = None
        if entry.transaction_id is not None:
            self._settle(entry, was, now_s)
        entry.seen = True

    def fallback_lost(self, key: ConnectorKey) -> None:
        """The station has forgotten its profiles (factory reset, refusal after a boot)."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.fallback_ma = None
            entry.fallback_pending_ma = None

    def distrust_leases(self) -> None:
        """Clocks have jumped: what was granted may hold for longer than was agreed."""
        for entry in self._entries.values():
            entry.holds_until_s = inf
            for sent in entry.sent:
                sent.holds_until_s = inf

    def restore(
        self,
        key: ConnectorKey,
        transaction_id: int,
        limit_ma: int,
        lease_until_s: float,
    ) -> None:
        """After a restart of the manager: the last limit on record of an open transaction.

        It counts as sent and unanswered on top of the fallback: the ceiling is the greater. It is
        what was asked for, until something else is; a draw above the fallback proves it.
        """
        entry = self._entries.get(key)
        if entry is None:
            return
        entry.seen = True
        entry.transaction_id = transaction_id
        if entry.fallback_ma is None:
            # No limit ever leaves before the fallback is installed, so the station holds it.
            entry.fallback_ma = entry.node.fallback_ma
        self._number += 1
        record = Sent(self._number, limit_ma, -inf, lease_until_s, proven=True)
        record.lost = True
        entry.sent.append(record)
        entry.trail.append((0, inf))

    # ------------------------------------------------------------- what the station shows

    def observe(self, state: ConnectorState, now_s: float) -> None:
        """Take in one connector's snapshot: connection, transaction, car and sample."""
        entry = self._entries.get(state.key)
        if entry is None:
            return
        entry.online = state.online
        entry.sample_interval_s = state.sample_interval_s
        entry.seen = entry.seen or state.online
        entry.car_present = state.status.car_present
        entry.controllable = state.controllable and entry.node.controllable
        if state.transaction_id != entry.transaction_id:
            self.transaction_changed(state.key, state.transaction_id, now_s)
        for sent in list(entry.sent):
            if not sent.lost and now_s - sent.sent_s > self._settings.answer_timeout_s:
                self.unanswered(state.key, sent.number, now_s)
        sample = state.sample
        if sample is None or sample.at_s <= entry.sample_seen_s:
            return
        entry.sample_seen_s = sample.at_s
        if entry.transaction_id is not None and sample.at_s >= state.arrived_s:
            entry.sample = sample
            self._measured(entry, sample)

    def missing(self, key: ConnectorKey) -> None:
        """A connector of the model that the snapshot does not show: it is offline."""
        self._entries[key].online = False

    def transaction_changed(
        self, key: ConnectorKey, transaction_id: int | None, now_s: float
    ) -> None:
        """Another transaction runs (or none): the limits of the last one are gone."""
        entry = self._entries.get(key)
        if entry is not None and entry.transaction_id != transaction_id:
            entry.forget_limits()
            entry.transaction_id = transaction_id
            entry.confirmed_s = now_s

    # ------------------------------------------------------------- queries

    def ceiling(self, key: ConnectorKey, now_s: float) -> int:
        """The most this connector may draw per phase (mA)."""
        entry = self._entries[key]
        settings = self._settings
        rating = entry.node.rating_ma
        if not entry.controllable and entry.car_present:
            return rating
        value = entry.base(now_s, settings)
        for settling_ma, until_s in entry.settling:
            if until_s > now_s:
                value = max(value, settling_ma)
        if entry.over_ma is not None:
            value = max(value, entry.over_ma)
        if not entry.online and entry.fallback_ma is not None:
            value = max(value, entry.fallback_ma)
        return min(value, rating)

    def limit_in_force(self, key: ConnectorKey, now_s: float) -> int | None:
        """The last confirmed limit (or the fallback, before or after it); ``None`` if unknown."""
        return self._in_force(self._entries[key], now_s)

    def asked(self, key: ConnectorKey, now_s: float) -> int | None:
        """The limit last asked for and not known to have failed or lapsed; ``None`` if unknown."""
        return self._asked(self._entries[key], now_s)

    def floor(self, key: ConnectorKey, now_s: float) -> int:
        """The least value that may be in force: a message not above it is a sure decrease."""
        entry = self._entries[key]
        confirmed, grace_s = entry.confirmed(), self._settings.lease_grace_s
        if confirmed is None:
            base = entry.without_limit()
        else:
            base = entry.least(confirmed, now_s, grace_s)
        return min([base, *(entry.least(sent, now_s, grace_s) for sent in entry.sent)])

    def low_water(self, key: ConnectorKey, now_s: float) -> int | None:
        """The least limit the car may be following since its last sample; ``None``: no limit."""
        entry = self._entries[key]
        values = [value for value, _ in entry.trail]
        lapsed = may_have_lapsed(entry.lease_until_s, now_s, self._settings.lease_grace_s)
        if entry.fallback_ma is not None and (entry.confirmed_ma is None or lapsed):
            values.append(entry.fallback_ma)
        return min(values, default=None)

    def lapsing(self, key: ConnectorKey, now_s: float) -> bool:
        """Whether the lease of the limit in force lapses about now: nobody knows which one holds."""
        settings, until_s = self._settings, self._entries[key].lease_until_s
        began_s, over_s = until_s - settings.lease_grace_s, until_s + settings.lease_grace_s
        return began_s <= now_s < over_s + settings.follow_s

    def in_flight(self, key: ConnectorKey) -> bool:
        """Whether an answer is awaited."""
        return any(not sent.lost for sent in self._entries[key].sent)

    def overdue(self, key: ConnectorKey, now_s: float) -> bool:
        """Whether the answer to the latest message is awaited for too long."""
        sent = self._entries[key].sent
        if not sent or sent[-1].lost:
            return False
        return now_s - sent[-1].sent_s >= self._settings.retry_decrease_s

    def uncertain(self, key: ConnectorKey) -> bool:
        """Whether a message went unanswered and another should bring certainty."""
        return any(sent.lost for sent in self._entries[key].sent)

    def retry_at_s(self, key: ConnectorKey) -> float:
        """When the next message may go, after refusals and silences (monotonic)."""
        entry = self._entries[key]
        if entry.failures == 0:
            return -inf
        wait = self._settings.retry_s * 2.0 ** min(entry.failures - 1, 16)
        return entry.failed_s + min(wait, self._settings.retry_longest_s)

    def retry_soon_s(self, key: ConnectorKey) -> float:
        """When a decrease may be tried again after a failure: these do not wait longer each time."""
        return self._entries[key].failed_s + self._settings.retry_decrease_s

    def refuses(self, key: ConnectorKey) -> bool:
        """Whether the station refused too often to be counted on."""
        return self._entries[key].refusals >= self._settings.refusals_before_giving_up

    def disobeys(self, key: ConnectorKey, now_s: float) -> bool:
        """Whether it has been measured above its limit for too long.

        One sample may be wrong: another one has to agree, or none to come for a little longer.
        """
        entry = self._entries[key]
        if entry.over_since_s is None or entry.over_ma is None:
            return False
        settings = self._settings
        lasting_s = settings.violation_s
        if entry.over_samples < 2:
            slow = entry.sample_interval_s >= settings.violation_slow_s
            lasting_s = settings.violation_slow_s if slow else settings.violation_alone_s
        return now_s - entry.over_since_s >= lasting_s

    def exceeds(self, key: ConnectorKey) -> bool:
        """Whether the last sample was above the limit in force."""
        return self._entries[key].over_ma is not None

    def sample(self, key: ConnectorKey) -> ConnectorSample | None:
        """The last sample of the running transaction."""
        return self._entries[key].sample

    def transaction_id(self, key: ConnectorKey) -> int | None:
        """The open transaction, as last seen."""
        return self._entries[key].transaction_id

    def fallback_ma(self, key: ConnectorKey) -> int | None:
        """The fallback that the station is known to hold."""
        return self._entries[key].fallback_ma

    def lease_until_s(self, key: ConnectorKey) -> float | None:
        """Until when the confirmed limit holds; ``None`` when none was confirmed."""
        entry = self._entries[key]
        return None if entry.confirmed_ma is None else entry.lease_until_s

    def raised_s(self, key: ConnectorKey) -> float:
        """When a higher limit was last sent."""
        return self._entries[key].raised_s

    def confirmed_s(self, key: ConnectorKey) -> float:
        """When the station last accepted a limit, or its transaction changed."""
        return self._entries[key].confirmed_s

    def changed_s(self, key: ConnectorKey) -> float:
        """When a different limit was last sent."""
        return self._entries[key].changed_s

    # ------------------------------------------------------------- inside

    def _in_force(self, entry: Entry, now_s: float) -> int | None:
        """The confirmed limit, or the fallback where there is none any more."""
        lapsed = now_s >= entry.holds_until_s + self._settings.lease_grace_s
        if entry.confirmed_ma is None or (lapsed and entry.fallback_ma is not None):
            return entry.fallback_ma
        return entry.confirmed_ma

    def _asked(self, entry: Entry, now_s: float) -> int | None:
        for sent in reversed(entry.sent):
            restored = sent.sent_s == -inf and entry.confirmed_ma is None
            holds = now_s < sent.holds_until_s + self._settings.lease_grace_s
            if not sent.lost or (restored and holds):
                return sent.limit_ma
        return self._in_force(entry, now_s)

    def _settle(self, entry: Entry, was_ma: int, now_s: float) -> None:
        if was_ma > entry.base(now_s, self._settings):
            entry.settling.append((was_ma, now_s + self._settings.follow_s))

    @staticmethod
    def _close_trail(entry: Entry, confirmed_ma: int, now_s: float) -> None:
        """What is no longer possible is still followed for a while: it keeps its end."""
        possible = {confirmed_ma, *(sent.limit_ma for sent in entry.sent)}
        trail = [(value, end) for value, end in entry.trail if end != inf]
        trail += [(value, now_s) for value, end in entry.trail if end == inf]
        entry.trail = [one for one in trail if one[0] not in possible]
        entry.trail += [(value, inf) for value in possible]

    def _measured(self, entry: Entry, sample: ConnectorSample) -> None:
        settings = self._settings
        measured_s = sample.at_s - settings.sample_delay_s
        entry.trail = [one for one in entry.trail if one[1] > measured_s - settings.follow_s]
        entry.settling = [one for one in entry.settling if one[1] > measured_s]
        if entry.confirmed_ma is None and entry.fallback_ma is None:
            return
        self._recognise(entry, sample)
        limit = entry.base(sample.at_s, settings)
        complies = sample.high.peak() <= limit + settings.comply_tolerance_ma
        # A car that was told to rise a moment ago may be low only because it is still rising.
        if (
            complies
            and measured_s >= entry.confirmed_s
            and measured_s >= entry.raised_s + settings.follow_s
        ):
            entry.settling = []
        most = max([limit, *(value for value, _ in entry.settling)])
        excess = max(settings.violation_ma, round(most * settings.violation_share))
        if sample.low.peak() <= most + excess:
            entry.over_ma = None
            # Measured before the present limit, or excused only by one that was lowered a moment ago,
            # it neither proves nor refutes.
            if sample.low.peak() <= limit + excess and measured_s >= entry.confirmed_s:
                entry.over_since_s = None
                entry.over_samples = 0
            return
        entry.over_ma = sample.high.peak() + settings.violation_reserve_ma
        entry.over_samples += 1
        if entry.over_since_s is None:
            entry.over_since_s = sample.at_s

    def _recognise(self, entry: Entry, sample: ConnectorSample) -> None:
        """A draw above the fallback proves that the station holds the limit on record."""
        if entry.confirmed_ma is not None or not entry.sent or entry.sent[0].sent_s != -inf:
            return
        if sample.low.peak() > entry.without_limit() + self._settings.violation_ma:
            restored = entry.sent.pop(0)
            entry.confirmed_ma = restored.limit_ma
            entry.confirmed_number = restored.number
            entry.lease_until_s = restored.lease_until_s
            entry.holds_until_s = restored.holds_until_s
            # It was in force all along: nothing lower has to settle.
            entry.trail = [(restored.limit_ma, inf)]
            entry.trail += [(sent.limit_ma, inf) for sent in entry.sent]
