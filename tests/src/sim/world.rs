//! The world and its scheduler: everything that is due, in order, and who it is for.

use super::basket::Step;
use super::counting::Counting;
use super::hub::HubMachine;
use super::hub_work::HubWork;
use super::later::Later;
use super::machine::Machine;
use super::oracle::{Oracle, State};
use super::plant::Plant;
use super::trace::Trace;
use super::{Outcome, Plan};
use crate::process::TempDir;
use crate::seed::Luck;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tradepost_central::app::shelf::ShelfMemory;
use tradepost_central::presence::Present;
use tradepost_node::db::Durability;
use tradepost_proto::sync::v1::Frame;
use tradepost_sync::burn::BurnAsk;
use tradepost_sync::clock::Tau;
use tradepost_sync::frontier::HeadMark;
use tradepost_sync::ids::{Id, Incarnation};
use tradepost_sync::lease::SealedLease;
use tradepost_sync::session::{Acquire, BarrierWord, Batch, Carts, CustodyAsk, Input, Session};

/// When every run begins.
pub(super) const BEGIN: i64 = 1_795_000_000_000;
/// A healed world agrees within this time.
const AGREED_MS_MAX: i64 = 120_000;

/// What is due.
pub(super) enum Due {
    /// A frame arrives at a side of a link.
    Frame { link: u64, to: usize, frame: Box<Frame> },
    /// The disk has answered a side of a link.
    Disk { link: u64, side: usize, input: Box<Input> },
    /// A side of a link asked to be woken.
    Tick { link: u64, side: usize, turn: u64 },
    /// The last word of a closed link was heard.
    Gone { link: u64 },
    /// The hub does something for a link.
    Hub { link: u64, work: HubWork },
    /// A machine calls the hub, or a neighbour.
    Dial { machine: usize, neighbour: Option<usize> },
    /// A machine commits what waits.
    Group { machine: usize, life: u32 },
    /// Somebody asks for a deed, perhaps again.
    Ask { deed: usize },
    /// Somebody at a machine wants something new.
    Customer { machine: usize },
    /// A machine whose incarnation the hub doesn't know asks to be taken in.
    Rejoin { machine: usize, life: u32 },
    /// A machine is switched on.
    Up { machine: usize },
    /// A machine burns down.
    Burn { machine: usize },
    /// A machine that burnt down is found.
    Back { machine: usize },
    /// The hub is switched on.
    HubUp,
    /// A cut way is whole again.
    Mended { machine: usize, neighbour: Option<usize> },
    /// Somebody is heard again.
    Heard { machine: usize, neighbour: Option<usize>, side: usize },
    /// A disk has room again.
    Room { machine: usize },
    /// The hub publishes, or gives rights.
    Office,
    /// A manager wants the rights of whoever was lost back.
    Resolve { store: usize },
    /// The hub looks after what time brings.
    Upkeep,
    /// Somebody counts.
    Count,
    /// Somebody has counted.
    CountEnds(Counting),
    /// Something breaks.
    Fault,
}

/// What waits for a machine's next group.
#[derive(Clone)]
pub(super) enum Job {
    /// What somebody asked for.
    Deed(usize),
    /// A batch to be taken in, which is canonical where the hub says it; a side of a link waits for it, unless it comes
    /// from nowhere.
    Apply { link: Option<(u64, usize)>, batch: Batch, canonical: bool },
    /// Catalog entries.
    Catalog { link: u64, side: usize, entries: Vec<tradepost_sync::catalog::SealedEntry> },
    /// The hub holds a stream.
    Acked(HeadMark),
    /// The hub said what time it is, at a reading of the boot clock.
    HubTime(Tau, i64),
    /// Somebody knows more of this machine than it does.
    SelfFence(Option<HeadMark>),
    /// The hub has fenced this incarnation.
    BeginAgain(Incarnation),
    /// A neighbour asks for rights.
    Give { link: u64, side: usize, to: Incarnation, asked: Acquire },
    /// A neighbour asks for custody.
    HandOver { link: u64, side: usize, to: Incarnation, wanted: CustodyAsk },
    /// A neighbour's carts.
    Carts { link: u64, side: usize, carts: Carts },
    /// The hub's word about a barrier.
    Barrier { link: u64, side: usize, word: BarrierWord },
    /// The hub asks for rights to be burnt.
    Burn(BurnAsk),
    /// A lease is asked for.
    AskLease { link: u64, side: usize },
    /// A lease has come.
    Lease(SealedLease),
    /// The hub speaks as this incarnation.
    Follow { link: u64, speaks: Incarnation },
    /// Somebody counts.
    Count(Counting),
    /// Somebody does something to a cart.
    Basket { machine: usize, basket: usize, step: Step },
    /// Nobody wants a cart any more.
    Clear { cart: Id, by_force: bool },
}

