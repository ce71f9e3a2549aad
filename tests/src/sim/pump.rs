//! The links: dialling, the pumps of both ends, and what is cut.
//!
//! A pump gives its session one input, drains the outputs and does what they say, as the programs' own pumps do. A
//! link keeps the order of what is said on it, so nothing is lost within one: it is cut, and whatever was on its way
//! is gone.

use super::hub_work::HubWork;
use super::plant::Plant;
use super::work::local_of;
use super::world::{Due, Job, Link, Side, World};
use tradepost_central::app::rejoin::{self as hub_rejoin, Returning};
use tradepost_central::app::shelf::ShelfMemory;
use tradepost_central::config::program;
use tradepost_commerce::document::CatalogVersion;
use tradepost_node::app::problem::Stop;
use tradepost_node::app::stretch::{self, Asked};
use tradepost_node::app::{acquire, catalog, rejoin, shared_cart};
use tradepost_node::db::incarnations;
use tradepost_proto::convert::{from_frame, to_frame};
use tradepost_proto::sync::v1::Frame;
use tradepost_sync::frontier::Frontier;
use tradepost_sync::ids::Incarnation;
use tradepost_sync::lease::renew_after_ms;
use tradepost_sync::session::{Acquire, Closing, Input, Local, Output, Refusal, Role, Session};

/// The daemon's pause between two calls.
const PAUSE_MS: (u64, u64) = (250, 2_000);
/// A timer rings at least this often.
const TICK_MS_MAX: i64 = 5_000;
const HUB_TICK_MS: i64 = 1_000;
/// An ask for a lease that brought nothing is made again after this.
const LEASE_ASKED_AGAIN_MS: i64 = 2_000;

impl World {
    /// A machine will call, unless it is about to anyway.
    pub(super) fn dial_later(&mut self, machine: usize, neighbour: Option<usize>) {
        if self.dialing.insert((machine, neighbour)) {
            let after = self.between(PAUSE_MS.0, PAUSE_MS.1);
            self.later(after, Due::Dial { machine, neighbour });
        }
    }

    /// Every call that a machine that has just started makes or waits for.
    pub(super) fn dial_all(&mut self, machine: usize) {
        self.dial_later(machine, None);
        for other in 0..self.machines.len() {
            if other != machine && self.machines[other].store == self.machines[machine].store {
                self.dial_later(machine.min(other), Some(machine.max(other)));
            }
        }
    }

    pub(super) fn dial(&mut self, machine: usize, neighbour: Option<usize>) {
        self.dialing.remove(&(machine, neighbour));
        if neighbour.is_none() && self.machines[machine].away {
            return;
        }
        let linked = self.links.values().any(|link| link.ends() == (Some(machine), neighbour));
        if linked || self.machines[machine].running.is_none() {
            return;
        }
        let there = match neighbour {
            None => self.hub.hub.is_some(),
            Some(other) => self.machines[other].running.is_some(),
        };
        let sides = if there && !self.cut.contains(&(machine, neighbour)) {
            self.new_sides(machine, neighbour)
        } else {
            None
        };
        match sides {
            Some(sides) => self.connect(sides),
            None if self.planted(Plant::RetryOnNextSale) => {}
            None => self.dial_later(machine, neighbour),
        }
    }

    /// None where the caller knows no key to expect: it was never enrolled, or the roster names no such neighbour.
    fn new_sides(&mut self, machine: usize, neighbour: Option<usize>) -> Option<[Side; 2]> {
        let Some(other) = neighbour else {
            let key = self.hub.hub.as_ref()?.device.public();
            let caller = self.side(machine, Role::Node, key)?;
            let hub = self.hub_side();
            return Some([caller, hub]);
        };
        let key = |world: &Self, of: usize| Some(world.machines[of].running.as_ref()?.node.device().public());
        let (mine, theirs) = (key(self, machine)?, key(self, other)?);
        let caller = self.side(machine, Role::Neighbour, theirs)?;
        let called = self.side(other, Role::Neighbour, mine)?;
        let known = |side: &Side| side.roster.0.is_some();
        (known(&caller) && known(&called)).then_some([caller, called])
    }

