//! The page in every state, without a browser.

use super::*;
use crate::admin::capacity::{Bound, CapacityInfo, MemoryInfo};
use crate::admin::configuration::{Configuration, Given, Setting};
use crate::admin::evidence::Evidence;
use crate::admin::sign_in::{SignInInfo, Way};
use crate::admin::{Facts, Verdict};
use crate::telemetry::Totals;
use crate::telemetry::history::Minute;
use crate::telemetry::rate_limit::RateLimit;
use crate::token::current::Generation;
use crate::token::ended::{Ended, Ending};
use crate::token::state::Standing;
use crate::token::status::{Availability, Status};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A report in which everything that could be hostile is.
fn report(state: Standing) -> Report {
    let token = Status {
        state,
        since: at(-60),
        token: Availability::Ready,
        generation: Generation(7),
        fingerprint: None,
        issued_at: Some(at(-3_600)),
        expires_at: Some(at(3_600)),
        next_exchange_at: Some(at(1_800)),
        refresh_token_issued_at: Some(at(-3_600)),
        refresh_token_expires_at: Some(at(86_400)),
        scope: None,
        rotations: 6,
        outcomes: Default::default(),
        exchanges: Ending::ALL.map(|outcome| ended(outcome, HOSTILE)).to_vec(),
        expiry: None,
        refused: false,
        loss: None,
        trouble: Some(HOSTILE.into()),
    };
    Report {
        format: 1,
        ready: true,
        draining: false,
        verdict: Verdict::of(&token, &Evidence::default(), false),
        facts: Facts {
            version: "1.2.3".into(),
            started_at: at(-7_200),
            credential: "authorization_code".into(),
            upstream: "https://api.example".into(),
            token_url: Some("https://api.example/oauth/token".into()),
            proxy: vec!["127.0.0.1:9180".into()],
            admin: vec!["127.0.0.1:9181".into()],
        },
        token,
        evidence: Evidence::default(),
        traffic: Totals::default(),
        capacity: CapacityInfo {
            connections: 1024,
            max_connections: 1024,
            configured_connections: 1024,
            bound_by: Bound::Configuration,
            waited: 3,
            reached_at: Some(at(-90)),
            open_files: 4096,
            memory: Some(MemoryInfo { limit: 48 << 20, reserved: 24 << 20, waited: 0 }),
            dropped_log_lines: 12,
        },
        history: vec![Minute {
            at: at(-60),
            answers: 12,
            errors: 1,
            median_ms: Some(3.0),
            p99_ms: Some(9.0),
        }],
        rate_limit: Some(RateLimit {
            limit: 60,
            remaining: 12,
            resets_at: Some(at(30)),
            seen_at: at(-5),
        }),
        configuration: Configuration {
            read_at: at(-7_200),
            trouble: Some(HOSTILE.into()),
            restart: vec![HOSTILE.into()],
            settings: vec![
                Setting { key: "upstream.url".into(), value: HOSTILE.into(), given: Given::File },
                Setting { key: "log.level".into(), value: "info".into(), given: Given::Default },
            ],
        },
        sign_in: SignInInfo {
            way: Way::Callback,
            authorization_origin: None,
            callback_origin: None,
            trouble: Some(HOSTILE.into()),
        },
    }
}

fn ended(outcome: Ending, detail: &str) -> Ended {
    let generation = Generation(7);
    Ended { at: at(-60), took_ms: 120, outcome, generation, detail: Some(detail.into()) }
}

fn shown(report: &Report) -> String {
    document(report, None, at(0)).into_string()
}

/// Text that would do harm if it were taken for anything else.
const HOSTILE: &str = "<script>alert(1)</script>\" onload='x' \u{1b}[31m & more";

#[test]
fn every_state_has_its_verdict_and_no_text_becomes_markup() {
    for state in Standing::ALL {
        let report = report(state);
        let page = shown(&report);
        let headline = report.verdict.headline.split([':', ';']).next().unwrap();
        assert!(page.contains(&format!("<h1 id=\"headline\">{headline}</h1>")), "{state:?}");
        assert!(!page.contains("<script>") && !page.contains("\" onload"), "{state:?}");
        assert_eq!(page.matches("<script").count(), 1, "{state:?}");
        assert!(!page.contains("style=") && !page.contains("<style"), "{state:?}");
    }
}

#[test]
fn what_helps_stands_in_the_verdict() {
    let verdict = |report: &Report| {
        let page = shown(report);
        let start = page.find("id=\"verdict\"").unwrap();
        page[start..start + page[start..].find("</section>").unwrap()].to_owned()
    };
    for state in Standing::ALL {
        let text = verdict(&report(state));
        let signs_in = matches!(state, Standing::Lost | Standing::SignedOut);
        assert_eq!(text.contains("action=\"/sign-in\""), signs_in, "{state:?}");
        let retries = matches!(state, Standing::Retrying | Standing::Misconfigured);
        assert_eq!(text.contains("action=\"/refresh\""), retries, "{state:?}");
    }
    let mut stopping = report(Standing::Lost);
    stopping.draining = true;
    assert!(!verdict(&stopping).contains("<form"), "nothing begins any more");
}

#[test]
fn a_personal_token_has_nothing_to_press() {
    let mut report = report(Standing::Active);
    report.sign_in.way = Way::None;
    report.token.next_exchange_at = None;
    assert!(!shown(&report).contains("<form"));
}

#[test]
fn the_address_is_pasted_where_the_browser_ends_elsewhere() {
    let mut report = report(Standing::SignedOut);
    report.sign_in.way = Way::Paste;
    let page = shown(&report);
    assert_eq!(page.matches("action=\"/sign-in/paste\"").count(), 1);
    // What is being typed must not be lost to a reload.
    assert!(!page.contains("http-equiv=\"refresh\""));
    report.token.state = Standing::Active;
    assert!(shown(&report).contains("http-equiv=\"refresh\""));
}

#[test]
fn what_is_not_there_is_said_to_be_not_there() {
    let mut report = report(Standing::SignedOut);
    report.token.issued_at = None;
    report.token.refresh_token_issued_at = None;
    report.token.exchanges.clear();
    report.history.clear();
    report.rate_limit = None;
    report.configuration.settings.clear();
    let page = shown(&report);
    for said in [
        "There is no access token yet.",
        "None since the start.",
        "No request in the last hour.",
        "No answer of the API has told it yet.",
    ] {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
fn ids_are_unique_and_names_refer_to_them() {
    for state in Standing::ALL {
        let page = shown(&report(state));
        let mut ids: Vec<&str> =
            page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{ids:?}");
        for attribute in ["aria-labelledby=\"", "for=\""] {
            for rest in page.split(&format!(" {attribute}")).skip(1) {
                let name = rest.split('"').next().unwrap();
                assert!(ids.contains(&name), "{name}");
            }
        }
    }
}
