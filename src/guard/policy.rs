//! What may be asked of the upstream: methods, prefixes of paths, and rules for both together.

use http::{HeaderValue, Method, Uri};

use super::rule::Rule;
use super::target::{self, Flaw, is_off_limits};
use super::{Config, InvalidConfig, Refusal, method_override};

/// The methods and paths that are forwarded.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    methods: Vec<Method>,
    prefixes: Vec<String>,
    rules: Vec<Rule>,
    overrides: Overrides,
}

/// What becomes of `_method` in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overrides {
    /// It can turn a POST into nothing that is not allowed anyway.
    Harmless,
    /// It could get round the policy.
    Refused,
}

impl Policy {
    /// Takes methods other than TRACE and CONNECT, and plain prefixes that begin and end with `/`.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names the entry that cannot be kept.
    pub(super) fn new(config: &Config) -> Result<Self, InvalidConfig> {
        let Config { methods, paths, rules, .. } = config;
        if methods.is_empty() {
            return Err(InvalidConfig::NoMethods);
        }
        if paths.is_empty() {
            return Err(InvalidConfig::NoPaths);
        }
        if let Some(method) = methods.iter().find(|method| NEVER.contains(method)) {
            return Err(InvalidConfig::Method(method.clone()));
        }
        for prefix in paths {
            if !is_prefix(prefix) {
                return Err(InvalidConfig::Path(prefix.clone()));
            }
            if target::segments(prefix).any(is_off_limits) {
                return Err(InvalidConfig::OffLimits(prefix.clone()));
            }
        }
        let is_free = rules.is_empty() && OVERRIDABLE.iter().all(|it| methods.contains(it));
        Ok(Self {
            methods: methods.clone(),
            prefixes: paths.clone(),
            rules: rules.clone(),
            overrides: if is_free { Overrides::Harmless } else { Overrides::Refused },
        })
    }

    /// Judges the method, then the target.
    pub(super) fn admit(&self, method: &Method, uri: &Uri) -> Result<(), Refusal> {
        if !self.methods.contains(method) {
            return Err(if method == Method::CONNECT { Refusal::Tunnel } else { Refusal::Method });
        }
        let path = target::origin_form(uri)?;
        if target::segments(path).any(is_off_limits) {
            return Err(Refusal::OffLimits);
        }
        if !self.prefixes.iter().any(|prefix| is_under(path, prefix)) {
            return Err(Refusal::Path);
        }
        if !self.rules.is_empty() && !self.rules.iter().any(|rule| rule.allows(method, path)) {
            return Err(Refusal::Rules);
        }
        if self.overrides == Overrides::Refused && uri.query().is_some_and(method_override::is_in) {
            return Err(Refusal::MethodOverride);
        }
        Ok(())
    }

    /// The methods as a list field, for pages that ask before they send.
    pub(super) fn methods(&self) -> HeaderValue {
        let names: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        // Methods are tokens, which field values may consist of.
        HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static("GET"))
    }
}

/// TRACE sends the token back in content (RFC 9110 §9.3.8), CONNECT asks for a tunnel.
const NEVER: [Method; 2] = [Method::TRACE, Method::CONNECT];