    fn side(&mut self, machine: usize, role: Role, key: [u8; 32]) -> Option<Side> {
        let nonce = self.fresh_luck();
        let it = &self.machines[machine];
        let mut local = local_of(it.running.as_ref()?, role, key, nonce, it.wall(self.now))?;
        if self.planted(Plant::LostRequeue) && role == Role::Neighbour {
            // Whatever was said before is taken for heard.
            let all = self.machines.iter().filter_map(|it| it.running.as_ref());
            all.for_each(|running| local.frontier.advance(running.node.mark()));
        }
        let roster = local.roster_of;
        Some(new_side(Some(machine), local, roster, self.now))
    }

    fn hub_side(&mut self) -> Side {
        let nonce = self.fresh_luck();
        let local = Local {
            role: Role::Hub,
            incarnation: Incarnation([0; 16]),
            device: tradepost_sync::signing::Device::from_secret([9; 32]),
            nonce,
            frontier: Frontier::default(),
            catalog: CatalogVersion::default(),
            wall: self.now,
            program: program(),
            peer_key: None,
            members: Vec::new(),
            roster_of: None,
        };
        new_side(None, local, None, self.now)
    }

    fn connect(&mut self, sides: [Side; 2]) {
        let link = self.new_link();
        let ends = (sides[0].who, sides[1].who);
        self.links.insert(link, Link { sides, since: self.now });
        self.say(&format!("link {link} {ends:?}"));
        self.give(link, 0, Input::Start);
        self.give(link, 1, Input::Start);
        if ends.1.is_none() {
            self.wake_at(link, 1, self.now + HUB_TICK_MS);
        }
    }

    /// The time of a side's own clock.
    fn clock_of(&self, who: Option<usize>) -> i64 {
        who.map_or(self.now, |machine| self.machines[machine].boot(self.now))
    }

    /// Gives a side's session one input and does what it says.
    pub(super) fn give(&mut self, link: u64, side: usize, input: Input) {
        let Some(who) = self.links.get(&link).map(|it| it.sides[side].who) else {
            return;
        };
        let now = self.clock_of(who);
        if let Some(it) = self.links.get_mut(&link) {
            it.sides[side].session.handle(now, input);
        }
        while let Some(output) = self.links.get_mut(&link).and_then(|it| it.sides[side].session.poll()) {
            match who {
                Some(machine) => self.act(link, side, machine, output),
                None => self.act_as_hub(link, output),
            }
        }
    }

    fn act(&mut self, link: u64, side: usize, machine: usize, output: Output) {
        let is_hub = self.links.get(&link).is_some_and(|it| !it.is_lan());
        match output {
            Output::Send(message) => self.send(link, side, to_frame(&message)),
            Output::Read { incarnation, from, events_max, bytes_max, raw_to } => {
                self.read(link, side, machine, Asked { incarnation, from, events_max, bytes_max, raw_to });
            }
            Output::Apply(batch) => {
                let job = Job::Apply { link: Some((link, side)), batch, canonical: is_hub };
                self.enqueue(machine, job);
            }
            Output::ApplyCatalog(entries) => {
                self.enqueue(machine, Job::Catalog { link, side, entries });
            }
            Output::Acked(head) if is_hub => self.enqueue(machine, Job::Acked(head)),
            Output::HubTime(tau) => {
                let boot = self.machines[machine].boot(self.now);
                self.enqueue(machine, Job::HubTime(tau, boot));
                self.ask_for_lease(link, side, machine);
            }
            Output::Leased(sealed) => {
                let next = self.machines[machine].boot(self.now) + renew_after_ms(sealed.lease.length_ms);
                if let Some(it) = self.links.get_mut(&link) {
                    it.sides[side].lease_at = next;
                }
                self.enqueue(machine, Job::Lease(sealed));
            }
            Output::Met(hello) => {
                let speaks = hello.incarnation;
                if let Some(it) = self.links.get_mut(&link) {
                    it.sides[side].peer = Some(speaks);
                    if is_hub && it.sides[side].roster.0 != Some(speaks) {
                        self.enqueue(machine, Job::Follow { link, speaks });
                    }
                }
            }
            Output::HandOver(wanted) => {
                let to = self.links.get(&link).and_then(|it| it.sides[side].peer);
                if let Some(to) = to {
                    self.enqueue(machine, Job::HandOver { link, side, to, wanted });
                }
            }
            Output::ApplyCarts(carts) => {
                let carts = self.tamper_carts(carts);
                self.enqueue(machine, Job::Carts { link, side, carts });
            }
            Output::Barrier(word) => self.enqueue(machine, Job::Barrier { link, side, word }),
            Output::Burn(asked) => self.enqueue(machine, Job::Burn(asked)),
            Output::ReadCarts { after } => self.read_carts(link, side, machine, after),
            Output::ReadCatalog { after, max } => self.read_catalog(link, side, machine, (after, max)),
            Output::SelfFence { why, told } => {
                self.say(&format!("{} fences itself: {why:?}", self.machines[machine].name));
                self.enqueue(machine, Job::SelfFence(told));
            }
            Output::Give(asked) => {
                let to = self.links.get(&link).and_then(|it| it.sides[side].peer);
                if let Some(to) = to {
                    self.enqueue(machine, Job::Give { link, side, to, asked });
                }
            }
            Output::WaitUntil(at) => {
                let at = self.machines[machine].at_boot(at);
                self.wake_at(link, side, at);
            }
            Output::Close(closing) => {
                self.say(&format!("link {link} closed by {}: {closing:?}", self.machines[machine].name));
                if is_hub {
                    self.come_back(machine, closing);
                }
                self.close(link, side);
            }
            _ => {}
        }
    }

