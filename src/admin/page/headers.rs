//! What a browser is told about the page beside its content: load nothing from elsewhere, run nothing
//! that stands in the page, be framed by nobody, tell nobody the address, keep nothing.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

use crate::admin::sign_in::SignInInfo;

/// <https://fetch.spec.whatwg.org/#cross-origin-resource-policy-header>
pub(super) const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// <https://html.spec.whatwg.org/multipage/browsers.html#the-coop-headers>
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");

/// Adds the fields. `same-origin` for the referrer: with `no-referrer` the browser would send our own
/// forms with `Origin: null`, which the guard refuses.
pub(super) fn guard(fields: &mut HeaderMap, sign_in: &SignInInfo) {
    let policy = HeaderValue::try_from(policy(sign_in));
    let strictest = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    fields.insert(CONTENT_SECURITY_POLICY, policy.unwrap_or(strictest));
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
}

/// Chromium holds redirects against `form-action` too, so it names the stations of a sign-in.
fn policy(sign_in: &SignInInfo) -> String {
    let stations = [&sign_in.authorization_origin, &sign_in.callback_origin];
    let mut policy = POLICY.to_owned();
    for origin in stations.into_iter().flatten() {
        policy.push(' ');
        policy.push_str(origin);
    }
    policy
}

/// CSP Level 3, <https://www.w3.org/TR/CSP3/>. `form-action` is the last one, to be continued.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::sign_in::Way;

    #[test]
    fn forms_lead_home_and_through_a_sign_in_and_nowhere_else() {
        let mut sign_in = SignInInfo {
            way: Way::None,
            authorization_origin: None,
            callback_origin: None,
            trouble: None,
        };
        assert!(policy(&sign_in).ends_with("; form-action 'self'"));
        sign_in.authorization_origin = Some("https://id.example".into());
        sign_in.callback_origin = Some("http://127.0.0.1:9181".into());
        let end = "; form-action 'self' https://id.example http://127.0.0.1:9181";
        assert!(policy(&sign_in).ends_with(end));
    }

    #[test]
    fn nothing_inline_is_allowed() {
        assert!(!POLICY.contains("unsafe") && !POLICY.contains('*'));
    }
}