/// One end of a link.
pub(super) struct Side {
    /// The machine, or the hub.
    pub(super) who: Option<usize>,
    pub(super) session: Session,
    pub(super) closed: bool,
    pub(super) arrived: i64,
    pub(super) turn: u64,
    pub(super) peer: Option<Incarnation>,
    /// At the hub: the caller's store, and the `H_s` that is spoken for.
    pub(super) store: Option<i64>,
    pub(super) own: Option<Incarnation>,
    pub(super) shelf: ShelfMemory,
    /// The store's `H_s`, and its end when the roster was last looked at.
    pub(super) roster: (Option<Incarnation>, Option<HeadMark>),
    pub(super) asks: u64,
    /// At the hub: the caller is in session.
    pub(super) present: Option<Present>,
    /// When the next lease is asked for, by the machine's boot clock.
    pub(super) lease_at: i64,
    /// What this side said while its way was mute.
    pub(super) unheard: Vec<Frame>,
}

/// A link: side 0 called.
pub(super) struct Link {
    pub(super) sides: [Side; 2],
    /// When it came to be.
    pub(super) since: i64,
}

impl Link {
    /// Who is at its ends.
    pub(super) fn ends(&self) -> (Option<usize>, Option<usize>) {
        (self.sides[0].who, self.sides[1].who)
    }

    pub(super) fn is_lan(&self) -> bool {
        self.sides[1].who.is_some()
    }
}

/// An item of the range.
pub(super) struct Item {
    pub(super) sku: String,
    pub(super) price: i64,
}

/// The world.
pub(super) struct World {
    pub(super) now: i64,
    pub(super) luck: Luck,
    pub(super) seed: u64,
    pub(super) plan: Plan,
    pub(super) plant: Option<Plant>,
    pub(super) hub: HubMachine,
    pub(super) machines: Vec<Machine>,
    pub(super) jobs: Vec<Vec<Job>>,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) dialing: BTreeSet<(usize, Option<usize>)>,
    /// Ways that are cut: a machine's to the hub, or to a neighbour with a greater index.
    pub(super) cut: BTreeSet<(usize, Option<usize>)>,
    /// Ways on which nothing comes from one end: the way, and the side that is not heard.
    pub(super) mute: BTreeSet<(usize, Option<usize>, usize)>,
    /// Machines whose way to the hub is slow, in milliseconds more.
    pub(super) slow: BTreeMap<usize, u64>,
    pub(super) oracle: Oracle,
    pub(super) trace: Trace,
    pub(super) items: Vec<Item>,
    /// Each store's code and number at the hub.
    pub(super) stores: Vec<(String, i64)>,
    /// A member of a later program in each store.
    pub(super) later: Vec<Later>,
    /// (incarnation, seq) of what was poisoned.
    pub(super) poisoned: BTreeSet<(Incarnation, u64)>,
    /// Batches that were seen on some link, by store; they may come again.
    pub(super) seen: Vec<(usize, Batch)>,
    pub(super) faults: BTreeMap<&'static str, u32>,
    /// Figures that were counted, for a bug: store, item, units.
    pub(super) counted_raw: Vec<(usize, usize, u64)>,
    /// The hub has looked after things so often.
    pub(super) looks: u64,
    pub(super) healing: bool,
    queue: BTreeMap<(i64, u64), Due>,
    order: u64,
    next_link: u64,
    pub(super) poked: u64,
    pub(super) room: TempDir,
}

