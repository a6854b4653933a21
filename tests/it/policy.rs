//! What may be asked for: targets, methods, rules, and what the token is good for.

use http::Response;
use webwork_sidecar::scope::{Rights, ScopeSet};
use webwork_sidecar::token::current::Access;

use super::support::{
    Credential, PERSONAL_ACCESS_TOKEN, Proxy, Reply, Sidecar, Start, Upstream, bearer, full,
};
use webwork_sidecar::proxy::ScopeCheck;

/// A request without content, on a connection of its own.
async fn ask(sidecar: &Sidecar, method: &str, target: &str) -> (u16, String) {
    let mut caller = sidecar.caller().await;
    let host = sidecar.proxy;
    caller.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    let reply = caller.reply_to(method).await;
    let own = reply.status == 400 || reply.status == 403;
    let code = if own && method != "HEAD" { reply.code() } else { String::new() };
    (reply.status, code)
}

#[tokio::test]
async fn whatever_could_be_read_in_two_ways_is_refused() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    for target in [
        "//api/v2/workspaces",
        "/api//v2",
        "/api/../oauth/token",
        "/api/./v2",
        "/api/%2e%2e/oauth/token",
        "/api/..%2foauth/token",
        "/api/..;/oauth/token",
        "/api/%252e%252e/oauth",
        "/api/v2%5cworkspaces",
        "/api\\v2",
        "/api/%00",
        "/api/%",
        "/api/%c0%af",
        "http://api.webwork-tracker.com/api/v2/workspaces",
        "https://127.0.0.1/api/",
        "*",
    ] {
        assert_eq!(ask(&sidecar, "GET", target).await, (400, "bad_request".into()), "{target}");
    }
    for (method, target) in [
        ("GET", "/"),
        ("GET", "/oauth/token"),
        ("POST", "/oauth/token"),
        ("GET", "/OAuth/authorize"),
        ("GET", "/api/v2/oauth/x"),
        ("GET", "/api/v2/personal-access-tokens"),
        ("DELETE", "/api/v2/Personal-Access-Tokens;x/7"),
        ("GET", "/api/v2/personal%2Daccess-tokens"),
        ("GET", "/apix/"),
        ("GET", "/API/v2/workspaces"),
        ("TRACE", "/api/v2/workspaces"),
        ("CONNECT", "api.webwork-tracker.com:443"),
        ("PROPFIND", "/api/v2/workspaces"),
        ("get", "/api/v2/workspaces"),
    ] {
        assert_eq!(ask(&sidecar, method, target).await, (403, "policy".into()), "{target}");
    }
    assert_eq!(sidecar.service.journal().api_requests(), 0);
    assert_eq!(sidecar.service.exchanges(), 0);
}

#[tokio::test]
async fn read_only_forwards_nothing_that_writes_however_it_asks() {
    let sidecar =
        Sidecar::with(Credential::PersonalAccessToken).set("guard.read_only", "true").start().await;
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let seen = ask(&sidecar, method, "/api/v2/tasks/7").await;
        assert_eq!(seen, (403, "policy".into()), "{method}");
    }
    for query in ["_method=DELETE", "a&%5fmethod=DELETE", "+_method=x", ".method=x", "_method[]=x"]
    {
        for method in ["GET", "POST"] {
            let seen = ask(&sidecar, method, &format!("/api/v2/workspaces?{query}")).await;
            assert_eq!(seen, (403, "policy".into()), "{method} {query}");
        }
    }
    assert_eq!(sidecar.service.journal().api_requests(), 0);
    for method in ["GET", "HEAD"] {
        assert_eq!(ask(&sidecar, method, "/api/v2/workspaces?page=1").await.0, 200, "{method}");
    }
}

#[tokio::test]
async fn fields_that_ask_for_another_method_do_not_arrive() {
    let upstream = Upstream::plain(|request| async move {
        let names: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
        let odd = names.iter().filter(|name| name.contains("method") || name.contains("verb"));
        Response::new(full(format!("{:?}", odd.collect::<Vec<_>>())))
    })
    .await;
    let reply = Proxy::with(&upstream)
        .ask(
            "GET /api/ HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: DELETE\r\n\
             X-HTTP-Method: DELETE\r\nX-Method-Override: DELETE\r\nX_HTTP_METHOD_OVERRIDE: DELETE\r\n\
             X_Http-Method_Override: DELETE\r\nX.HTTP.Method.Override: DELETE\r\n\
             X_Method_Override: DELETE\r\nx-http_method: DELETE\r\n\r\n",
        )
        .await;
    assert_eq!((reply.status, reply.text()), (200, "[]"));
}

#[tokio::test]
async fn with_rules_a_method_goes_with_its_paths_alone() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken)
        .set("guard.rules", "GET,HEAD /api/v2/**, POST /api/v2/time-tracking/*")
        .start()
        .await;
    assert_eq!(ask(&sidecar, "GET", "/api/v2/workspaces").await.0, 200);
    for (method, target) in [
        ("POST", "/api/v2/tasks"),
        ("POST", "/api/v2/time-tracking"),
        ("POST", "/api/v2/time-tracking/"),
        ("POST", "/api/v2/time-tracking/;x"),
        ("POST", "/api/v2/time-tracking/start/7"),
        ("POST", "/api/v2/Time-Tracking/start"),
        ("DELETE", "/api/v2/tasks/7"),
        ("GET", "/api/v3/tasks"),
        ("POST", "/api/v2/time-tracking/start?_method=DELETE"),
    ] {
        let seen = ask(&sidecar, method, target).await;
        assert_eq!(seen, (403, "policy".into()), "{method} {target}");
    }
    assert_eq!(sidecar.service.journal().api_requests(), 1);
    // What the service makes of it is its own affair: it came through.
    ask(&sidecar, "POST", "/api/v2/%74ime-tracking/start").await;
    assert_eq!(sidecar.service.journal().api_requests(), 2);
}

