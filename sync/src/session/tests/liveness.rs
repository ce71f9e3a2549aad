//! Time passes, messages are lost, logs grow: it goes on all the same.

use super::world::*;
use super::*;
use proptest::prelude::*;

/// What happens at some time.
#[derive(Clone, Debug)]
enum Deed {
    /// The node commits a group.
    Sell(usize),
    /// The hub commits a group.
    Grant(usize),
    /// The hub publishes.
    Publish(u64),
    /// The hub's catalog begins a new epoch.
    NewEpoch,
}

/// One direction of a link: in order, with a delay; a message may be lost.
#[derive(Default)]
struct Line {
    on_the_way: VecDeque<(UtcMs, Message)>,
}

impl Line {
    fn put(&mut self, now: UtcMs, messages: Vec<Message>, delay: UtcMs, mut lost: impl FnMut() -> bool) {
        for message in messages {
            if !lost() {
                self.on_the_way.push_back((now + delay, message));
            }
        }
    }

    fn take(&mut self, now: UtcMs) -> Option<Message> {
        self.on_the_way.front().filter(|(at, _)| *at <= now)?;
        self.on_the_way.pop_front().map(|(_, message)| message)
    }
}

/// A node, a hub and a link with time.
struct Town {
    node: Replica,
    hub: Replica,
    delay: UtcMs,
    /// Of a hundred messages so many are lost, until this time.
    lossy: (u32, UtcMs),
    sessions: u32,
    level_since: Option<UtcMs>,
}

const STEP_MS: UtcMs = 20;

impl Town {
    /// Lives from `now` until `end`, one session after another; answers why sessions ended.
    fn live(&mut self, mut now: UtcMs, end: UtcMs, deeds: &[(UtcMs, Deed)]) -> Vec<Closing> {
        let mut closings = Vec::new();
        while now < end {
            self.sessions += 1;
            now = self.session(now, end, deeds, &mut closings) + 1_000;
        }
        closings
    }

    fn session(&mut self, from: UtcMs, end: UtcMs, deeds: &[(UtcMs, Deed)], why: &mut Vec<Closing>) -> UtcMs {
        let (lossy, delay) = (self.lossy, self.delay);
        let mut up = Line::default();
        let mut down = Line::default();
        // What happened while nobody was connected.
        self.level_since = None;
        let mut a = Side::new(Role::Node, &mut self.node);
        let mut b = Side::new(Role::Hub, &mut self.hub);
        let mut hub_gone = false;
        let mut now = from;
        a.session.handle(now, Input::Start);
        b.session.handle(now, Input::Start);
        while now < end {
            for (_, deed) in deeds.iter().filter(|(at, _)| (now..now + STEP_MS).contains(at)) {
                happen(deed, &mut a, &mut b, now);
            }
            while let Some(message) = down.take(now) {
                a.session.handle(now, Input::Message(message));
            }
            while let Some(message) = up.take(now) {
                b.session.handle(now, Input::Message(message));
            }
            ring(&mut a, now);
            ring(&mut b, now);
            let losing = |replica: &mut Replica| now < lossy.1 && replica.dice() < lossy.0;
            let (said_a, said_b) = (a.pump(now), b.pump(now));
            up.put(now, said_a, delay, || losing(a.replica));
            down.put(now, said_b, delay, || losing(b.replica));
            why.extend(b.closed.filter(|_| !hub_gone));
            hub_gone |= b.closed.is_some();
            if let Some(closing) = a.closed {
                why.push(closing);
                return now;
            }
            let level = a.replica.frontier() == b.replica.frontier()
                && a.replica.catalog_version() == b.replica.catalog_version()
                && a.session.level();
            self.level_since = if level { self.level_since.or(Some(now)) } else { None };
            // A hub that has gone leaves the node in a half-open link; it finds out by itself.
            if hub_gone {
                up.on_the_way.clear();
            }
            now += STEP_MS;
        }
        now
    }
}

fn ring(side: &mut Side<'_>, now: UtcMs) {
    if side.wake.is_some_and(|at| at <= now) {
        side.wake = None;
        side.session.handle(now, Input::Tick { tau: None });
    }
}