    fn read_carts(&mut self, link: u64, side: usize, machine: usize, after: u64) {
        let Some(running) = &self.machines[machine].running else {
            return;
        };
        let read = running.reads.with::<_, Stop>(|conn| Ok(shared_cart::offer(conn, after)?));
        if let Ok(carts) = read {
            let wait = self.luck.below(4);
            self.later(wait, Due::Disk { link, side, input: Box::new(Input::CartsRead(carts)) });
        }
    }

    fn read_catalog(
        &mut self,
        link: u64,
        side: usize,
        machine: usize,
        (after, max): (CatalogVersion, usize),
    ) {
        let Some(running) = &self.machines[machine].running else {
            return;
        };
        let read = running.reads.with::<_, Stop>(|conn| Ok(catalog::sealed_after(conn, after, max)?));
        if let Ok(entries) = read {
            let wait = self.luck.below(4);
            self.later(wait, Due::Disk { link, side, input: Box::new(Input::CatalogRead(entries)) });
        }
    }

    /// The hub is heard of: a lease is asked for where it is time.
    fn ask_for_lease(&mut self, link: u64, side: usize, machine: usize) {
        let boot = self.machines[machine].boot(self.now);
        let Some(it) = self.links.get_mut(&link).filter(|it| !it.is_lan()) else { return };
        if boot >= it.sides[side].lease_at {
            it.sides[side].lease_at = boot + LEASE_ASKED_AGAIN_MS;
            self.enqueue(machine, Job::AskLease { link, side });
        }
    }

    /// A fenced memory writes no more and a new one begins; a new one asks to be taken in.
    fn come_back(&mut self, machine: usize, closing: Closing) {
        let life = self.machines[machine].life;
        match closing {
            Closing::PeerRefused(Refusal::Unknown) => {
                let after = self.between(20, 200);
                self.later(after, Due::Rejoin { machine, life });
            }
            Closing::PeerRefused(Refusal::Fenced) => {
                if let Some(running) = &self.machines[machine].running {
                    let told = running.node.mark().incarnation;
                    self.enqueue(machine, Job::BeginAgain(told));
                }
            }
            _ => {}
        }
    }

