//! A token must not come back: a field of a response that has the request's own token in it is dropped.
//!
//! An upstream in debug mode may repeat what it got, and the caller would learn what it is never to
//! know. Content is the caller's affair and passes unread; who can make the upstream print its input
//! there is beyond the reach of a proxy.

use std::cell::Cell;
use std::time::Duration;

use http::HeaderMap;

use crate::clock::{self, Moment};
use crate::telemetry::Counters;
use crate::token::current::Bearer;

/// Looks out for tokens that come back, and tells the operator: always in a counter, and now and then
/// in the log.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    told: Cell<Option<Moment>>,
}

impl Lookout {
    /// Drops the fields in which the token is repeated. A field that is shorter than the token, as
    /// nearly all are, costs one comparison.
    pub(super) fn clean(&self, fields: &mut HeaderMap, token: &Bearer, counters: &Counters) {
        while let Some(name) = echo(fields, token) {
            fields.remove(&name);
            counters.echoed();
            self.tell(&name, token);
        }
    }

    fn tell(&self, name: &http::HeaderName, token: &Bearer) {
        let now = clock::now();
        if self.told.get().is_none_or(|told| now.since(told) >= PAUSE) {
            self.told.set(Some(now));
            let shown = if token.is_in_name(name.as_str()) { "(its name)" } else { name.as_str() };
            tracing::warn!(
                field = %shown,
                "the upstream repeated the token in a field of its response, which was removed"
            );
        }
    }
}

/// Least time between two warnings of one core.
const PAUSE: Duration = Duration::from_secs(60);

fn echo(fields: &HeaderMap, token: &Bearer) -> Option<http::HeaderName> {
    let repeats = |name: &http::HeaderName, value: &http::HeaderValue| {
        token.is_in(value.as_bytes()) || token.is_in_name(name.as_str())
    };
    let (name, _) = fields.iter().find(|(name, value)| repeats(name, value))?;
    Some(name.clone())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::telemetry::Meter;
    use crate::token::bearer::AccessToken;
    use crate::token::current::Generation;

    #[test]
    fn every_field_with_the_token_goes_and_is_counted() {
        let meter = Meter::default();
        let token = Bearer::new(Generation(1), &AccessToken::new("canary".into()).unwrap());
        let mut fields = HeaderMap::new();
        for (name, value) in [
            ("x-debug", "Authorization: Bearer canary"),
            ("x-many", "harmless"),
            ("x-many", "canary"),
            ("location", "/login?token=canary"),
            ("link", "</a?b=can%61ry>"),
            ("x-canary", "1"),
            ("x-other", "canar"),
        ] {
            fields.append(name, HeaderValue::from_static(value));
        }
        Lookout::default().clean(&mut fields, &token, &meter.core());
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["x-other"]);
        assert_eq!(meter.totals().echoes, 5);
    }
}