fn happen(deed: &Deed, a: &mut Side<'_>, b: &mut Side<'_>, now: UtcMs) {
    match deed {
        Deed::Sell(events) => a.replica.write(*events),
        Deed::Grant(events) => b.replica.write(*events),
        Deed::Publish(versions) => b.replica.publish(*versions),
        Deed::NewEpoch => b.replica.new_epoch(),
    }
    tell(a, now);
    tell(b, now);
}

fn tell(side: &mut Side<'_>, now: UtcMs) {
    let heads = side.replica.frontier().head(&side.replica.own).into_iter().collect();
    side.session.handle(now, Input::Local { heads, catalog: side.replica.catalog_version() });
}

fn any_deeds(until: UtcMs) -> impl Strategy<Value = Vec<(UtcMs, Deed)>> {
    let deed = prop_oneof![
        6 => (1usize..12).prop_map(Deed::Sell),
        2 => (1usize..9).prop_map(Deed::Grant),
        1 => (1u64..8).prop_map(Deed::Publish),
        1 => Just(Deed::NewEpoch),
    ];
    prop::collection::vec((0..until, deed), 0..25)
}

fn town(seed: u64, backlog: (usize, usize), baffled: u32, delay: UtcMs) -> Town {
    let mut node = Replica::new(NODE).lucky(seed);
    let mut hub = Replica::new(HUB).lucky(seed);
    for (replica, events) in [(&mut node, backlog.0), (&mut hub, backlog.1)] {
        let mut left = events;
        while left > 0 {
            let group = left.min(1 + usize::try_from(replica.dice() % 10).unwrap());
            replica.write(group);
            left -= group;
        }
    }
    (node.baffled, hub.baffled) = (baffled, baffled);
    Town { node, hub, delay, lossy: (0, 0), sessions: 0, level_since: None }
}

fn all_once(town: &Town) -> bool {
    town.node.applied.values().chain(town.hub.applied.values()).all(|times| *times == 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// On a link that loses nothing one session is enough, whatever can't be rebuilt and whenever logs grow; it
    /// ends by itself never, and it wastes little.
    #[test]
    fn a_whole_link_levels_everything_in_one_session(
        seed in any::<u64>(),
        backlog in (0usize..150, 0usize..60),
        baffled in prop_oneof![Just(0u32), 0u32..60, Just(100u32)],
        delay in 0i64..120,
        deeds in any_deeds(4_000),
    ) {
        let mut town = town(seed, backlog, baffled, delay);
        let closings = town.live(0, 40_000, &deeds);
        prop_assert_eq!(closings, vec![]);
        prop_assert_eq!(town.sessions, 1);
        prop_assert!(town.level_since.is_some_and(|at| at < 30_000), "level since {:?}", town.level_since);
        prop_assert!(all_once(&town));
        prop_assert!(!town.node.fenced);
        let sent = town.node.sent_events + town.hub.sent_events;
        let wrote = town.node.frontier().heads().map(|head| head.seq).sum::<u64>();
        let waste = if baffled == 0 { 1 } else { 12 };
        prop_assert!(sent <= wrote * waste, "{sent} events were sent to bring {wrote}");
    }

    /// Whatever is lost until the link heals: afterwards all is level within the deadlines, without a new sale.
    #[test]
    fn a_link_that_heals_levels_everything(
        seed in any::<u64>(),
        backlog in (0usize..100, 0usize..40),
        baffled in 0u32..50,
        delay in 0i64..120,
        loss in prop_oneof![1u32..10, 10u32..60, Just(100u32)],
        deeds in any_deeds(60_000),
    ) {
        let mut town = town(seed, backlog, baffled, delay);
        town.lossy = (loss, 60_000);
        let bound = 60_000 + PROGRESS_MS_MAX + 2 * SILENCE_MS_MAX + 15_000;
        town.live(0, bound + 5_000, &deeds);
        prop_assert!(town.level_since.is_some_and(|at| at < bound), "level since {:?}", town.level_since);
        prop_assert!(all_once(&town));
        prop_assert!(!town.node.fenced);
    }
}
