//! One rule of the policy: methods, and a pattern of paths.

use std::str::FromStr;

use http::Method;

use super::target;

/// Methods and the paths on which they are forwarded, written as `"GET,HEAD /api/v2/**"`.
///
/// A pattern is compared with the decoded path, segment by segment and by case, without the query.
/// `*` is exactly one segment; `**`, at the end, is any rest, also none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    methods: Vec<Method>,
    pattern: Vec<Piece>,
    path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Name(String),
    Any,
    Rest,
}

/// Text that is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// Not two words.
    #[error("it is not methods and a path with one space in between")]
    Form,
    /// A word that is no method, or one that is never forwarded.
    #[error("{0:?} is no method that can be forwarded")]
    Method(String),
    /// A path that no request could have, or that could be read in two ways.
    #[error(
        "the path has to begin with / and be written without escapes, dot segments, empty segments, ; , ? and #"
    )]
    Path,
    /// A wildcard that is not a whole segment, or a `**` that is not the last one.
    #[error("* has to be a whole segment, and ** the last one")]
    Wildcard,
    /// A path to where tokens are made.
    #[error("it leads to where tokens are made, which is never forwarded")]
    OffLimits,
}

impl Rule {
    /// Whether the rule allows the method on the path, which has been found to have one meaning.
    pub(super) fn allows(&self, method: &Method, path: &str) -> bool {
        self.methods.contains(method) && self.covers(path)
    }

    /// The pattern as it was written.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether a path that begins with `prefix` could be one of the rule's.
    pub fn reaches(&self, prefix: &str) -> bool {
        let fixed = self.path.split('*').next().unwrap_or_default();
        fixed.starts_with(prefix) || prefix.starts_with(fixed)
    }

    fn covers(&self, path: &str) -> bool {
        let mut segments = target::segments(path);
        for piece in &self.pattern {
            let matches = match (piece, segments.next()) {
                (Piece::Rest, _) => return true,
                // A server that cuts path parameters off would find nothing here, and another path.
                (Piece::Any, Some(segment)) => target::name(segment).next().is_some(),
                (Piece::Name(name), Some(segment)) => {
                    target::decode(segment).eq(name.bytes().map(Ok))
                }
                (_, None) => false,
            };
            if !matches {
                return false;
            }
        }
        segments.next().is_none()
    }
}

impl FromStr for Rule {
    type Err = InvalidRule;

    fn from_str(text: &str) -> Result<Self, InvalidRule> {
        let (methods, path) = text.split_once(' ').ok_or(InvalidRule::Form)?;
        if path.contains(' ') {
            return Err(InvalidRule::Form);
        }
        let methods = methods.split(',').map(method).collect::<Result<_, _>>()?;
        Ok(Self { methods, pattern: pattern(path)?, path: path.to_owned() })
    }
}

fn method(text: &str) -> Result<Method, InvalidRule> {
    let known = super::Config::default().methods;
    known
        .into_iter()
        .find(|method| method.as_str() == text)
        .ok_or_else(|| InvalidRule::Method(text.to_owned()))
}

