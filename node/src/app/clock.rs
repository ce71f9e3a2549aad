//! The clocks of a node (`model.md` §1, Clocks): wall, hub time, and the trading clock that prices go by.
//!
//! Readings come in through the door; nothing here asks the system.

use tradepost_sync::clock::{Tau, UtcMs};

/// How far the wall may stand from hub time before the trading clock holds it.
pub const DRIFT_MS_MAX: i64 = 10 * 60 * 1_000;
/// How long a node may have been off before its wall clock is doubted.
pub const AWAY_MS_MAX: i64 = 30 * 24 * 60 * 60 * 1_000;

/// One reading of all clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The machine's wall clock.
    pub wall: UtcMs,
    /// Milliseconds since some instant of this boot; never steps.
    pub boot: i64,
    /// What prices, promotions and business days go by.
    pub trading: UtcMs,
    /// Hub time, where it was told in this boot.
    pub tau: Option<Tau>,
}

/// What the trading clock remembers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    hub: Option<(Tau, i64)>,
    /// Last trading time known to be good, and the boot reading it counts from.
    last_good: Option<(UtcMs, i64)>,
}

impl Clock {
    /// At a start: the last persisted trading time, if there is one, as of the boot reading `boot`.
    pub fn new(last_good: Option<UtcMs>, boot: i64) -> Self {
        Self { hub: None, last_good: last_good.map(|ms| (ms, boot)) }
    }

    /// The hub said what time it is.
    pub fn hear(&mut self, tau: Tau, boot: i64) {
        self.hub = Some((tau, boot));
    }

    /// A manager looked at the wall clock and says it is right.
    pub fn accept(&mut self, wall: UtcMs, boot: i64) {
        self.last_good = Some((wall, boot));
    }

    /// All clocks at a reading of the machine's.
    pub fn read(&self, wall: UtcMs, boot: i64) -> Now {
        let tau = self.hub.map(|(tau, at)| tau.later(boot - at));
        Now { wall, boot, trading: self.trading(wall, boot, tau), tau }
    }

    /// Whether the wall clock is believed; where not, a person should look.
    pub fn believes(&self, wall: UtcMs) -> bool {
        match (self.hub, self.last_good) {
            (Some(_), _) | (None, None) => true,
            (None, Some((good, _))) => (good - DRIFT_MS_MAX..=good + AWAY_MS_MAX).contains(&wall),
        }
    }

    fn trading(&self, wall: UtcMs, boot: i64, tau: Option<Tau>) -> UtcMs {
        if let Some(tau) = tau {
            return wall.clamp(tau.ms.saturating_sub(DRIFT_MS_MAX), tau.ms.saturating_add(DRIFT_MS_MAX));
        }
        match self.last_good {
            Some((good, at)) if !self.believes(wall) => good.saturating_add(boot - at),
            _ => wall,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60 * 1_000;

    #[test]
    fn the_wall_is_held_near_hub_time() {
        let mut clock = Clock::default();
        clock.hear(Tau::told(1, 1_000_000_000), 500);
        let stories = [
            (1_000_000_000, 1_000_000_000),
            (1_000_000_000 + 400 * DAY, 1_000_000_000 + DRIFT_MS_MAX + 500),
            (1_000_000_000 - 400 * DAY, 1_000_000_000 - DRIFT_MS_MAX + 500),
        ];
        for (wall, trading) in stories {
            assert_eq!(clock.read(wall, 1_000).trading, trading, "{wall}");
        }
        assert_eq!(clock.read(0, 1_500).tau, Some(Tau::told(1, 1_000_001_000)));
    }

    #[test]
    fn a_wall_out_of_reach_is_not_believed_without_a_hub() {
        let clock = Clock::new(Some(100 * DAY), 0);
        let stories = [
            (100 * DAY + 1, 100 * DAY + 1),
            (129 * DAY, 129 * DAY),
            (131 * DAY, 100 * DAY + 7),
            (99 * DAY, 100 * DAY + 7),
        ];
        for (wall, trading) in stories {
            assert_eq!(clock.read(wall, 7).trading, trading, "{wall}");
        }
        let mut clock = clock;
        clock.accept(131 * DAY, 0);
        assert_eq!(clock.read(131 * DAY + 9, 9).trading, 131 * DAY + 9);
    }

    #[test]
    fn a_first_start_believes_the_wall() {
        assert_eq!(Clock::new(None, 0).read(5, 0).trading, 5);
    }
}
