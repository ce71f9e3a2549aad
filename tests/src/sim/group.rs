//! A machine's group: what waits is decided and written, made durable with one commit, and only then answered.

use super::basket::Step;
use super::counting::Counting;
use super::hub_work::short;
use super::machine::{Cut, put_sidecar, torn};
use super::oracle::{Kind, Receipt, State};
use super::plant::Plant;
use super::work::{failed, run_job};
use super::world::{Due, Job, Link, World};
use tradepost_node::app::{Node, Stop, pack};
use tradepost_node::db::Fault;
use tradepost_sync::session::Input;

/// A session with the hub that has stood so long has brought its lease, and the hub's word about this start.
const LEASED_MS: i64 = 20_000;

/// The last events of a stream that aren't packed.
const OPEN_EVENTS: u64 = 16;

/// What came of a job, to be told once it is durable.
pub(super) enum Done {
    /// To whoever asked.
    Deed(usize, Result<Receipt, String>),
    /// To a side of a link.
    Input(u64, usize, Box<Input>),
    /// To whoever has a cart: the name of the line that was scanned.
    Basket(usize, Step, Result<Option<String>, String>),
    /// To whoever counts.
    Count(Counting, Result<Receipt, String>),
    /// To the trace.
    Said(String),
    /// A link can't go on.
    Broken(u64),
    /// Nobody waits.
    Nothing,
}

/// Beside the selling, old events are packed: here with nearly every group, for a day is short.
fn pack_old(node: &mut Node) -> Result<(), Fault> {
    match pack::advance(node, OPEN_EVENTS) {
        Err(Stop::Fault(fault)) => Err(fault),
        Ok(_) | Err(Stop::No(_)) => Ok(()),
    }
}

impl World {
    pub(super) fn group(&mut self, machine: usize, life: u32) {
        if self.machines[machine].life != life || self.machines[machine].running.is_none() {
            return;
        }
        let mut jobs = self.next_group(machine);
        for job in &mut jobs {
            if let Job::Count(counting) = job {
                self.look_at_shelf(counting);
            }
        }
        let requests: Vec<_> = jobs.iter().map(|job| self.request_of(job)).collect();
        let cut = self.machines[machine].cut.take();
        let (wall, boot) = (self.machines[machine].wall(self.now), self.machines[machine].boot(self.now));
        let plant = self.plant;
        let Some(running) = self.machines[machine].running.as_mut() else {
            return;
        };
        let mut result = running.node.begin();
        let mut done = Vec::with_capacity(jobs.len());
        for (job, request) in jobs.iter().zip(requests) {
            if result.is_err() {
                done.push(failed(job));
                continue;
            }
            let now = running.node.now(wall, boot);
            match run_job(running, now, job, request, plant) {
                Ok(it) => done.push(it),
                Err(fault) => {
                    result = Err(fault);
                    done.push(failed(job));
                }
            }
        }
        let packed = result.and_then(|()| pack_old(&mut running.node));
        self.finish(machine, &jobs, done, packed, cut);
    }

    /// What waits, up to what must be alone.
    fn next_group(&mut self, machine: usize) -> Vec<Job> {
        let waiting = std::mem::take(&mut self.jobs[machine]);
        let alone = |job: &Job| matches!(job, Job::SelfFence(_) | Job::BeginAgain(_));
        let end = match waiting.iter().position(alone) {
            Some(0) => 1,
            Some(at) => at,
            None => waiting.len(),
        };
        let (group, rest) = waiting.split_at(end);
        self.jobs[machine] = rest.to_vec();
        if !rest.is_empty() {
            let life = self.machines[machine].life;
            self.later(0, Due::Group { machine, life });
        }
        group.to_vec()
    }

    fn finish(
        &mut self,
        machine: usize,
        jobs: &[Job],
        done: Vec<Done>,
        result: Result<(), Fault>,
        cut: Option<Cut>,
    ) {
        let early = self.planted(Plant::AckBeforeCommit) && result.is_ok();
        if early {
            self.answer_deeds(&done);
        }
        if result.is_ok()
            && let Some(cut) = cut
        {
            return self.lose_in_commit(machine, jobs, cut);
        }
        let committed = match result {
            Ok(()) => self.machines[machine].running.as_mut().map_or(Ok(false), |r| r.node.commit()),
            Err(fault) => Err(fault),
        };
        match committed {
            Ok(wrote) => self.committed(machine, done, wrote),
            Err(Fault::Full) => self.gave_up(machine, jobs),
            Err(Fault::Fatal(why)) => {
                let name = self.machines[machine].name.clone();
                self.oracle.blame(format!("{name} ends: {why}"));
            }
        }
    }