fn pattern(path: &str) -> Result<Vec<Piece>, InvalidRule> {
    let uri = path.parse().map_err(|_| InvalidRule::Path)?;
    if target::origin_form(&uri) != Ok(path) || path.contains(['%', ';', ',']) {
        return Err(InvalidRule::Path);
    }
    let mut pattern = Vec::new();
    for segment in target::segments(path) {
        if pattern.last() == Some(&Piece::Rest) {
            return Err(InvalidRule::Wildcard);
        }
        pattern.push(match segment {
            "*" => Piece::Any,
            "**" => Piece::Rest,
            _ if segment.contains('*') => return Err(InvalidRule::Wildcard),
            _ if target::is_off_limits(segment) => return Err(InvalidRule::OffLimits),
            name => Piece::Name(name.to_owned()),
        });
    }
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: &str, method: &Method, path: &str) -> bool {
        rule.parse::<Rule>().unwrap().allows(method, path)
    }

    #[test]
    fn a_star_is_one_segment_and_two_are_any_rest() {
        for (pattern, path, expected) in [
            ("/api/v2/tasks", "/api/v2/tasks", true),
            ("/api/v2/tasks", "/api/v2/%74asks", true),
            ("/api/v2/tasks", "/api/v2/tasks/", false),
            ("/api/v2/tasks", "/api/v2/Tasks", false),
            ("/api/v2/tasks", "/api/v2/tasks;x=y", false),
            ("/api/v2/tasks", "/api/v2/tasks%3Bx", false),
            ("/api/v2/tasks", "/api/v2/tasks/7", false),
            ("/api/v2/tasks", "/api/v2", false),
            ("/api/v2/tasks/*", "/api/v2/tasks/7", true),
            ("/api/v2/tasks/*", "/api/v2/tasks/7;x", true),
            ("/api/v2/tasks/*", "/api/v2/tasks/caf%C3%A9", true),
            ("/api/v2/tasks/*", "/api/v2/tasks", false),
            ("/api/v2/tasks/*", "/api/v2/tasks/", false),
            ("/api/v2/tasks/*", "/api/v2/tasks/;x", false),
            ("/api/v2/tasks/*", "/api/v2/tasks/%3Bx", false),
            ("/api/v2/tasks/*", "/api/v2/tasks/7/assignees", false),
            ("/api/v2/*/approve", "/api/v2/7/approve", true),
            ("/api/v2/*/approve", "/api/v2/7/8/approve", false),
            ("/api/v2/**", "/api/v2", true),
            ("/api/v2/**", "/api/v2/", true),
            ("/api/v2/**", "/api/v2/a/b/c", true),
            ("/api/v2/**", "/api/v22", false),
            ("/api/v2/**", "/api", false),
            ("/**", "/", true),
        ] {
            let seen = allows(&format!("GET {pattern}"), &Method::GET, path);
            assert_eq!(seen, expected, "{pattern} {path}");
        }
    }

    #[test]
    fn only_the_named_methods_are_allowed() {
        let rule = "GET,HEAD /api/**";
        assert!(allows(rule, &Method::GET, "/api/") && allows(rule, &Method::HEAD, "/api/"));
        assert!(!allows(rule, &Method::POST, "/api/"));
    }

    #[test]
    fn a_rule_that_no_prefix_leads_to_is_known() {
        let reaches = |rule: &str| rule.parse::<Rule>().unwrap().reaches("/api/");
        assert!(reaches("GET /api/v2/*") && reaches("GET /**") && reaches("GET /*/v2"));
        assert!(!reaches("GET /v2/**") && !reaches("GET /apix/"));
    }

    #[test]
    fn what_cannot_be_kept_is_no_rule() {
        for (text, expected) in [
            ("", InvalidRule::Form),
            ("GET", InvalidRule::Form),
            ("/api/**", InvalidRule::Form),
            ("GET  /api/", InvalidRule::Form),
            ("GET, HEAD /api/", InvalidRule::Form),
            (" /api/", InvalidRule::Method(String::new())),
            ("get /api/", InvalidRule::Method("get".into())),
            ("GET, /api/", InvalidRule::Method(String::new())),
            ("TRACE /api/", InvalidRule::Method("TRACE".into())),
            ("* /api/", InvalidRule::Method("*".into())),
            ("GET api/", InvalidRule::Path),
            ("GET //api/", InvalidRule::Path),
            ("GET /api/../", InvalidRule::Path),
            ("GET /api/%61", InvalidRule::Path),
            ("GET /api/a;b", InvalidRule::Path),
            ("GET /api/a,b", InvalidRule::Path),
            ("GET /api/?a", InvalidRule::Path),
            ("GET /api/#a", InvalidRule::Path),
            ("GET /api/v*", InvalidRule::Wildcard),
            ("GET /api/***", InvalidRule::Wildcard),
            ("GET /api/**/a", InvalidRule::Wildcard),
            ("GET /**/**", InvalidRule::Wildcard),
            ("GET /oauth/**", InvalidRule::OffLimits),
            ("GET /api/Personal-Access-Tokens", InvalidRule::OffLimits),
        ] {
            assert_eq!(text.parse::<Rule>(), Err(expected), "{text:?}");
        }
    }
}
