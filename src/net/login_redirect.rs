//! Redirects to a login page, which some APIs send in place of a 401.
//!
//! Laravel answers a token that it does not accept with 401 only if the first type in `Accept` is JSON.
//! curl and most HTTP libraries send `Accept: */*`, and get a 302 to the login page. Without this check
//! a caller sees the redirect although a fresh token would have been accepted.
//!
//! A response that is wrongly taken for a refusal costs an exchange and sends the request twice, so the
//! check is narrow: the status must be one of a temporary redirect, and `Location` must name a login page
//! on the API's own host or on a host of the authorization server. Paths below `/api/` are the API's, so
//! none of them is a login page.

use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::origin::Origin;

/// Where people log in. By default it is not known, and only a 401 refuses a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginPages(Option<Endpoints>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Endpoints {
    authorization: Url,
    token: Option<Url>,
}

impl LoginPages {
    /// The authorization endpoint, and login pages on its host, the token endpoint's and the API's own.
    pub fn new(authorization: Url, token: Option<Url>) -> Self {
        Self(Some(Endpoints { authorization, token }))
    }

    /// Returns true for a response of `api` that refuses the token of its request: a 401, or a redirect
    /// to a login page.
    ///
    /// A 303 says that the request was carried out (RFC 9110 §15.4.4), and a 307 asks for it once more, so only
    /// a 302 refuses a `method` that must not be carried out twice.
    pub fn refuse(
        &self,
        api: &Origin,
        method: &Method,
        status: StatusCode,
        fields: &HeaderMap,
    ) -> bool {
        let is_redirect = match status {
            StatusCode::UNAUTHORIZED => return true,
            StatusCode::FOUND => true,
            StatusCode::SEE_OTHER | StatusCode::TEMPORARY_REDIRECT => method.is_idempotent(),
            _ => false,
        };
        is_redirect && self.0.as_ref().is_some_and(|endpoints| endpoints.are_target(api, fields))
    }
}

impl Endpoints {
    fn are_target(&self, api: &Origin, fields: &HeaderMap) -> bool {
        let (Some(target), Some(api)) = (target(api, fields), Url::parse(&api.to_string()).ok())
        else {
            return false;
        };
        let has_host = |page: &Url| is_same_host(page, &target);
        let is_endpoint =
            has_host(&self.authorization) && self.authorization.path() == target.path();
        is_endpoint
            || is_login(target.path())
                && (has_host(&api)
                    || has_host(&self.authorization)
                    || self.token.as_ref().is_some_and(has_host))
    }
}

/// The target of a redirect. A reference that is relative to the request's path stays next to an
/// endpoint of the API, so it leads to no login page.
fn target(api: &Origin, fields: &HeaderMap) -> Option<Url> {
    let mut locations = fields.get_all(LOCATION).iter();
    let (Some(location), None) = (locations.next(), locations.next()) else { return None };
    let location = location.to_str().ok()?;
    if location.starts_with('/') {
        Url::parse(&api.to_string()).ok()?.join(location).ok()
    } else {
        Url::parse(location).ok()
    }
}

/// Compares host and port. `http` on port 80 counts as `https` on port 443: an application behind a TLS
/// terminator often writes the scheme that it sees. Nothing is sent there, so this discloses nothing.
fn is_same_host(one: &Url, other: &Url) -> bool {
    let is_http = |url: &Url| matches!(url.scheme(), "http" | "https");
    is_http(one) && is_http(other) && one.host() == other.host() && one.port() == other.port()
}