    fn committed(&mut self, machine: usize, done: Vec<Done>, wrote: bool) {
        if wrote && let Some(running) = &self.machines[machine].running {
            let mark = running.node.mark();
            let (id, hash) = (mark.incarnation.to_string(), mark.hash.to_string());
            let name = &self.machines[machine].name;
            let line = format!("{name} commits {} {} {}", short(&id), mark.seq, short(&hash));
            if let Err(fault) = running.node.rest() {
                self.oracle.blame(format!("no checkpoint: {fault}"));
            }
            self.say(&line);
        }
        let sold = done.iter().any(|it| matches!(it, Done::Deed(_, Ok(receipt)) if receipt.number.is_some()));
        self.answer_deeds(&done);
        for it in done {
            match it {
                Done::Input(link, side, input) => self.give(link, side, *input),
                Done::Broken(link) => self.drop_link(link),
                Done::Said(line) => self.say(&line),
                Done::Count(counting, Ok(told)) => self.counted(&counting, &told),
                Done::Count(counting, Err(why)) => self.count_failed(&counting, &why),
                Done::Basket(basket, step, answer) => self.step_is_answered(basket, step, answer),
                Done::Deed(..) | Done::Nothing => {}
            }
        }
        let cuts = self.machines[machine].running.as_ref().map_or(0, |running| running.node.cuts());
        if std::mem::replace(&mut self.machines[machine].cuts, cuts) != cuts {
            // Ends of streams have gone back: its sessions begin again.
            self.drop_links_of(Some(machine));
        }
        if wrote {
            self.tell_sessions(machine);
        }
        if sold && self.planted(Plant::RetryOnNextSale) {
            self.dial_all(machine);
        }
    }

    fn answer_deeds(&mut self, done: &[Done]) {
        for it in done {
            let Done::Deed(deed, answer) = it else { continue };
            match answer {
                Ok(receipt) => {
                    self.say(&format!("deed {deed} done: {:?} {}", receipt.number, receipt.total));
                    let first = self.oracle.deeds[*deed].state == State::Open;
                    if let (true, Kind::CallOff(order)) = (first, self.oracle.deeds[*deed].kind.clone()) {
                        self.tamper_called_off(self.oracle.deeds[*deed].machine, order);
                    }
                    self.note_free_to_mint(*deed, receipt);
                    self.oracle.answered(*deed, receipt.clone());
                    if self.once_in(20) && receipt.number.is_some() {
                        let after = self.between(100, 60_000);
                        self.later(after, Due::Ask { deed: *deed });
                    }
                }
                Err(code) => {
                    self.say(&format!("deed {deed} refused: {code}"));
                    if !self.asks_elsewhere(*deed, code) {
                        self.oracle.refused(*deed);
                    }
                }
            }
        }
    }

    /// What came was written down just now, at a machine that was plainly free to mint: its lease is fresh, the hub has
    /// heard of this start, and nobody touched its clock.
    fn note_free_to_mint(&mut self, deed: usize, receipt: &Receipt) {
        let it = &self.oracle.deeds[deed];
        let came = matches!(it.kind, Kind::Delivery(..) | Kind::TakeIn(_) | Kind::Refund { .. });
        let machine = &self.machines[it.machine];
        let leased = |link: &Link| {
            let fresh = link.sides[0].lease_at > machine.boot(self.now) + LEASED_MS;
            fresh && link.since + LEASED_MS < self.now && link.ends() == (Some(it.machine), None)
        };
        let just_now = it.state == State::Open && it.tries == 1;
        if came && just_now && !machine.clock_touched && self.links.values().any(leased) {
            self.oracle.free_to_mint.insert((receipt.author, receipt.seq));
        }
    }

    /// A full disk: nothing of the group happened. Who asked hears of it and asks again; sessions end.
    fn gave_up(&mut self, machine: usize, jobs: &[Job]) {
        let name = self.machines[machine].name.clone();
        self.say(&format!("{name} finds its disk full"));
        let given_up = self.machines[machine].running.as_mut().map_or(Ok(()), |r| r.node.give_up());
        if let Err(fault) = given_up {
            return self.oracle.blame(format!("{name} ends: {fault}"));
        }
        for job in jobs {
            match failed(job) {
                Done::Broken(link) => self.drop_link(link),
                Done::Count(counting, _) => self.count_failed(&counting, "the disk is full"),
                _ => {}
            }
        }
        // A fence that could not be written comes again with the next conversation.
        self.drop_links_of(Some(machine));
    }

    /// The machine is lost at a point of the commit.
    fn lose_in_commit(&mut self, machine: usize, jobs: &[Job], cut: Cut) {
        let it = &mut self.machines[machine];
        let before = it.sidecar();
        let committed = match (cut, it.running.as_mut()) {
            (Cut::BeforeCommit, _) | (_, None) => Ok(false),
            (_, Some(running)) => running.node.commit(),
        };
        let wrote = match committed {
            Ok(wrote) => wrote,
            Err(Fault::Full) => return self.gave_up(machine, jobs),
            Err(Fault::Fatal(why)) => return self.oracle.blame(format!("a node ends: {why}")),
        };
        let picture = it.picture().and_then(|picture| {
            let after = it.sidecar();
            match cut {
                Cut::BeforeSidecar if wrote => put_sidecar(&picture, &before)?,
                Cut::TornSidecar if wrote && before != after => {
                    put_sidecar(&picture, &torn(&before, &after))?;
                }
                _ => {}
            }
            Ok(picture)
        });
        match picture {
            Ok(picture) => self.down(machine, Some(picture), &format!("{cut:?}")),
            Err(error) => self.oracle.blame(format!("no picture of a disk: {error}")),
        }
    }
}
