//! Does the scope of the token cover the request? What the upstream would refuse anyway is refused here,
//! and spares the rate limit.

use http::Method;
use http::request::Parts;

use super::ScopeCheck;
use crate::answer::{Answer, Code};
use crate::clock;
use crate::guard::asks_for_another_method;
use crate::scope::Right;
use crate::telemetry::refusals;
use crate::token::current::Bearer;

/// Spares a request that the upstream would refuse anyway, and the rate limit with it.
pub(super) fn cover(check: ScopeCheck, head: &Parts, bearer: &Bearer) -> Result<(), Answer> {
    let method = &head.method;
    let rights = match check {
        ScopeCheck::Token => bearer.rights(),
        ScopeCheck::Operator(rights) => rights,
        ScopeCheck::Off => return Ok(()),
    };
    // Laravel takes a POST with `_method` in its query for another method.
    let needed = match head.uri.query() {
        Some(query) if *method == Method::POST && asks_for_another_method(query) => {
            Some(Right::Admin)
        }
        _ => Right::needed_for(method),
    };
    match needed {
        Some(right) if !rights.include(right) => {
            let right = right.as_str();
            let message = format!("{method} takes the scope {right}, which the token lacks.");
            let (code, now) = (Code::Scope.as_str(), clock::now().boot());
            refusals::log(code, &message, Some(&head.headers), now);
            Err(Answer::new(Code::Scope).message(message).hint(format!(
                "Get a token with the scope {right}; or, if the API grants this without it, \
                     set guard.check_scope = false."
            )))
        }
        _ => Ok(()),
    }
}