    pub(super) fn rejoin(&mut self, machine: usize, life: u32) {
        let it = &self.machines[machine];
        let reached = self.hub.hub.is_some() && !self.cut.contains(&(machine, None));
        let Some(running) = it.running.as_ref().filter(|_| it.life == life && reached) else {
            return;
        };
        let found = running.reads.with::<_, Stop>(|conn| Ok(rejoin::forgotten(conn)?));
        let Ok(Some((hub, forgotten))) = found else { return };
        let earlier = running.reads.with::<_, Stop>(|conn| Ok(rejoin::earlier(conn)?)).unwrap_or_default();
        let incarnation = running.node.mark().incarnation;
        let device = running.node.device();
        let returning = Returning {
            incarnation,
            forgotten,
            earlier,
            device_key: device.public(),
            proof: device.sign_rejoin((&incarnation, &forgotten), &hub.incarnation),
            program: "tradepost-node simulated".to_owned(),
        };
        let (name, now) = (it.name.clone(), self.now);
        let done = self.with_hub(|hub| hub_rejoin::rejoin(hub, &returning, now));
        let said = done.map_err(|fault| fault.to_string());
        self.say(&format!("{name} asks to be taken in as {incarnation}: {said:?}"));
        let takes_in = !self.recovers();
        if said.is_err() && self.machines[machine].lost && self.jobs[machine].is_empty() && takes_in {
            // A person who knows why it was fenced carries a new code to it.
            self.enrol(machine);
            self.say(&format!("{name} is enrolled with a new code"));
        }
        self.spread_news();
    }

    fn act_as_hub(&mut self, link: u64, output: Output) {
        let work = match output {
            Output::Send(message) => return self.send(link, 1, to_frame(&message)),
            Output::WaitUntil(at) => return self.wake_at(link, 1, at.min(self.now + HUB_TICK_MS)),
            Output::Close(closing) => {
                self.say(&format!("link {link} closed by the hub: {closing:?}"));
                return self.close(link, 1);
            }
            Output::Identify(hello) => HubWork::Identify(Box::new(hello)),
            Output::Met(hello) => HubWork::Met(Box::new(hello)),
            Output::Read { incarnation, from, events_max, bytes_max, raw_to } => {
                HubWork::Read(tradepost_central::app::batches::Wanted {
                    incarnation,
                    from,
                    events_max,
                    bytes_max,
                    raw_to,
                })
            }
            Output::Apply(batch) => HubWork::Apply(Box::new(batch)),
            Output::ReadCatalog { after, max } => HubWork::ReadCatalog(after, max),
            Output::CatalogAcked(has) => HubWork::CatalogAcked(has),
            Output::Barrier(word) => HubWork::Hear(word),
            Output::GiveLease(ask) => HubWork::GiveLease(ask),
            Output::SelfFence { why, told } => return self.hub_is_told(link, told, &format!("{why:?}")),
            _ => return,
        };
        let after = self.between(1, 12);
        self.later(after, Due::Hub { link, work });
    }

    fn send(&mut self, link: u64, side: usize, frame: Frame) {
        let (lan, to) = (self.links.get(&link).is_some_and(Link::is_lan), 1 - side);
        let after = if lan { self.between(1, 5) } else { self.between(2, 40) };
        let machine = self.links.get(&link).and_then(|it| it.sides[0].who);
        let slow = machine.and_then(|it| self.slow.get(&it)).filter(|_| !lan).copied().unwrap_or(0);
        let mute = self.links.get(&link).is_some_and(|it| {
            let (caller, called) = it.ends();
            caller.is_some_and(|caller| self.mute.contains(&(caller, called, side)))
        });
        let Some(it) = self.links.get_mut(&link) else {
            return;
        };
        if mute {
            return it.sides[side].unheard.push(frame);
        }
        let at = (self.now + i64::try_from(after + slow).unwrap_or(0)).max(it.sides[to].arrived);
        it.sides[to].arrived = at;
        self.at(at, Due::Frame { link, to, frame: Box::new(frame) });
    }

    pub(super) fn frame(&mut self, link: u64, to: usize, frame: Frame) {
        if self.links.get(&link).is_none_or(|it| it.sides[to].closed) {
            return;
        }
        match from_frame(frame) {
            Ok(message) => self.give(link, to, Input::Message(message)),
            Err(error) => self.oracle.blame(format!("a frame of our own makes no sense: {error}")),
        }
    }

