//! What may be asked of the upstream: methods, and prefixes of paths.

use http::{Method, Uri};

use super::target::{self, Flaw};
use super::{InvalidConfig, Refusal};

/// The methods and paths that are forwarded.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    methods: Vec<Method>,
    prefixes: Vec<String>,
}

impl Policy {
    /// Takes methods other than TRACE and CONNECT, and plain prefixes that begin and end with `/`.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names the entry that cannot be kept.
    pub(super) fn new(methods: &[Method], prefixes: &[String]) -> Result<Self, InvalidConfig> {
        if methods.is_empty() {
            return Err(InvalidConfig::NoMethods);
        }
        if prefixes.is_empty() {
            return Err(InvalidConfig::NoPaths);
        }
        if let Some(method) = methods.iter().find(|method| NEVER.contains(method)) {
            return Err(InvalidConfig::Method(method.clone()));
        }
        for prefix in prefixes {
            if !is_prefix(prefix) {
                return Err(InvalidConfig::Path(prefix.clone()));
            }
            if target::segments(prefix).any(is_off_limits) {
                return Err(InvalidConfig::OffLimits(prefix.clone()));
            }
        }
        Ok(Self { methods: methods.to_vec(), prefixes: prefixes.to_vec() })
    }

    /// Judges the method, then the target.
    pub(super) fn admit(&self, method: &Method, uri: &Uri) -> Result<(), Refusal> {
        if !self.methods.contains(method) {
            return Err(Refusal::Method);
        }
        let path = target::origin_form(uri)?;
        if target::segments(path).any(is_off_limits) {
            return Err(Refusal::OffLimits);
        }
        if !self.prefixes.iter().any(|prefix| is_under(path, prefix)) {
            return Err(Refusal::Path);
        }
        Ok(())
    }
}

/// TRACE sends the token back in content (RFC 9110 §9.3.8), CONNECT asks for a tunnel.
const NEVER: [Method; 2] = [Method::TRACE, Method::CONNECT];

/// Segments that lead to where tokens are made or revoked: a caller could turn the token that it never
/// sees into one that it keeps.
const OFF_LIMITS: [&str; 2] = ["oauth", "personal-access-tokens"];

/// Routers may ignore the case.
fn is_off_limits(segment: &str) -> bool {
    OFF_LIMITS
        .iter()
        .any(|word| target::name(segment).map(|byte| byte.to_ascii_lowercase()).eq(word.bytes()))
}

/// Compares what the path means. A prefix ends with a slash, so `/api/` does not cover `/apix`.
fn is_under(path: &str, prefix: &str) -> bool {
    let mut decoded = target::decode(path);
    prefix.bytes().all(|byte| decoded.next() == Some(Ok(byte)))
}

