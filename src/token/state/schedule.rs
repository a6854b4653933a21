//! When: the refresh that is due, the wait after a failure, the breaker for 401s.

use std::time::Duration;

use crate::clock::{Deadline, Moment};

use super::super::Refresh;
use super::super::grant::Grant;

/// A life that nobody told (RFC 6749 §5.1 only recommends `expires_in`): short enough that a token is
/// not used for long past its unknown end, long enough to be no burden.
const ASSUMED_LIFE: Duration = Duration::from_secs(3600);

/// Least time between a token and its planned replacement, whatever its server says of its life.
const SHORTEST_LIFE: Duration = Duration::from_millis(100);

/// The same for one that lives for less than a second, as no server means it: a storm would help nobody.
const PAUSE: Duration = Duration::from_secs(10);

/// Spread of the refresh around its share of the life, so that replicas do not refresh together.
const JITTER: f64 = 0.05;

/// First and longest wait after a failure, and their spread.
const BACK_OFF: (Duration, Duration, f64) =
    (Duration::from_secs(1), Duration::from_secs(300), 0.25);

/// Longest wait after a failure of the store: disks are repaired by people who watch.
const STORE_BACK_OFF: Duration = Duration::from_secs(15);

/// Longest pause that the breaker makes between exchanges caused by 401s.
const BREAKER_LIMIT: Duration = Duration::from_secs(3600);

/// Randomness that a test can fix.
#[derive(Clone, Debug)]
pub struct Dice(fastrand::Rng);

impl Dice {
    /// Dice that fall the same way for the same number.
    pub fn new(number: u64) -> Self {
        Self(fastrand::Rng::with_seed(number))
    }

    /// `span` more or less `share` of it.
    fn spread(&mut self, span: Duration, share: f64) -> Duration {
        let factor = 1.0 + share * (2.0 * self.0.f64() - 1.0);
        Duration::try_from_secs_f64(span.as_secs_f64() * factor).unwrap_or(span)
    }
}

/// When the access token is to be replaced: at its share of the life, and no later than at the refresh
/// token's own share, because an idle refresh token ends too. That one counts from its last use: a
/// server that leaves it in place would otherwise be asked without end once it is old.
pub(super) fn due(grant: &Grant, policy: &Refresh, dice: &mut Dice, now: Moment) -> Deadline {
    let access = dice.spread(life(grant).mul_f64(policy.at), JITTER);
    let idle = policy.refresh_token_life.mul_f64(2.0 / 3.0);
    let wait = if grant.refresh.is_some() { access.min(idle) } else { access };
    let due = Deadline::at(later(grant.issued, wait), now);
    let least = if life(grant) < Duration::from_secs(1) { PAUSE } else { SHORTEST_LIFE };
    if due.remaining(now) < least { Deadline::after(now, least) } else { due }
}

/// When the access token ends. `None`: nobody told, so it is never taken away.
pub(super) fn expiry(grant: &Grant, now: Moment) -> Option<Deadline> {
    grant.expires.map(|wall| Deadline::at(wall, now))
}

/// The wait after the given number of failures in a row, counted from 1: it doubles.
pub(super) fn back_off(failures: u32, dice: &mut Dice) -> Duration {
    let (first, longest, share) = BACK_OFF;
    dice.spread(doubled(first, failures.saturating_sub(1), longest), share)
}

/// The wait after failures of the store.
pub(super) fn store_back_off(failures: u32) -> Duration {
    doubled(BACK_OFF.0, failures.saturating_sub(1), STORE_BACK_OFF)
}

/// Keeps a permanent 401 from turning into endless exchanges.
#[derive(Clone, Debug, Default)]
pub(super) struct Breaker {
    /// The last exchange that a 401 caused.
    last: Option<Moment>,
    /// How many fresh tokens in a row were refused at once.
    refused: u32,
    /// How long tokens were seen to live, where nobody tells.
    learned: Option<Learned>,
}

/// A life that was observed: from the first use of a token that worked to its end, which the upstream
/// confirmed.
#[derive(Clone, Copy, Debug)]
struct Learned {
    life: Duration,
    /// How many more exchanges are let through on this evidence before the upstream is asked anew.
    uses: u32,
}

/// How many exchanges are let through on one confirmed end. Afterwards a path that always says 401 is
/// told from tokens that live shortly again.
const USES: u32 = 8;

impl Breaker {
    /// Lets an exchange through if the last one that a 401 caused is long enough ago. A fresh token
    /// that is refused within that time doubles it. For tokens that work and were seen to live shortly
    /// it is half of their life at most.
    pub(super) fn lets_through(
        &mut self,
        policy: &Refresh,
        was_accepted: bool,
        now: Moment,
    ) -> bool {
        if let (Some(last), Some(learned), true) = (self.last, &mut self.learned, was_accepted)
            && learned.uses > 0
            && now.since(last) >= (learned.life / 2).min(policy.unauthorized_interval)
        {
            learned.uses -= 1;
            (self.last, self.refused) = (Some(now), 0);
            return true;
        }
        let longest = BREAKER_LIMIT.max(policy.unauthorized_interval);
        let pause = doubled(policy.unauthorized_interval, self.refused, longest);
        match self.last {
            Some(last) if now.since(last) < pause => return false,
            Some(last) if now.since(last) < pause.saturating_mul(2) => self.refused += 1,
            _ => self.refused = 0,
        }
        self.last = Some(now);
        true
    }

    /// Takes over how long a token lived. Its replacement counts as one that a 401 caused.
    pub(super) fn learn(&mut self, life: Duration, now: Moment) {
        self.learned = Some(Learned { life: life.max(SHORTEST_LIFE), uses: USES });
        (self.last, self.refused) = (Some(now), 0);
    }

    /// Forgets it: the token lives, and a 401 was about something else.
    pub(super) fn unlearn(&mut self) {
        self.learned = None;
    }
}

fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(longest)
}

fn life(grant: &Grant) -> Duration {
    let told = grant.expires.map(|expires| expires.duration_since(grant.issued));
    told.and_then(|told| Duration::try_from(told).ok()).unwrap_or(ASSUMED_LIFE)
}

/// `span` after a wall-clock time, or the last representable time.
pub(super) fn later(wall: jiff::Timestamp, span: Duration) -> jiff::Timestamp {
    Moment::new(wall, Duration::ZERO).plus(span).wall()
}
