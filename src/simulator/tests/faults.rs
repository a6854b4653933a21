//! What can go wrong does, where and when it was planned.

use std::time::Duration;

use axum::http::Method;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clock;
use crate::simulator::tests::peer::{
    address, call, fetch, is_good, quiet, refresh, refresh_form, send, start, tokens,
};
use crate::simulator::{Fault, Outcome, Target, What, When};

fn fault(target: Target, when: When, what: What) -> Fault {
    Fault { target, when, what, count: 1 }
}

#[tokio::test]
async fn a_cut_before_changes_nothing() {
    let simulator = start(quiet()).await;
    let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
    simulator.faults().add(fault(Target::TokenEndpoint, When::Before, What::Cut));
    assert!(send(&simulator, refresh_form(&simulator, &seed)).await.is_err());
    assert_eq!(simulator.journal().exchanges()[0].outcome, Outcome::Faulted(None));
    tokens(&refresh(&simulator, &seed).await);
}

#[tokio::test]
async fn a_cut_after_has_rotated_and_says_nothing() {
    let simulator = start(quiet()).await;
    let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
    simulator.faults().add(fault(Target::TokenEndpoint, When::After, What::Cut));
    assert!(send(&simulator, refresh_form(&simulator, &seed)).await.is_err());
    let journal = simulator.journal();
    assert!(matches!(journal.exchanges()[0].outcome, Outcome::Faulted(Some(_))));
    assert_eq!(journal.grants(), 1);
    assert_eq!(refresh(&simulator, &seed).await.json()["hint"], "Token has been revoked");
}

#[tokio::test]
async fn tokens_whose_client_went_away_are_noted() {
    let simulator = start(quiet()).await;
    let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
    let late = What::Delay { ms: 600_000 };
    simulator.faults().add(fault(Target::TokenEndpoint, When::After, late));
    let struck = async {
        while !simulator.faults().list().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = send(&simulator, refresh_form(&simulator, &seed)) => panic!("it comes late"),
        () = struck => {}
    }
    let noted = async {
        while simulator.journal().exchanges().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), noted).await.unwrap();
    let journal = simulator.journal();
    assert!(matches!(journal.exchanges()[0].outcome, Outcome::Granted(_)));
    assert_eq!(journal.grants(), 1);
}

#[tokio::test]
async fn a_cut_connection_ends_without_a_byte() {
    let simulator = start(quiet()).await;
    simulator.faults().add(fault(Target::Api, When::Before, What::Cut));
    let mut stream = TcpStream::connect(address(&simulator)).await.unwrap();
    let head = "GET /api/v2/workspaces HTTP/1.1\r\nHost: api.webwork-tracker.com\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    // A reset is as good an end as a close.
    let _end = stream.read_to_end(&mut received).await;
    assert!(received.is_empty(), "{received:?}");
    assert_eq!(simulator.journal().api_answers(0), 1);
}

#[tokio::test]
async fn answers_are_replaced_in_every_way() {
    let simulator = start(quiet()).await;
    let token = simulator.issue_personal_access_token(&"read".parse().unwrap());
    let plan = [
        What::Status { code: 503, retry_after: Some(3) },
        What::Html,
        What::Garbage,
        What::TruncatedJson,
    ];
    for what in plan {
        simulator.faults().add(fault(Target::Api, When::After, what));
    }
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(fetch(&simulator, &token, "/api/v2/workspaces").await);
    }
    assert_eq!((answers[0].status.as_u16(), answers[0].field("retry-after")), (503, Some("3")));
    assert_eq!(answers[1].field("content-type"), Some("text/html; charset=utf-8"));
    assert!(std::str::from_utf8(&answers[2].content).is_err());
    let json = serde_json::from_slice::<Value>(&answers[3].content);
    assert!(json.unwrap_err().is_eof());
    assert_eq!(answers[4].json()["success"], true, "the plan is over");
}