/// What Laravel can take a POST for.
const OVERRIDABLE: [Method; 3] = [Method::PUT, Method::PATCH, Method::DELETE];

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

    use super::target::OFF_LIMITS;
    use super::*;

    fn policy(prefixes: &[&str]) -> Result<Policy, InvalidConfig> {
        let paths = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        let methods = vec![Method::GET, Method::POST];
        Policy::new(&Config { methods, paths, ..Config::default() })
    }

    fn ruled(rules: &[&str]) -> Policy {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Policy::new(&Config { rules, ..Config::default() }).unwrap()
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
            let expected =
                if method == Method::CONNECT { Refusal::Tunnel } else { Refusal::Method };
            assert_eq!(seen, Err(expected), "{method}");
        }
    }

    #[test]
    fn with_rules_one_of_them_has_to_allow_method_and_path_together() {
        let policy = ruled(&["GET,HEAD /api/v2/**", "POST /api/v2/time-tracking/*"]);
        for (method, target, expected) in [
            (Method::GET, "/api/v2/tasks?page=2", Ok(())),
            (Method::HEAD, "/api/v2/tasks", Ok(())),
            (Method::POST, "/api/v2/time-tracking/start", Ok(())),
            (Method::POST, "/api/v2/time-tracking/start;/x", Err(Refusal::Rules)),
            (Method::POST, "/api/v2/tasks?/api/v2/time-tracking/start", Err(Refusal::Rules)),
            (Method::DELETE, "/api/v2/tasks/7", Err(Refusal::Rules)),
            (Method::GET, "/api/v3/tasks", Err(Refusal::Rules)),
            (Method::GET, "/v2/tasks", Err(Refusal::Path)),
            (Method::GET, "/api/v2/oauth", Err(Refusal::OffLimits)),
        ] {
            let seen = policy.admit(&method, &target.parse().unwrap());
            assert_eq!(seen, expected, "{method} {target}");
        }
    }

    #[test]
    fn a_query_cannot_ask_for_a_method_that_is_not_allowed() {
        let target = Uri::from_static("/api/v2/tasks/7?a=b&%5Fmethod=DELETE");
        let without_delete = policy(&["/api/"]).unwrap();
        let verdict = without_delete.admit(&Method::POST, &target);
        assert_eq!(verdict, Err(Refusal::MethodOverride));
        let verdict = ruled(&["POST /api/**"]).admit(&Method::POST, &target);
        assert_eq!(verdict, Err(Refusal::MethodOverride));
        let default = Policy::new(&Config::default()).unwrap();
        assert_eq!(default.admit(&Method::POST, &target), Ok(()));
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
        let with = |methods| Policy::new(&Config { methods, ..Config::default() }).map(drop);
        assert_eq!(with(Vec::new()), Err(InvalidConfig::NoMethods));
        for method in NEVER {
            let seen = with(vec![Method::GET, method.clone()]);
            assert_eq!(seen, Err(InvalidConfig::Method(method)));
        }
    }

    /// What the most obliging server could make of a path: every escape decoded again and again, UTF-8 without
    /// any check, backslashes taken for slashes, path parameters cut off, empty and dot segments resolved.
    fn resolve(path: &str) -> Vec<String> {
        let mut bytes = path.as_bytes().to_vec();
        loop {
            let decoded = lax_decode(&bytes);
            if decoded == bytes {
                break;
            }
            bytes = decoded;
        }
        let text = lax_utf8(&bytes).replace('\\', "/");
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

    /// Takes the length from the first byte and six bits from each of the others; of two bytes the second may
    /// be any. A byte that begins nothing, or too little, stands for itself.
    fn lax_utf8(mut bytes: &[u8]) -> String {
        let mut text = String::new();
        while let [first, tail @ ..] = bytes {
            let more = match first {
                0xc0..=0xdf => 1,
                0xe0..=0xef => 2,
                0xf0..=0xf7 => 3,
                0xf8..=0xfb => 4,
                0xfc..=0xfd => 5,
                _ => 0,
            };
            let follows =
                |rest: &&[u8]| more == 1 || rest.iter().all(|it| (0x80..0xc0).contains(it));
            let Some(rest) = tail.get(..more).filter(follows) else {
                text.push(char::from(*first));
                bytes = tail;
                continue;
            };
            let begin = if more == 0 { *first } else { first & (0x3f >> more) };
            let meant =
                rest.iter().fold(u64::from(begin), |sum, it| sum << 6 | u64::from(it & 0x3f));
            let meant = u32::try_from(meant).ok().and_then(char::from_u32);
            text.push(meant.unwrap_or(char::REPLACEMENT_CHARACTER));
            bytes = &tail[more..];
        }
        text
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
            "\u{20ac}",
            "\u{e9}",
            "%e9",
            "%c3",
            "%e0",
            "%80",
            "%ae",
            "%f0",
            "%fc",
            "%c0n",
            "n",
            "{",
            "\"",
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
        fn no_path_leaves_the_rule_that_admits_it_however_it_is_decoded(tail in pieces()) {
            let path = format!("/api/v2/tasks/{tail}");
            if ruled(&["GET /api/v2/tasks/*"]).admit(&Method::GET, &path.parse().unwrap()).is_ok() {
                let resolved = resolve(&path);
                prop_assert_eq!(resolved.len(), 4);
                prop_assert_eq!(&resolved[..3], ["api", "v2", "tasks"]);
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
