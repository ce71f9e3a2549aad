//! Clocks as values: the hybrid logical clock and hub time (`model.md` §1).

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970 UTC.
pub type UtcMs = i64;

/// How far ahead of the local wall a remote HLC may be before it is stored but not adopted.
pub const HLC_AHEAD_MS_MAX: u64 = 10 * 60 * 1000;

/// A hybrid logical clock reading: 48 bits of milliseconds, 16 bits of counter. It orders edits and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The reading for a local event at wall time `wall`; strictly after `self`. A full counter carries into the
    /// milliseconds.
    pub fn tick(self, wall: UtcMs) -> Self {
        let now = Self::at(wall);
        if now > self { now } else { Self(self.0.saturating_add(1)) }
    }

    /// The clock after hearing a remote reading: adopted unless it is more than ten minutes ahead of `wall`.
    pub fn observe(self, remote: Self, wall: UtcMs) -> Self {
        let limit = Self::at(wall).ms().saturating_add(HLC_AHEAD_MS_MAX);
        if remote > self && remote.ms() <= limit { remote } else { self }
    }

    /// The wall part in milliseconds.
    pub fn ms(self) -> u64 {
        self.0 >> 16
    }

    fn at(wall: UtcMs) -> Self {
        let ms = u64::try_from(wall).unwrap_or(0).min((1 << 48) - 1);
        Self(ms << 16)
    }
}

/// Hub time: the hub database's clock. Readings of different epochs don't compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tau {
    /// New after a restore, a failover or a step of over a second.
    pub epoch: u32,
    /// Milliseconds.
    pub ms: UtcMs,
    /// How long before the hub last told it, in whole [`TAU_AGE_MS`]: a count's margin grows with it
    /// (`model.md` §4). 0 at the hub itself.
    pub age: u16,
}

/// The unit of [`Tau::age`]: ten minutes, over which two clocks part by 300 ms.
pub const TAU_AGE_MS: i64 = 10 * 60 * 1000;

impl Tau {
    /// Hub time as the hub tells it.
    pub fn told(epoch: u32, ms: UtcMs) -> Self {
        Self { epoch, ms, age: 0 }
    }

    /// Hub time `ms` of running time after `self` was told.
    #[must_use]
    pub fn later(self, ms: i64) -> Self {
        let age =
            u16::try_from((ms.max(0) / TAU_AGE_MS).saturating_add(i64::from(self.age))).unwrap_or(u16::MAX);
        Self { epoch: self.epoch, ms: self.ms.saturating_add(ms), age }
    }

    /// Whether `self` is before `other`; `None` where they don't compare.
    pub fn before(self, other: Self) -> Option<bool> {
        (self.epoch == other.epoch).then_some(self.ms < other.ms)
    }

    /// Whether a promise that was to end here has run out at `now`. Of a former epoch, before the hub's database was put
    /// back, the milliseconds are all there is: they may put off or hasten its end, and whether it ends once is custody's
    /// alone (`model.md` §5: clock skew changes when, never whether both). A later epoch than `now`'s is nobody's past.
    pub fn has_run_out(self, now: Self) -> bool {
        self.epoch <= now.epoch && self.ms < now.ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back_when_the_wall_does() {
        let a = Hlc::default().tick(1_000_000);
        let b = a.tick(5);
        assert!(b > a);
        assert_eq!(b.ms(), a.ms());
    }

    #[test]
    fn a_full_counter_carries_into_the_milliseconds() {
        let full = Hlc((1_000 << 16) | 0xffff);
        assert_eq!(full.tick(1_000).ms(), 1_001);
    }

    #[test]
    fn a_clock_from_the_far_future_is_not_adopted() {
        let here = Hlc::default().tick(1_000_000);
        let near = Hlc((1_000_000 + HLC_AHEAD_MS_MAX) << 16);
        let far = Hlc((1_000_001 + HLC_AHEAD_MS_MAX) << 16);
        assert_eq!(here.observe(near, 1_000_000), near);
        assert_eq!(here.observe(far, 1_000_000), here);
    }

    #[test]
    fn hub_times_of_two_epochs_do_not_compare() {
        assert_eq!(Tau::told(1, 5).before(Tau::told(2, 9)), None);
        assert_eq!(Tau::told(1, 5).before(Tau::told(1, 9)), Some(true));
    }

    #[test]
    fn hub_time_knows_how_long_ago_it_was_told() {
        let told = Tau::told(1, 1_000);
        assert_eq!(told.later(TAU_AGE_MS - 1), Tau { epoch: 1, ms: 1_000 + TAU_AGE_MS - 1, age: 0 });
        assert_eq!(told.later(3 * TAU_AGE_MS), Tau { epoch: 1, ms: 1_000 + 3 * TAU_AGE_MS, age: 3 });
        assert_eq!(told.later(i64::MAX).age, u16::MAX);
        assert_eq!(told.later(-5), Tau { epoch: 1, ms: 995, age: 0 });
    }
}