/// Returns true if a segment of the path is a usual name of a login page, with or without a file name
/// extension.
fn is_login(path: &str) -> bool {
    const NAMES: [&str; 6] = ["login", "log-in", "logon", "signin", "sign-in", "sign_in"];
    let named = |segment: &str| {
        let name = segment.split_once('.').map_or(segment, |(name, _)| name);
        NAMES.iter().any(|it| it.eq_ignore_ascii_case(name))
    };
    !path.starts_with("/api/") && path.split('/').any(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::of(&Url::parse(url).unwrap()).unwrap()
    }

    fn refused(status: u16, locations: &[&str]) -> bool {
        let pages = LoginPages::new(
            Url::parse("https://webwork-tracker.com/oauth/authorize").unwrap(),
            Some(Url::parse("https://sso.example:8443/token").unwrap()),
        );
        let mut fields = HeaderMap::new();
        for location in locations {
            fields.append(LOCATION, location.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        pages.refuse(&origin("https://api.webwork-tracker.com"), &Method::GET, status, &fields)
    }

    /// What was carried out must not be carried out again.
    #[test]
    fn only_a_302_refuses_the_token_of_a_post() {
        let pages = LoginPages::new(
            Url::parse("https://webwork-tracker.com/oauth/authorize").unwrap(),
            None,
        );
        let api = origin("https://api.webwork-tracker.com");
        let mut fields = HeaderMap::new();
        fields.insert(LOCATION, "/login".parse().unwrap());
        for (status, post, get) in
            [(401, true, true), (302, true, true), (303, false, true), (307, false, true)]
        {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(pages.refuse(&api, &Method::POST, status, &fields), post, "{status}");
            assert_eq!(pages.refuse(&api, &Method::GET, status, &fields), get, "{status}");
        }
    }

    #[test]
    fn a_temporary_redirect_to_a_login_page_refuses_the_token() {
        for location in [
            "/login",
            "/login?next=%2Fapi%2Fv2%2Fworkspaces#form",
            "/login/",
            "/en/Login.php",
            "/auth/signin",
            "https://api.webwork-tracker.com/login",
            "https://API.webwork-tracker.com:443/login",
            "http://api.webwork-tracker.com/login",
            "//webwork-tracker.com/login",
            "https://webwork-tracker.com/app/sign-in/sso",
            "https://webwork-tracker.com/oauth/authorize?client_id=1",
            "https://sso.example:8443/login",
        ] {
            for status in [302, 303, 307] {
                assert!(refused(status, &[location]), "{status} {location}");
            }
        }
    }

    #[test]
    fn any_other_redirect_says_nothing_about_the_token() {
        for location in [
            "",
            "login",
            "../login",
            "/",
            "/api/v2/workspaces/1",
            "/api/v2/login",
            "/login-history",
            "/blog/in",
            "https://webwork-tracker.com/",
            "https://webwork-tracker.com/storage/screenshot.png",
            "https://api.webwork-tracker.com/oauth/authorize",
            "https://api.webwork-tracker.com:8443/login",
            "https://sso.example/login",
            "https://sso.example:8443/token",
            "https://evil.example/login",
            "https://webwork-tracker.com.evil.example/login",
            "https://webwork-tracker.com@evil.example/login",
            "https://evil.example/?https://webwork-tracker.com/login",
            "ftp://webwork-tracker.com/login",
            "javascript:login",
            "https://",
        ] {
            assert!(!refused(302, &[location]), "{location}");
        }
        assert!(!refused(302, &[]));
        assert!(!refused(302, &["/login", "/api/v2/workspaces"]), "two targets are none");
    }

    #[test]
    fn no_other_status_is_a_redirect_to_a_login_page() {
        assert!(refused(401, &[]));
        for status in [200, 201, 300, 301, 304, 308, 403, 404, 503] {
            assert!(!refused(status, &["/login"]), "{status}");
        }
    }

    #[test]
    fn a_host_is_compared_with_its_port() {
        let authorization = Url::parse("http://127.0.0.1:8081/authorize").unwrap();
        let api = origin("http://[::1]:8080");
        for (location, expected) in [
            ("http://[::1]:8080/login", true),
            ("http://127.0.0.1:8081/login", true),
            ("http://127.0.0.1:8081/authorize", true),
            ("http://[::1]/login", false),
            ("http://127.0.0.1:8080/login", false),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(LOCATION, location.parse().unwrap());
            let pages = LoginPages::new(authorization.clone(), None);
            assert_eq!(
                pages.refuse(&api, &Method::GET, StatusCode::FOUND, &fields),
                expected,
                "{location}"
            );
            assert!(!LoginPages::default().refuse(&api, &Method::GET, StatusCode::FOUND, &fields));
        }
    }
}
