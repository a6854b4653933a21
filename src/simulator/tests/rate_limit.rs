//! Laravel's throttle on both sides: API.md §2 and §3.

use axum::http::Method;
use axum::http::header::AUTHORIZATION;

use crate::simulator::tests::peer::{fetch, quiet, refresh, request, send, start};
use crate::simulator::{Config, Outcome};

#[tokio::test]
async fn the_limit_is_the_users_whatever_the_token() {
    let simulator = start(Config { rate_limit: Some(2), ..quiet() }).await;
    let one = simulator.issue_personal_access_token(&"read".parse().unwrap());
    let other = simulator.issue_personal_access_token(&"read".parse().unwrap());
    let first = fetch(&simulator, &one, "/api/v2/workspaces").await;
    assert_eq!(first.field("x-ratelimit-limit"), Some("2"));
    assert_eq!(first.field("x-ratelimit-remaining"), Some("1"));
    assert_eq!(first.field("x-ratelimit-reset"), None);
    let second = fetch(&simulator, &other, "/api/v2/members").await;
    assert_eq!((second.status.as_u16(), second.field("x-ratelimit-remaining")), (400, Some("0")));

    let third = fetch(&simulator, &one, "/api/v2/workspaces").await;
    assert_eq!(third.status, 429);
    assert_eq!(third.text(), "{\n    \"message\": \"Too Many Attempts.\"\n}");
    assert_eq!(third.field("x-ratelimit-remaining"), Some("0"));
    let wait: u64 = third.field("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(third.field("x-ratelimit-reset").unwrap().parse::<i64>().unwrap() > 1_700_000_000);

    let mut browser = request(Method::GET, "/api/v2/workspaces");
    browser.headers_mut().insert(AUTHORIZATION, format!("Bearer {one}").parse().unwrap());
    let page = send(&simulator, browser).await.unwrap();
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    let stranger = fetch(&simulator, "nonsense", "/api/v2/workspaces").await;
    assert_eq!(stranger.status, 401, "authentication comes first");
    let echo = fetch(&simulator, &one, "/api/v2/_simulator/echo").await;
    assert_eq!((echo.status.as_u16(), echo.field("x-ratelimit-limit")), (200, None));
}

#[tokio::test]
async fn the_token_endpoint_has_a_limit_by_address() {
    let simulator = start(Config { token_rate_limit: Some(1), ..quiet() }).await;
    let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
    let first = refresh(&simulator, "garbage").await;
    assert_eq!((first.status.as_u16(), first.field("x-ratelimit-limit")), (400, Some("1")));
    let second = refresh(&simulator, &seed).await;
    assert_eq!(second.status, 429);
    assert!(second.field("retry-after").is_some());
    let journal = simulator.journal();
    assert_eq!(journal.exchanges()[1].outcome, Outcome::Throttled);
    assert_eq!(journal.grants(), 0);
}