#[tokio::test]
async fn by_default_a_query_is_nobodys_business() {
    let upstream =
        Upstream::plain(|request| async move { Response::new(full(request.uri().to_string())) })
            .await;
    let reply = Proxy::with(&upstream).get("/api/v2/x?_method=DELETE&a=%2e").await;
    assert_eq!(reply.text(), "/api/v2/x?_method=DELETE&a=%2e");
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    assert_eq!(ask(&sidecar, "GET", "/api/v2/workspaces?_method=DELETE").await.0, 200);
}

/// A sidecar whose token has this scope.
async fn scoped(scope: &str) -> Sidecar {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    let token = sidecar.service.issue_personal_access_token(&scope.parse().unwrap());
    sidecar.put(PERSONAL_ACCESS_TOKEN, &token);
    sidecar.until_generation(2).await;
    sidecar
}

#[tokio::test]
async fn what_the_token_is_not_good_for_costs_the_upstream_nothing() {
    for (scope, refused) in [
        (
            "read",
            &[("POST", "write"), ("PUT", "write"), ("PATCH", "write"), ("DELETE", "admin")][..],
        ),
        ("read write", &[("DELETE", "admin")]),
        ("write", &[("GET", "read"), ("HEAD", "read"), ("DELETE", "admin")]),
        ("admin", &[]),
        ("read write admin", &[]),
    ] {
        let sidecar = scoped(scope).await;
        let mut caller = sidecar.caller().await;
        for (method, missing) in refused {
            let host = sidecar.proxy;
            let request = format!("{method} /api/v2/tasks HTTP/1.1\r\nHost: {host}\r\n\r\n");
            // The connection goes on: there was no content to be read.
            caller.send(request).await;
            let reply = caller.reply_to(method).await;
            assert_eq!(reply.status, 403, "{scope}: {method}");
            if *method != "HEAD" {
                assert_eq!(reply.code(), "scope");
                let expected =
                    format!("{method} takes the scope {missing}, which the token lacks.");
                assert!(reply.text().contains(&expected), "{}", reply.text());
            }
        }
        assert_eq!(sidecar.service.journal().api_requests(), 0, "{scope}");
        let names: Vec<_> = refused.iter().map(|(method, _)| *method).collect();
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            if !names.contains(&method) {
                let (status, code) = ask(&sidecar, method, "/api/v2/_simulator/echo").await;
                assert_ne!((status, code.as_str()), (403, "scope"), "{scope}: {method}");
            }
        }
    }
}

#[tokio::test]
async fn a_post_that_asks_for_another_method_takes_the_right_to_everything() {
    let sidecar = scoped("read write").await;
    for target in ["/api/v2/tasks?_method=DELETE", "/api/v2/tasks?a=b&%5Fmethod=delete"] {
        assert_eq!(ask(&sidecar, "POST", target).await, (403, "scope".into()), "{target}");
    }
    assert_eq!(sidecar.service.journal().api_requests(), 0);
}

/// What a proxy whose token has these rights says to a method, and whether it asked the upstream.
async fn told(rights: Rights, check: ScopeCheck, method: &str) -> (Reply, usize) {
    let upstream = Upstream::plain(|_| async { Response::new(full("")) }).await;
    let mut start = Start::with(&upstream);
    start.proxy.scope_check = check;
    let proxy = start.go();
    proxy.publisher.publish(Access::Ready(bearer(1).with_rights(rights)));
    let reply = proxy.ask(&format!("{method} /api/ HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    (reply, upstream.connections())
}

#[tokio::test]
async fn a_scope_that_is_not_certain_refuses_nothing() {
    for scope in ["", "read tasks:delete", "everything"] {
        let rights = Rights::from(&scope.parse::<ScopeSet>().unwrap());
        let (reply, asked) = told(rights, ScopeCheck::Token, "DELETE").await;
        assert_eq!((reply.status, asked), (200, 1), "{scope:?}");
    }
    let (reply, asked) = told(Rights::default(), ScopeCheck::Token, "DELETE").await;
    assert_eq!((reply.status, asked), (200, 1));
}

#[tokio::test]
async fn the_operators_word_on_the_scope_stands() {
    let says = ScopeCheck::Operator(Rights::Read);
    let (reply, asked) = told(Rights::All, says, "POST").await;
    assert_eq!((reply.code().as_str(), asked), ("scope", 0));
    let (reply, asked) = told(Rights::Read, ScopeCheck::Off, "DELETE").await;
    assert_eq!((reply.status, asked), (200, 1));
}

#[tokio::test]
async fn content_that_nobody_reads_ends_the_connection() {
    let sidecar = scoped("read").await;
    let mut caller = sidecar.caller().await;
    caller.send(sidecar.post_request("/api/v2/tasks", "{}")).await;
    let reply = caller.reply().await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "scope"));
    assert_eq!(reply.fields["connection"], "close");
    assert!(caller.is_closed().await);
    assert_eq!(sidecar.service.journal().api_requests(), 0);
}