impl World {
    pub(super) fn new(seed: u64, plan: Plan, plant: Option<Plant>, loud: bool) -> Self {
        let room = room();
        let hub = HubMachine::start_new(room.path(), BEGIN).expect("the hub starts");
        let synced = if plant == Some(Plant::AckBeforeFsync) { Durability::Normal } else { Durability::Full };
        let mut machines = Vec::new();
        for store in 0..plan.stores {
            for _ in 0..plan.machines {
                let name = format!("R{}", machines.len() + 1);
                let own = seed.wrapping_mul(31).wrapping_add(u64::try_from(machines.len()).unwrap_or(0));
                let machine = Machine::new(&name, store, room.path(), own, synced).expect("there is room");
                machines.push(machine);
            }
        }
        Self {
            now: BEGIN,
            luck: Luck::new(seed),
            seed,
            plan,
            plant,
            hub,
            jobs: machines.iter().map(|_| Vec::new()).collect(),
            machines,
            links: BTreeMap::new(),
            dialing: BTreeSet::new(),
            cut: BTreeSet::new(),
            mute: BTreeSet::new(),
            slow: BTreeMap::new(),
            oracle: Oracle::default(),
            trace: Trace::new(loud),
            items: Vec::new(),
            stores: Vec::new(),
            later: Vec::new(),
            poisoned: BTreeSet::new(),
            seen: Vec::new(),
            faults: BTreeMap::new(),
            counted_raw: Vec::new(),
            looks: 0,
            healing: false,
            queue: BTreeMap::new(),
            order: 0,
            next_link: 1,
            poked: 0,
            room,
        }
    }

    /// Says a line into the trace.
    pub(super) fn say(&mut self, line: &str) {
        self.trace.say(self.now - BEGIN, line);
    }

    /// Notes a fault that was made.
    pub(super) fn note(&mut self, fault: &'static str, line: &str) {
        *self.faults.entry(fault).or_default() += 1;
        self.say(&format!("! {fault} {line}"));
    }

    /// Whether this bug is planted.
    pub(super) fn planted(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    /// A number in `from..to`.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.luck.below(to - from)
    }

    /// Once in `n` times.
    pub(super) fn once_in(&mut self, n: u64) -> bool {
        self.luck.below(n) == 0
    }

    /// Puts something into the queue, `after` milliseconds from now.
    pub(super) fn later(&mut self, after: u64, due: Due) {
        let at = self.now + i64::try_from(after).unwrap_or(0);
        self.at(at, due);
    }

    /// Puts something into the queue for a time.
    pub(super) fn at(&mut self, at: i64, due: Due) {
        self.order += 1;
        self.queue.insert((at.max(self.now), self.order), due);
    }

    /// A fresh id as clients make them.
    pub(super) fn fresh_id(&mut self) -> Id {
        let mut bytes = [0u8; 16];
        bytes[..8].copy_from_slice(&self.luck.next().to_be_bytes());
        bytes[8..].copy_from_slice(&self.luck.next().to_be_bytes());
        let ms = u64::try_from(self.now).unwrap_or(0).to_be_bytes();
        bytes[..6].copy_from_slice(&ms[2..]);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Id(bytes)
    }

    /// A link's number.
    pub(super) fn new_link(&mut self) -> u64 {
        self.next_link += 1;
        self.next_link
    }

    /// The unsafe phase.
    pub(super) fn run_unsafely(&mut self) {
        for machine in 0..self.machines.len() {
            self.later(1 + u64::try_from(machine).unwrap_or(0), Due::Up { machine });
            let first = self.between(500, self.plan.deed_ms.max(501));
            self.later(first, Due::Customer { machine });
        }
        self.later(3_000, Due::Fault);
        self.later(5_000, Due::Office);
        self.later(1_000, Due::Upkeep);
        self.later(8_000, Due::Count);
        let end = BEGIN + self.plan.unsafe_ms;
        self.run_until(end);
    }

