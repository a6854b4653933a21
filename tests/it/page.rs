//! The status page as it is served: what browsers are told about it, what keeps it up to date, and what
//! its forms do.

use tokio::net::TcpStream;
use webwork_sidecar::token::state::Standing;

use super::support::{Browser, Caller, Credential, INTERVAL, Sidecar, soon};

/// The next event of a stream.
async fn event(caller: &mut Caller<TcpStream>) -> String {
    text_until(caller, "\n\n").await
}

async fn text_until(caller: &mut Caller<TcpStream>, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        text.extend(caller.take(1).await);
    }
    String::from_utf8(text).unwrap()
}

async fn open_stream(sidecar: &Sidecar) -> (u16, Caller<TcpStream>) {
    let mut caller = Caller::new(TcpStream::connect(sidecar.admin).await.unwrap());
    let host = sidecar.admin;
    caller.send(format!("GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    let (line, fields) = caller.head().await;
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    if status == 200 {
        assert_eq!(fields["content-type"], "text/event-stream");
        assert_eq!(fields["cache-control"], "no-store");
    }
    (status, caller)
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere_and_stays_nowhere() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    let page = sidecar.page("/").await;
    assert_eq!((page.status, &page.fields["content-type"]), (200, &html()));
    let policy = page.fields["content-security-policy"].to_str().unwrap();
    for rule in
        ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.split("; ").any(|it| it == rule), "{rule} in {policy}");
    }
    let origin = sidecar.service.url();
    assert!(policy.contains(&format!("form-action 'self' {origin} ")), "{policy}");
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(page.fields[name], value, "{name}");
    }
    for attribute in ["src=\"", "href=\"", "action=\""] {
        for address in page.text().split(attribute).skip(1) {
            assert!(address.starts_with(['/', '#']) && !address.starts_with("//"), "{address:.30}");
        }
    }
}

#[tokio::test]
async fn what_the_page_loads_may_be_kept_for_ever() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    let page = sidecar.page("/").await;
    let addresses = page.text().split('"').filter(|it| it.starts_with("/assets/"));
    let mut kinds = Vec::new();
    for address in addresses {
        assert!(address.contains("?v="), "{address}");
        let asset = sidecar.page(address).await;
        assert_eq!(asset.status, 200, "{address}");
        assert_eq!(asset.fields["cache-control"], "public, max-age=31536000, immutable");
        kinds.push(asset.fields["content-type"].to_str().unwrap().to_owned());
    }
    assert_eq!(
        kinds,
        ["image/svg+xml", "text/css; charset=utf-8", "text/javascript; charset=utf-8"]
    );
}

#[tokio::test]
async fn a_stream_tells_what_has_changed_and_ends_with_the_drain() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    let (status, mut caller) = open_stream(&sidecar).await;
    assert_eq!(status, 200);
    let first = event(&mut caller).await;
    assert!(first.contains("data: <main") && first.contains("not verified yet"), "{first}");
    sidecar.refresh().await;
    // Others may come before, because time passes.
    soon(async { while !event(&mut caller).await.contains("<dd>2</dd>") {} }).await;
    sidecar.drain();
    let rest = text_until(&mut caller, "\r\n0\r\n\r\n").await;
    assert!(rest.contains("Stopping"), "{rest}");
}

#[tokio::test]
async fn there_are_few_streams_and_a_place_is_given_back() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    let mut open = Vec::new();
    let refused = loop {
        let (status, caller) = open_stream(&sidecar).await;
        if status != 200 {
            break status;
        }
        open.push(caller);
    };
    assert_eq!((refused, open.len()), (503, 16));
    // Whoever asks for something else finds a place all the same.
    assert_eq!(sidecar.page("/readyz").await.status, 200);
    open.pop();
    soon(async { while open_stream(&sidecar).await.0 != 200 {} }).await;
}

#[tokio::test]
async fn a_form_orders_an_exchange_and_shows_the_page() {
    for (credential, word) in [
        (Credential::AuthorizationCode, "planned"),
        (Credential::SignInToCome, "useless"),
        (Credential::PersonalAccessToken, "fixed"),
    ] {
        let sidecar = Sidecar::with(credential).set(INTERVAL, "10min").start().await;
        let host = sidecar.admin.to_string();
        let reply = Browser::at(&sidecar).press(&host, "/refresh", "").await;
        let place = format!("/?refresh={word}");
        assert_eq!((reply.status, &reply.fields["location"]), (303, &place.parse().unwrap()));
        let page = sidecar.page(&place).await;
        assert!(page.text().contains("id=\"notice\""), "{word}");
    }
}

#[tokio::test]
async fn nothing_of_an_address_is_shown() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    for target in ["/?sign_in=zebra", "/?refresh=zebra", "/?zebra", "/?sign_in=%3Czebra%3E"] {
        let page = sidecar.page(target).await;
        assert_eq!(page.status, 200, "{target}");
        assert!(!page.text().contains("zebra"), "{target}");
    }
}

#[tokio::test]
async fn page_and_report_are_of_one_opinion() {
    let sidecar = Sidecar::with(Credential::SignInToCome).start().await;
    assert_eq!(sidecar.status().state, Standing::SignedOut);
    let headline = sidecar.report().verdict.headline;
    let page = sidecar.page("/").await;
    assert!(page.text().contains(&format!("<h1 id=\"headline\">{headline}</h1>")));
}

fn html() -> http::HeaderValue {
    http::HeaderValue::from_static("text/html; charset=utf-8")
}

/// Anybody can make a link to the page.
#[tokio::test]
async fn a_success_is_told_only_where_it_can_be_one() {
    let sidecar = Sidecar::with(Credential::SignInToCome).start().await;
    assert!(!sidecar.page("/?sign_in=done").await.text().contains("Signed in:"));
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    assert!(sidecar.page("/?sign_in=done").await.text().contains("Signed in:"));
    for path in ["/status", "/metrics", "/livez"] {
        let fields = sidecar.page(path).await.fields;
        assert_eq!(fields["cache-control"], "no-store", "{path}");
        assert_eq!(fields["x-content-type-options"], "nosniff", "{path}");
    }
}