    fn read(&mut self, link: u64, side: usize, machine: usize, asked: Asked) {
        let Some(running) = &self.machines[machine].running else {
            return;
        };
        let read = running.reads.with::<_, Stop>(|conn| Ok(stretch::read(conn, &asked)?));
        match read {
            Ok(batch) => {
                if let Some(batch) = &batch {
                    self.remember(machine, batch);
                }
                let after = self.luck.below(4);
                self.later(after, Due::Disk { link, side, input: Box::new(Input::Read(batch)) });
            }
            Err(stop) => self.oracle.blame(format!("{} can't read: {stop:?}", self.machines[machine].name)),
        }
    }

    /// Batches may come again, from whoever kept them.
    pub(super) fn remember(&mut self, machine: usize, batch: &tradepost_sync::session::Batch) {
        let store = self.machines[machine].store;
        if self.seen.len() < 64 {
            self.seen.push((store, batch.clone()));
        } else {
            let at = usize::try_from(self.luck.below(64)).unwrap_or(0);
            self.seen[at] = (store, batch.clone());
        }
    }

    pub(super) fn wake_at(&mut self, link: u64, side: usize, at: i64) {
        let at = at.clamp(self.now, self.now + TICK_MS_MAX);
        let Some(it) = self.links.get_mut(&link) else {
            return;
        };
        it.sides[side].turn += 1;
        let turn = it.sides[side].turn;
        self.at(at, Due::Tick { link, side, turn });
    }

    pub(super) fn tick(&mut self, link: u64, side: usize, turn: u64) {
        let Some(it) = self.links.get(&link).map(|it| &it.sides[side]) else {
            return;
        };
        if it.closed || it.turn != turn {
            return;
        }
        let (is_hub, known) = (it.who.is_none(), it.store.is_some());
        let tau = (is_hub && known).then(|| self.tau());
        self.give(link, side, Input::Tick { tau });
        // A pump that heard no time of its own to wake at rings every second.
        let same = self.links.get(&link).is_some_and(|it| it.sides[side].turn == turn);
        if is_hub && known && turn.is_multiple_of(4) {
            self.later(1, Due::Hub { link, work: HubWork::AskAgain });
        }
        if same {
            self.wake_at(link, side, self.now + HUB_TICK_MS);
        }
    }

    fn close(&mut self, link: u64, side: usize) {
        let Some(it) = self.links.get_mut(&link) else {
            return;
        };
        it.sides[side].closed = true;
        let at = it.sides[1 - side].arrived.max(self.now) + 1;
        self.at(at, Due::Gone { link });
    }

    /// A link is gone, with everything that was on its way.
    pub(super) fn drop_link(&mut self, link: u64) {
        let Some(it) = self.links.remove(&link) else {
            return;
        };
        let (caller, called) = it.ends();
        if let Some(machine) = caller.filter(|_| !self.planted(Plant::RetryOnNextSale)) {
            self.dial_later(machine, called);
        }
    }

    /// Every link of a machine, to the hub or to neighbours, is cut.
    pub(super) fn drop_links_of(&mut self, machine: Option<usize>) {
        let of = |link: &Link| link.ends().0 == machine || link.ends().1 == machine;
        let links: Vec<u64> = self.links.iter().filter(|(_, link)| of(link)).map(|(no, _)| *no).collect();
        links.into_iter().for_each(|link| self.drop_link(link));
    }

    /// A machine's log has grown: its sessions are told, and neighbours that the roster lets in no longer are left.
    pub(super) fn tell_sessions(&mut self, machine: usize) {
        let Some(running) = &self.machines[machine].running else {
            return;
        };
        let (mark, others) = (running.node.mark(), running.node.others().clone());
        let catalog = running.node.rulebook().catalog;
        let heads: Vec<_> = others.values().copied().chain([mark]).collect();
        let mut told = Vec::new();
        for (no, link) in &self.links {
            for side in 0..2 {
                if link.sides[side].who == Some(machine) && !link.sides[side].closed {
                    told.push((*no, side, link.is_lan()));
                }
            }
        }
        for (link, side, lan) in told {
            if lan && !self.still_admitted(machine, link, side, &others) {
                self.drop_link(link);
                continue;
            }
            self.give(link, side, Input::Local { heads: heads.clone(), catalog });
        }
    }