    /// Everything is healed; answers how long it took to agree, or blames where it didn't.
    pub(super) fn heal(&mut self) -> i64 {
        self.healing = true;
        let healed = self.now;
        self.mend_everything();
        if self.plan.carts {
            self.shops_close();
        }
        let mut waiting = self.waiting_queues();
        while !self.all_agree() && self.oracle.wrong.is_empty() {
            if self.now >= healed + AGREED_MS_MAX {
                let why = self.why_not();
                self.oracle.blame(format!("healed for {AGREED_MS_MAX} ms and no agreement: {why}"));
            }
            if self.hub.restored {
                self.attest_recovery();
            }
            self.run_until(self.now + 500);
            self.judge_queues(&mut waiting);
        }
        self.now - healed
    }

    /// Waits until everything agrees; blames where it doesn't.
    pub(super) fn level(&mut self) {
        let began = self.now;
        while self.oracle.wrong.is_empty() && !self.all_agree() {
            if self.now >= began + AGREED_MS_MAX {
                let why = self.why_not();
                self.oracle.blame(format!("healed for {AGREED_MS_MAX} ms and no agreement: {why}"));
            }
            self.run_until(self.now + 500);
        }
    }

    /// Time passes in which nobody is connected and nothing happens.
    pub(super) fn sleep(&mut self, ms: i64) {
        let links: Vec<u64> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.drop_link(link));
        self.now += ms;
        self.hub.set_clock(self.now);
        self.oracle.now = self.now;
    }

    pub(super) fn run_until(&mut self, end: i64) {
        while let Some((&(at, order), _)) = self.queue.first_key_value() {
            if at > end || !self.oracle.wrong.is_empty() {
                break;
            }
            // After a sleep everything that was due is late.
            self.now = at.max(self.now);
            self.hub.set_clock(self.now);
            self.oracle.now = self.now;
            if let Some(due) = self.queue.remove(&(at, order)) {
                self.happen(due);
            }
        }
        self.now = end.max(self.now);
        self.hub.set_clock(self.now);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Frame { link, to, frame } => self.frame(link, to, *frame),
            Due::Disk { link, side, input } => self.give(link, side, *input),
            Due::Tick { link, side, turn } => self.tick(link, side, turn),
            Due::Gone { link } => self.drop_link(link),
            Due::Hub { link, work } => self.hub_work(link, work),
            Due::Dial { machine, neighbour } => self.dial(machine, neighbour),
            Due::Group { machine, life } => self.group(machine, life),
            Due::Ask { deed } => self.ask(deed),
            Due::Customer { machine } => self.customer(machine),
            Due::Rejoin { machine, life } => self.rejoin(machine, life),
            Due::Up { machine } => self.up(machine),
            Due::Burn { machine } => self.burn_down(machine),
            Due::Back { machine } => self.come_back_from_ashes(machine),
            Due::HubUp => self.hub_up(),
            Due::Mended { machine, neighbour } => self.mend(machine, neighbour),
            Due::Heard { machine, neighbour, side } => self.unmute(machine, neighbour, side),
            Due::Room { machine } => self.give_room(machine),
            Due::Resolve { store } => self.resolve(store),
            Due::Office => self.office(),
            Due::Upkeep => self.upkeep(),
            Due::Count => self.count_round(),
            Due::CountEnds(counting) => self.count_ends(counting),
            Due::Fault => self.fault(),
        }
    }

    /// Adds a job to a machine's next group.
    pub(super) fn enqueue(&mut self, machine: usize, job: Job) {
        self.jobs[machine].push(job);
        if self.jobs[machine].len() == 1 {
            let after = self.luck.below(4);
            let life = self.machines[machine].life;
            self.later(after, Due::Group { machine, life });
        }
    }

    pub(super) fn outcome(self, healed_ms: i64) -> Outcome {
        let answered = self.oracle.deeds.iter().filter(|d| matches!(d.state, State::Answered(_))).count();
        Outcome {
            seed: self.seed,
            trace: self.trace.hash(),
            lines: self.trace.lines(),
            tail: self.trace.tail(),
            answered,
            virtual_ms: self.now - BEGIN,
            healed_ms,
            faults: self.faults,
            wrong: self.oracle.wrong,
        }
    }
}

/// In memory where the system has such a file system: the files are real, and their syncs cost nothing.
fn room() -> TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { TempDir::under(shm, "sim") } else { TempDir::new("sim") }
}