#[tokio::test(start_paused = true)]
async fn a_delay_takes_its_time_and_then_tells_the_truth() {
    let simulator = start(quiet()).await;
    let token = simulator.issue_personal_access_token(&"read".parse().unwrap());
    for when in [When::Before, When::After] {
        simulator.faults().add(fault(Target::Api, when, What::Delay { ms: 5_000 }));
        let before = tokio::time::Instant::now();
        assert!(is_good(&simulator, &token).await);
        assert!(before.elapsed() >= Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_fault_strikes_as_often_as_it_says_and_only_its_target() {
    let simulator = start(quiet()).await;
    let token = simulator.issue_personal_access_token(&"read".parse().unwrap());
    let twice = Fault { count: 2, ..fault(Target::Api, When::Before, What::Html) };
    simulator.faults().add(twice);
    let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
    tokens(&refresh(&simulator, &seed).await);
    for expected in ["text/html; charset=utf-8", "text/html; charset=utf-8", "application/json"] {
        let answer = fetch(&simulator, &token, "/api/v2/workspaces").await;
        assert_eq!(answer.field("content-type"), Some(expected));
    }
}

#[tokio::test]
async fn the_date_can_be_wrong() {
    let simulator = start(quiet()).await;
    let token = simulator.issue_personal_access_token(&"read".parse().unwrap());
    simulator.faults().set_date_skew(-7200);
    let answer = fetch(&simulator, &token, "/api/v2/workspaces").await;
    let date = answer.field("date").unwrap().replace("GMT", "+0000");
    let date = DateTimeParser::new().parse_timestamp(&date).unwrap();
    let behind = clock::now().wall().duration_since(date).as_secs();
    assert!((7190..7300).contains(&behind), "{behind}");
}

#[tokio::test]
async fn scripts_control_everything_through_the_admin_paths() {
    let simulator = start(quiet()).await;
    let admin = async |method: Method, path: &str, content: Option<Value>| {
        call(&simulator, "", method, &format!("/_admin/{path}"), content).await
    };
    let seeded = admin(Method::POST, "seed", Some(json!({"scope": "read write"}))).await.json();
    assert_eq!(seeded["client_id"], simulator.client_id());
    assert_eq!(seeded["client_secret"], simulator.client_secret());
    let (access, newest) =
        tokens(&refresh(&simulator, seeded["refresh_token"].as_str().unwrap()).await);

    let cut = json!({"target": "token_endpoint", "when": "after", "what": "cut"});
    assert_eq!(admin(Method::POST, "faults", Some(cut)).await.status, 204);
    let listed = admin(Method::GET, "faults", None).await.json();
    let expected =
        json!([{"target": "token_endpoint", "when": "after", "what": "cut", "count": 1}]);
    assert_eq!(listed, expected);
    assert_eq!(admin(Method::DELETE, "faults", None).await.status, 204);
    assert_eq!(admin(Method::GET, "faults", None).await.json(), json!([]));
    assert_eq!(admin(Method::POST, "faults", Some(json!({"target": "moon"}))).await.status, 422);

    assert!(is_good(&simulator, &access).await);
    admin(Method::POST, "revoke", Some(json!({"what": "access_tokens"}))).await;
    assert!(!is_good(&simulator, &access).await);
    let family = Some(json!({"refresh_token": newest}));
    assert_eq!(admin(Method::POST, "revoke-family", family).await.status, 204);
    assert!(!refresh(&simulator, &newest).await.status.is_success());
    let unknown = Some(json!({"refresh_token": "x"}));
    assert_eq!(admin(Method::POST, "revoke-family", unknown).await.status, 404);

    let personal =
        admin(Method::POST, "personal-access-token", Some(json!({"scope": "read"}))).await;
    let personal = personal.json()["token"].as_str().unwrap().to_owned();
    assert!(is_good(&simulator, &personal).await);
    admin(Method::POST, "expire", Some(json!({"what": "access_tokens"}))).await;
    assert!(!is_good(&simulator, &personal).await);
    assert_eq!(admin(Method::POST, "date-skew", Some(json!({"seconds": 0}))).await.status, 204);
    let wrong = Some(json!({"scope": "re\"ad"}));
    assert_eq!(admin(Method::POST, "seed", wrong).await.status, 400);

    let journal = admin(Method::GET, "journal", None).await.json();
    assert_eq!(journal["grants"], 1);
    assert_eq!(journal["exchanges"][0]["grant_type"], "refresh_token");
    assert!(journal["exchanges"][0]["outcome"]["granted"]["access"].is_string());
    assert_eq!(journal["api_requests"]["401"], 2);
}