    /// Nothing comes from one side of a way any more; what is said there is not lost while the link stands.
    pub(super) fn unmute(&mut self, machine: usize, neighbour: Option<usize>, side: usize) {
        if !self.mute.remove(&(machine, neighbour, side)) {
            return;
        }
        let ends = (Some(machine), neighbour);
        let link = self.links.iter_mut().find(|(_, link)| link.ends() == ends);
        let Some((no, it)) = link else { return };
        let (no, unheard) = (*no, std::mem::take(&mut it.sides[side].unheard));
        unheard.into_iter().for_each(|frame| self.send(no, side, frame));
    }

    /// Whether nothing comes from a machine on a link.
    pub(super) fn muted(&self, machine: usize, link: &Link) -> bool {
        let (caller, called) = link.ends();
        let side = usize::from(caller != Some(machine));
        caller.is_some_and(|caller| self.mute.contains(&(caller, called, side)))
    }

    fn still_admitted(
        &mut self,
        machine: usize,
        link: u64,
        side: usize,
        others: &tradepost_node::app::node::Others,
    ) -> bool {
        let Some(it) = self.links.get_mut(&link) else {
            return true;
        };
        let it = &mut it.sides[side];
        let roster = it.roster.0.and_then(|hub| others.get(&hub).copied());
        let Some(peer) = it.peer.filter(|_| it.roster.1 != roster) else {
            return true;
        };
        it.roster.1 = roster;
        let Some(running) = &self.machines[machine].running else {
            return true;
        };
        let known = running.reads.with::<_, Stop>(|conn| Ok(incarnations::find(conn, &peer)?));
        matches!(known, Ok(Some(known)) if known.admitted())
    }

    /// Before a sale, what is short at its machine is asked of the neighbour that seems to hold most.
    pub(super) fn cover(&mut self, machine: usize, deed: usize) {
        let lines = match self.oracle.deeds[deed].kind.clone() {
            super::Kind::Sale(lines) => lines,
            super::Kind::Checkout(basket) => self.oracle.baskets[basket].wanted(),
            _ => return,
        };
        for (sku, pieces) in lines {
            let wants = [(tradepost_commerce::document::Sku(self.items[sku].sku.clone()), pieces)].into();
            let Some(running) = &self.machines[machine].running else {
                return;
            };
            let found = running.reads.with(|conn| {
                let Some(short) = acquire::shorts(conn, &wants)?.pop() else {
                    return Ok(None);
                };
                let donor = acquire::donors(conn, &short.sku)?.into_iter().next();
                Ok::<_, tradepost_node::db::Fault>(donor.map(|donor| (short, donor)))
            });
            let Ok(Some((short, donor))) = found else { continue };
            let at_least = donor.given + short.units.min(donor.rights);
            self.ask_neighbour(machine, &donor.incarnation, short.sku, at_least);
        }
    }

    fn ask_neighbour(
        &mut self,
        machine: usize,
        donor: &Incarnation,
        sku: tradepost_commerce::document::Sku,
        at_least: u64,
    ) {
        let way = self.links.iter_mut().find_map(|(no, link)| {
            let side = link.sides.iter().position(|s| s.who == Some(machine) && s.peer == Some(*donor))?;
            link.sides[side].asks += 1;
            Some((*no, side, link.sides[side].asks))
        });
        if let Some((link, side, ask)) = way {
            self.say(&format!("{} asks for {} of {}", self.machines[machine].name, at_least, sku.0));
            self.give(link, side, Input::Acquire(Acquire { ask, sku, at_least }));
        }
    }
}

fn new_side(who: Option<usize>, local: Local, roster: Option<Incarnation>, now: i64) -> Side {
    Side {
        who,
        session: Session::new(local),
        closed: false,
        arrived: now,
        turn: 0,
        peer: None,
        store: None,
        own: None,
        shelf: ShelfMemory::default(),
        roster: (roster, None),
        asks: 0,
        lease_at: 0,
        present: None,
        unheard: Vec::new(),
    }
}