/// A prefix is written as it is compared: decoded, and with one meaning.
fn is_prefix(prefix: &str) -> bool {
    let plain: Result<Uri, _> = prefix.parse();
    let sound = plain.is_ok_and(|uri| target::origin_form(&uri) == Ok::<_, Flaw>(prefix));
    sound && prefix.ends_with('/') && !prefix.contains(['%', ';'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(prefixes: &[&str]) -> Result<Policy, InvalidConfig> {
        let prefixes: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        Policy::new(&[Method::GET, Method::POST], &prefixes)
    }

    fn verdict(prefixes: &[&str], target: &str) -> Result<(), Refusal> {
        policy(prefixes).unwrap().admit(&Method::GET, &target.parse().unwrap())
    }

    #[test]
    fn a_path_is_admitted_under_a_whole_segment_prefix() {
        for target in ["/api/", "/api/v2", "/%61pi/v2", "/api/v2/workspaces?x=/oauth/"] {
            assert_eq!(verdict(&["/api/"], target), Ok(()), "{target}");
        }
        for target in
            ["/", "/api", "/apix", "/apix/v2", "/API/v2", "/v2/api/", "/api;x/v2", "/?/api/"]
        {
            assert_eq!(verdict(&["/api/"], target), Err(Refusal::Path), "{target}");
        }
    }

    #[test]
    fn one_of_several_prefixes_is_enough() {
        let prefixes = ["/api/v2/tasks/", "/api/v2/projects/"];
        assert_eq!(verdict(&prefixes, "/api/v2/projects/7"), Ok(()));
        assert_eq!(verdict(&prefixes, "/api/v2/users"), Err(Refusal::Path));
    }

    #[test]
    fn paths_to_tokens_are_never_forwarded_whatever_the_prefix() {
        for target in [
            "/oauth",
            "/oauth/token",
            "/OAuth/token",
            "/%6fauth/token",
            "/%4FAUTH/token",
            "/oauth;x=y/token",
            "/oauth%3Bx/token",
            "/index.php/oauth/token",
            "/api/v2/personal-access-tokens",
            "/api/v2/personal-access-tokens/7",
            "/api/v2/Personal-Access-Tokens;x",
            "/api/v2/personal%2Daccess%2dtokens",
        ] {
            assert_eq!(verdict(&["/"], target), Err(Refusal::OffLimits), "{target}");
        }
        for target in ["/oauth2", "/api/personal-access-tokens-info", "/xoauth/"] {
            assert_eq!(verdict(&["/"], target), Ok(()), "{target}");
        }
    }

    #[test]
    fn methods_that_are_not_listed_are_refused() {
        let policy = policy(&["/api/"]).unwrap();
        for method in ["DELETE", "TRACE", "CONNECT", "PROPFIND", "get", "GETX"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let seen = policy.admit(&method, &Uri::from_static("/api/"));
            assert_eq!(seen, Err(Refusal::Method), "{method}");
        }
    }

    #[test]
    fn a_flawed_target_is_a_bad_request_and_not_a_matter_of_policy() {
        let seen = verdict(&["/api/"], "/api/../v2");
        assert_eq!(seen, Err(Refusal::Target(Flaw::DotSegment)));
    }

    #[test]
    fn a_policy_that_cannot_be_kept_is_refused() {
        for prefix in ["", "api/", "/api", "/a//", "/a/../", "/%61/", "/a;b/", "/a/?b/", "/a/#/"] {
            let expected = InvalidConfig::Path(prefix.into());
            assert_eq!(policy(&[prefix]).map(drop), Err(expected), "{prefix:?}");
        }
        for prefix in ["/oauth/", "/OAUTH/", "/api/personal-access-tokens/"] {
            let expected = InvalidConfig::OffLimits(prefix.into());
            assert_eq!(policy(&[prefix]).map(drop), Err(expected), "{prefix:?}");
        }
        assert_eq!(policy(&[]).map(drop), Err(InvalidConfig::NoPaths));
        let paths = ["/api/".to_owned()];
        assert_eq!(Policy::new(&[], &paths).map(drop), Err(InvalidConfig::NoMethods));
        for method in NEVER {
            let seen = Policy::new(&[Method::GET, method.clone()], &paths).map(drop);
            assert_eq!(seen, Err(InvalidConfig::Method(method)));
        }
    }

    /// What the most obliging server could make of a path: every escape decoded again and again,
    /// backslashes taken for slashes, path parameters cut off, empty and dot segments resolved.
    fn resolve(path: &str) -> Vec<String> {
        let mut bytes = path.as_bytes().to_vec();
        loop {
            let decoded = lax_decode(&bytes);
            if decoded == bytes {
                break;
            }
            bytes = decoded;
        }
        let text = String::from_utf8_lossy(&bytes).replace(['\\', '\u{fffd}'], "/");
        let mut resolved: Vec<String> = Vec::new();
        for segment in text.split(['/', '\0', '?', '#']) {
            match segment.split(';').next().unwrap_or_default() {
                "" | "." => {}
                ".." => drop(resolved.pop()),
                name => resolved.push(name.to_ascii_lowercase()),
            }
        }
        resolved
    }

    fn lax_decode(bytes: &[u8]) -> Vec<u8> {
        let mut decoded = Vec::new();
        let mut rest = bytes;
        while let [byte, tail @ ..] = rest {
            let escape = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            let value = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            match value {
                Some(value) if *byte == b'%' => {
                    decoded.push(value);
                    rest = &tail[2..];
                }
                _ => {
                    decoded.push(*byte);
                    rest = tail;
                }
            }
        }
        decoded
    }

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "/",
            "/",
            "/",
            ".",
            "..",
            "%2e",
            "%2E%2e",
            "%252e",
            "%25",
            "%32",
            "%65",
            "%2f",
            "%252F",
            "%5c",
            "\\",
            ";",
            "%3b",
            "%00",
            "%c0%af",
            "%c0%ae",
            "%e2%82%ac",
            "%20",
            "%",
            "api",
            "v2",
            "%61pi",
            "oauth",
            "OAUTH",
            "%6fauth",
            "personal-access-tokens",
            "tasks",
            "7",
            "a",
        ]);
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn no_admitted_path_leaves_the_prefix_however_it_is_decoded(tail in pieces()) {
            let path = format!("/api/{tail}");
            let uri: Uri = path.parse().unwrap();
            prop_assert_eq!(uri.path(), path.as_str());
            if policy(&["/api/"]).unwrap().admit(&Method::GET, &uri).is_ok() {
                let resolved = resolve(&path);
                prop_assert_eq!(resolved.first().map(String::as_str), Some("api"));
                for word in OFF_LIMITS {
                    prop_assert!(!resolved.iter().any(|segment| segment == word));
                }
            }
        }

        #[test]
        fn every_path_of_plain_segments_is_admitted(
            segments in prop::collection::vec("[a-z0-9_-]{1,12}", 0..6)
        ) {
            let path = format!("/api/{}", segments.join("/"));
            let off_limits = segments.iter().any(|segment| OFF_LIMITS.contains(&segment.as_str()));
            prop_assume!(!off_limits);
            prop_assert_eq!(verdict(&["/api/"], &path), Ok(()));
        }
    }
}
